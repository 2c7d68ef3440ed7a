r"""P(bytes | z): which 8-bit image was behind one with noise, decoded byte by byte.

    P(b | D_i, bytes before i) ∝ T(b | D_i) (1 + Σ_k w_k [b = b_k])

with D = E[y | z] the denoised image, T a table of how often each byte was behind each denoised value, and b_k the bytes of pixels nearby
that are known already. Noise a few bytes wide leaves a flat T; but scans saturate, and straight edges repeat one grey from pixel to pixel,
so a pixel is often exactly what its neighbour was. How far a neighbour is trusted depends on what can be seen of it beforehand.

Sampling pixel by pixel from the same probabilities makes bytes of a sample that ended between them (`ByteDecoder.finish`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from torch import Tensor

from scorefield._noise import Noise, derive_seed
from scorefield._tensors import flatten
from scorefield.grids import ends
from scorefield.models import ScoreModel, State

__all__ = ["ByteDecoder", "Cells", "as_planes", "check_bytes"]

_BYTES, _WHITE = 256, 250
_RATIO = 0.03
_PSEUDOCOUNT = 3 / _BYTES  # of every byte behind every denoised value, so that none is impossible
# Rows and columns from a pixel to those asked: all are decoded before it.
_BEFORE = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
_CONTEXTS = 12
_LEARNT, _ITERATIONS = 500, 100  # images that say how far neighbours are trusted, and rounds of doing so
_AT_ONCE = 250
_MARGIN = 2 * max(-offset for place in _BEFORE for offset in place)


Choose = Callable[[int, int, Float64[Tensor, "b c 256"]], Int64[Tensor, "b c"]]
"""Bytes of the pixels in a row and column, from how probable each byte is there."""


class _Neighbour(NamedTuple):
    """What pixels in one direction say: the byte there, and which of `_CONTEXTS` it is seen in."""

    byte: Int64[Tensor, "b *d"]
    context: Int64[Tensor, "b *d"]


class _Evidence(NamedTuple):
    """What pixels in one direction say of the byte decoded: their context, whether they are the same, and T at theirs."""

    context: Int64[Tensor, "b *d"]
    same: Float64[Tensor, "b *d"]
    probable: Float64[Tensor, "b *d"]


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
        ratio: the noise-to-signal ratio σ/α at which it decodes; when absent 0.03, or the process's least where that is more: eight bytes
            wide.
        seed: of the noise.

    Cost: one evaluation per image.

    Raises:
        ValueError: images not of bytes, a ratio that the model's process does not reach, or a model that does not say which values of its
            data bytes stand for (`scorefield.units.Units.ends`).
    """

    def __init__(
        self, model: ScoreModel, images: UInt8[Tensor, "n *d"], *, ratio: float | None = None, seed: int = 0
    ) -> None:
        self._place(model, ratio)
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

    @classmethod
    def stored(cls, model: ScoreModel, tensors: Mapping[str, Tensor]) -> Self:
        """Return the decoder of a model of which `tensors` were kept; errors are those of another ratio."""
        decoder = cls.__new__(cls)
        decoder._place(model, tensors["ratio"].item())
        decoder.table, decoder.trust = tensors["table"].double(), tensors["trust"].double()
        return decoder

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What has been learnt, to be stored beside the weights of the model."""
        ratio = torch.tensor(self.ratio, dtype=torch.float64)
        return {"table": self.table.float(), "trust": self.trust.float(), "ratio": ratio}

    def _place(self, model: ScoreModel, ratio: float | None) -> None:
        """Take a model, and the noise level at which to decode."""
        high, low = ends(model.process)
        ratio = max(_RATIO, low) if ratio is None else ratio
        if not low <= ratio < high:
            raise ValueError(
                f"ratio must be a noise-to-signal ratio of the model's process, from {low:g} to below {high:g}; received {ratio:g}"
            )
        self.model, self.ratio, self.cells = model, ratio, Cells.of(model)
        self.t = model.process.time(torch.tensor(ratio, dtype=torch.float64)).item()

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
        boost, total = _boost(self._evidence(bytes_, bins), self.trust)
        return flatten(torch.log(self.table[bins, bytes_] * boost / total)).sum(1)

    def finish(
        self, x: Float[Tensor, "b *d"], how: Literal["draw", "mode"] = "draw", *, stream: str, rows: Sequence[int]
    ) -> UInt8[Tensor, "b *d"]:
        """Return the bytes of samples that ended between bytes: z = αx + σε, then a draw from P(bytes | z).

        A step of Gibbs sampling between images and their noised versions: it leaves the distribution of the data as it is, and forgets
        what in a sample was finer than the noise.

        Args:
            x: samples, in the data's units.
            how: "draw" samples every byte given those before it, "mode" takes the most probable one.
            stream: names the noise.
            rows: the seed of each sample; a sample's bytes depend on its own seed alone.

        Cost: one evaluation per sample.
        """
        t = torch.tensor(self.t, dtype=torch.float64)
        y = self.model.standardise(x)
        found = []
        for part in torch.arange(len(x)).split(_AT_ONCE):
            noise = Noise(
                [rows[k] for k in part.tolist()], tuple(x.shape[1:]), stream=f"bytes {stream}", device=x.device
            )
            z = self.model.process.perturb(y[part], t, noise.normal())
            found.append(self.draw(z, torch.special.ndtr(noise.normal().cpu().double()) if how == "draw" else None))
        return torch.cat(found)

    def draw(self, z: State, u: Float64[Tensor, "b *d"] | None = None) -> UInt8[Tensor, "b *d"]:
        """Return bytes pixel by pixel: the u-quantile of each given z and the bytes before it, or the most probable one without u.

        With u uniform on [0, 1) images are drawn from P(bytes | z), whose logarithm `log_prob` returns, but for bytes that were never
        seen behind a denoised value: a code must be able to tell them, a picture need not show them.
        """
        level = None if u is None else as_planes(u)

        def choose(i: int, j: int, likely: Float64[Tensor, "b c 256"]) -> Int64[Tensor, "b c"]:
            if level is None:
                return likely.argmax(-1)
            total = likely.cumsum(-1)
            chosen = torch.searchsorted(total, level[..., i, j, None] * total[..., -1:], right=True)
            return chosen.squeeze(-1).clamp(max=_BYTES - 1)

        return self.in_order(z, choose, self._seen())

    def in_order(self, z: State, choose: Choose, table: Float64[Tensor, "256 256"]) -> UInt8[Tensor, "b *d"]:
        """Return bytes chosen pixel by pixel, row by row, from what P(byte | z, bytes before) is proportional to under a table T."""
        bins = self._bins(z)
        where = as_planes(bins)
        *_, height, width = where.shape
        padded = _padded(torch.zeros_like(where))
        for i, j in product(range(height), range(width)):
            likely = table[where[..., i, j]]
            boost = torch.ones_like(likely)
            for row, (byte, context) in zip(self.trust, _neighbours(padded, (i, j), (1, 1)), strict=True):
                boost.scatter_add_(-1, byte[..., 0], row[context[..., 0]])
            padded[..., _MARGIN + i, _MARGIN + j] = choose(i, j, likely * boost)
        return padded[..., _MARGIN:, _MARGIN : _MARGIN + width].reshape(bins.shape).to(torch.uint8)

    def _seen(self) -> Float64[Tensor, "256 256"]:
        """Return T without its pseudocounts; a denoised value that was never seen itself stands for its own byte."""
        seen = self.table - self.table.min(dim=1, keepdim=True).values
        return torch.where(seen.sum(dim=1, keepdim=True) > 0, seen, torch.eye(_BYTES, dtype=torch.float64))

    @torch.no_grad()
    def _bins(self, z: State) -> Int64[Tensor, "b *d"]:
        """Return the denoised image, to the nearest byte below."""
        denoised = self.model.restore(self.model.denoise(z, self.t))
        return ((denoised - self.cells.start) / self.cells.width).floor().clamp(0, _BYTES - 1).long().cpu()

    def _evidence(self, bytes_: Int64[Tensor, "b *d"], bins: Int64[Tensor, "b *d"]) -> list[_Evidence]:
        """Return what every pixel's neighbours say of it."""
        return [
            _Evidence(context, (byte == bytes_).double(), self.table[bins, byte])
            for byte, context in _all_neighbours(bytes_)
        ]

    def _learn(self, bytes_: Int64[Tensor, "b *d"], bins: Int64[Tensor, "b *d"]) -> Float64[Tensor, "k c"]:
        """Return the trust that makes these images most probable.

        log P is a difference of logarithms of sums over k. Bounding the first from below by Jensen's inequality, the second from above by
        its tangent, gives an update of every weight in closed form after which P is never less (Hunter & Lange 2004).
        """
        evidence = self._evidence(bytes_, bins)
        trust = torch.ones(len(_BEFORE), _CONTEXTS, dtype=torch.float64)
        for _ in range(_ITERATIONS):
            boost, total = _boost(evidence, trust)
            for row, (context, same, probable) in zip(trust, evidence, strict=True):
                right, expected = torch.zeros(2, _CONTEXTS, dtype=torch.float64)
                right.index_add_(0, context.flatten(), (same / boost).flatten())
                expected.index_add_(0, context.flatten(), (probable / total).flatten())
                row *= torch.where(expected > 0, right / expected, 1.0)
        return trust


