r"""P(bytes | z): which 8-bit image was behind one with noise, decoded byte by byte.

    P(b | D_i, bytes before i) ∝ T(b | D_i) (1 + Σ_k w_k [b = b_k])

with D = E[y | z] the denoised image, T a table of how often each byte was behind each denoised value, and b_k the bytes of pixels nearby
that are known already. Noise a few bytes wide leaves a flat T; but scans saturate, and straight edges repeat one grey from pixel to pixel,
so a pixel is often exactly what its neighbour was. How far a neighbour is trusted depends on what can be seen of it beforehand.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Int, Int64, UInt8
from torch import Tensor

from scorefield._tensors import Noise, derive_seed, flatten
from scorefield.models import ScoreModel, State

__all__ = ["ByteDecoder", "Cells", "check_bytes"]

_BYTES, _WHITE = 256, 250
_PSEUDOCOUNT = 3 / _BYTES  # of every byte behind every denoised value, so that none is impossible
# Rows and columns from a pixel to those asked: all are decoded before it.
_BEFORE = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
_CONTEXTS = 12
_LEARNT, _ITERATIONS = 500, 100  # images that say how far neighbours are trusted, and rounds of doing so
_AT_ONCE = 250


class _Neighbour(NamedTuple):
    """What pixels in one direction say: the byte there, and which of `_CONTEXTS` it is seen in."""

    byte: Int64[Tensor, "b *d"]
    context: Int64[Tensor, "b *d"]


class Cells(NamedTuple):
    """Which values of a model's data a byte b stands for: those from start + b · width to start + (b + 1) · width, in the data's units.

    Without units bytes are the images in [0, 1) of `scorefield.data.dequantize`: (b + U)/256. Where a model declares the ``ends`` of its
    data, they are the middles of the cells of 0 and 255.
    """

    start: float
    width: float

    @classmethod
    def of(cls, model: ScoreModel) -> "Cells":
        """Return the cells of a model.

        Raises:
            ValueError: a model in units in which data in [0, 1] cannot be, and which does not declare its ends.
        """
        units = model.units
        if units is not None and units.ends is not None:
            low, high = units.ends
            width = (high - low) / (_BYTES - 1)
            return cls(low - width / 2, width)
        if units is not None and ((units.location - 0.5).abs().max() > 0.5 or units.scale.max() > 1):
            raise ValueError(
                f"the model's data are in other units than [0, 1], {units.described}, and it does not say which values the bytes 0 and 255 "
                "stand for; declare them: model.in_units(Units(location, scale, ends=(0, 255)))"
            )
        return cls(0.0, 1 / _BYTES)

    def place(self, images: UInt8[Tensor, "b *d"], within: Float[Tensor, "b *d"] | float) -> Float32[Tensor, "b *d"]:
        """Return the real numbers that are ``within``, 0 to 1, their cells."""
        return (self.start + self.width * (images.double() + within)).float()


class ByteDecoder:
    """P(bytes | z) of 8-bit images: see the module.

    The trust w_k in a neighbour is learnt for each direction and context: whether its byte is 0, grey or white (250 and above), whether
    the pixel twice as far has the same byte, and whether the pixel beside would have been right to copy its own neighbour there.

    Args:
        model: denoises.
        images: to count in, training images; a thousand fill the table.
        ratio: the noise-to-signal ratio σ/α at which it decodes.
        seed: of the noise.

    Cost: one evaluation per image.

    Raises:
        ValueError: images not of bytes, a ratio that the model's process does not reach, or a model that does not say which values of its
            data bytes stand for (`scorefield.units.Units.ends`).
    """

    def __init__(self, model: ScoreModel, images: UInt8[Tensor, "n *d"], *, ratio: float = 0.02, seed: int = 0) -> None:
        low, high = (
            model.process.ratio(torch.tensor(t, dtype=torch.float64)).item()
            for t in (model.process.t_min, model.process.t_max)
        )
        if not low <= ratio < high:
            raise ValueError(
                f"ratio must be a noise-to-signal ratio of the model's process, from {low:g} to below {high:g}; received {ratio:g}"
            )
        self.model, self.ratio, self.cells = model, ratio, Cells.of(model)
        self.t = model.process.time(torch.tensor(ratio, dtype=torch.float64)).item()
        counts = torch.full((_BYTES, _BYTES), _PSEUDOCOUNT, dtype=torch.float64)
        first: list[Int64[Tensor, "..."]] = []
        for part in torch.arange(len(images)).split(_AT_ONCE):
            z, _ = self.noised(images[part], derive_seed(seed, "decoder", int(part[0])))
            bins = self._bins(z)
            cells = (bins * _BYTES + images[part].cpu()).flatten()
            counts.view(-1).index_add_(0, cells, torch.ones(len(cells)).double())
            if part[0] < _LEARNT:
                first.append(bins)
        self.table = counts / counts.sum(dim=1, keepdim=True)
        learnt = torch.cat(first)
        self.trust = self._learn(images[: len(learnt)].long().cpu(), learnt)

    def noised(self, images: UInt8[Tensor, "b *d"], seed: int) -> tuple[State, Float[Tensor, " b"]]:
        """Return z, in the model's own coordinates, and log q(z | images)."""
        check_bytes(images)
        t = torch.tensor(self.t, dtype=torch.float64)
        _, sigma = self.model.process.alpha_sigma(t)
        y = self.model.standardise(self.cells.place(images, 0.5))
        noise = Noise(range(len(images)), tuple(images.shape[1:]), stream=f"bytes {seed}", device=y.device).normal()
        log_q = -0.5 * flatten(noise).double().square().sum(1) - flatten(y).shape[1] * math.log(
            sigma.item() * math.sqrt(2 * math.pi)
        )
        return self.model.process.perturb(y, t, noise), log_q

    def log_prob(self, images: UInt8[Tensor, "b *d"], z: State) -> Float64[Tensor, " b"]:
        """Return log P(images | z)."""
        bytes_, bins = images.long().cpu(), self._bins(z)
        boost, total = self._boost(bytes_, bins, _neighbours(bytes_), self.trust)
        return flatten(torch.log(self.table[bins, bytes_] * boost / total)).sum(1)

    @torch.no_grad()
    def _bins(self, z: State) -> Int64[Tensor, "b *d"]:
        """Return the denoised image, to the nearest byte below."""
        denoised = self.model.restore(self.model.denoise(z, self.t))
        return ((denoised - self.cells.start) / self.cells.width).floor().clamp(0, _BYTES - 1).long().cpu()

    def _boost(
        self,
        bytes_: Int[Tensor, "b *d"],
        bins: Int[Tensor, "b *d"],
        neighbours: list[_Neighbour],
        trust: Float64[Tensor, "k c"],
    ) -> tuple[Float64[Tensor, "b *d"], Float64[Tensor, "b *d"]]:
        """Return 1 + Σ_k w_k [b = b_k] at the byte decoded, and its mean under T, by which it is divided to normalise."""
        boost, total = torch.ones(2, *bytes_.shape, dtype=torch.float64)
        for row, (byte, context) in zip(trust, neighbours, strict=True):
            w = row[context]
            boost += w * (byte == bytes_)
            total += w * self.table[bins, byte]
        return boost, total

    def _learn(self, bytes_: Int[Tensor, "b *d"], bins: Int[Tensor, "b *d"]) -> Float64[Tensor, "k c"]:
        """Return the trust that makes these images most probable.

        log P is a difference of logarithms of sums over k. Bounding the first from below by Jensen's inequality, the second from above by
        its tangent, gives an update of every weight in closed form after which P is never less (Hunter & Lange 2004).
        """
        neighbours = _neighbours(bytes_)
        trust = torch.ones(len(_BEFORE), _CONTEXTS, dtype=torch.float64)
        for _ in range(_ITERATIONS):
            boost, total = self._boost(bytes_, bins, neighbours, trust)
            for row, (byte, context) in zip(trust, neighbours, strict=True):
                right, expected = torch.zeros(2, _CONTEXTS, dtype=torch.float64)
                right.index_add_(0, context.flatten(), ((byte == bytes_) / boost).flatten())
                expected.index_add_(0, context.flatten(), (self.table[bins, byte] / total).flatten())
                row *= torch.where(expected > 0, right / expected, 1.0)
        return trust