def check_bytes(images: Tensor) -> None:
    """Refuse images that are not of bytes."""
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be bytes, torch.uint8, as a data set's x is; received {images.dtype}. `log_likelihood` takes real numbers"
        )


def _boost(evidence: list[_Evidence], trust: Float64[Tensor, "k c"]) -> tuple[Tensor, Tensor]:
    """Return 1 + Σ_k w_k [b = b_k] at the byte decoded, and its mean under T, by which it is divided to normalise."""
    boost, total = torch.ones(2, *evidence[0].context.shape, dtype=torch.float64)
    for row, (context, same, probable) in zip(trust, evidence, strict=True):
        w = row[context]
        boost += w * same
        total += w * probable
    return boost, total


def as_planes(x: Tensor) -> Tensor:
    """Return images of any number of channels, or rows of pixels, in the shape (b, c, h, w)."""
    *_, height, width = (1, *x.shape[1:])
    return x.reshape(len(x), -1, height, width)


def _padded(planes: Int64[Tensor, "b c h w"]) -> Int64[Tensor, "b c h w"]:
    """Return images within the margin that neighbours reach into; beyond the edges bytes are 0."""
    return F.pad(planes, (_MARGIN, _MARGIN, _MARGIN, 0))


def _neighbours(padded: Int64[Tensor, "b c h w"], first: tuple[int, int], size: tuple[int, int]) -> list[_Neighbour]:
    """Return the neighbours that are decoded before each pixel of a part of an image, which begins at ``first``."""

    def at(*place: int) -> Int64[Tensor, "b c h w"]:
        top, left = (_MARGIN + start + offset for start, offset in zip(first, place, strict=True))
        return padded[..., top : top + size[0], left : left + size[1]]

    found = []
    for down, right in _BEFORE:
        byte = at(down, right)
        kind = (byte > 0).long() + (byte >= _WHITE).long()
        goes_on = at(2 * down, 2 * right) == byte
        side = (-1, 0) if down == 0 else (0, -1)
        beside = at(*side) == at(side[0] + down, side[1] + right)
        found.append(_Neighbour(byte, 4 * kind + 2 * goes_on.long() + beside.long()))
    return found


def _all_neighbours(bytes_: Int64[Tensor, "b *d"]) -> list[_Neighbour]:
    """Return the neighbours of every pixel that are decoded before it, row by row."""
    planes = as_planes(bytes_)
    *_, height, width = planes.shape
    found = _neighbours(_padded(planes), (0, 0), (height, width))
    return [_Neighbour(*(part.reshape(bytes_.shape) for part in neighbour)) for neighbour in found]