def check_bytes(images: Tensor) -> None:
    """Refuse images that are not of bytes."""
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be bytes, torch.uint8, as a data set's x is; received {images.dtype}. `log_likelihood` takes real numbers"
        )


def _neighbours(bytes_: Int64[Tensor, "b *d"]) -> list[_Neighbour]:
    """Return the neighbours of every pixel that are decoded before it, row by row; beyond the edges bytes are 0."""
    *_, height, width = (1, *bytes_.shape[1:])
    margin = 2 * max(-offset for place in _BEFORE for offset in place)
    padded = F.pad(bytes_.reshape(len(bytes_), -1, height, width), (margin, margin, margin, 0))

    def at(*place: int) -> Int64[Tensor, "b *d"]:
        row, column = (margin + offset for offset in place)
        return padded[..., row : row + height, column : column + width].reshape(bytes_.shape)

    found = []
    for down, right in _BEFORE:
        byte = at(down, right)
        kind = (byte > 0).long() + (byte >= _WHITE).long()
        goes_on = at(2 * down, 2 * right) == byte
        side = (-1, 0) if down == 0 else (0, -1)
        beside = at(*side) == at(side[0] + down, side[1] + right)
        found.append(_Neighbour(byte, 4 * kind + 2 * goes_on.long() + beside.long()))
    return found
