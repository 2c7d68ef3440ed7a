r"""P(bytes | z): which 8-bit image was behind one with noise, decoded byte by byte.

    P(b | D_i, bytes before i) ∝ T(b | D_i) (1 + Σ_k w_k [b = b_k])

with D = E[y | z] the denoised image, T a table of how often each byte was behind each denoised value, and b_k the bytes of pixels nearby
that are known already. Noise a few bytes wide leaves a flat T; but scans saturate, and straight edges repeat one grey from pixel to pixel,
so a pixel is often exactly what its neighbour was. How far a neighbour is trusted depends on what can be seen of it beforehand.

Counts do not know what a neighbour says that differs, or which way a stroke runs: a network may learn it, whose output is added to the
logarithm of the right-hand side (`ByteDecoder.with_network`).

Sampling pixel by pixel from the same probabilities makes bytes of a sample that ended between them (`ByteDecoder.finish`).
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from typing import Literal, Self

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from scorefield._checks import require_fit
from scorefield._noise import Noise, derive_seed
from scorefield._tensors import evaluating, flatten, home
from scorefield.grids import ends
from scorefield.likelihood import byte_network
from scorefield.likelihood.byte_network import ByteNetwork, Examples, Pixels, Seen, learned, restored, seen
from scorefield.likelihood.cells import BYTES, Cells, check_bytes
from scorefield.likelihood.neighbours import BEFORE, CONTEXTS, MARGIN, SLANT, as_planes, framed, neighbours, waves
from scorefield.likelihood.trust import learned_trust
from scorefield.models import ScoreModel, State

_RATIO, _NETWORK_RATIO, _NETWORK = 0.03, 0.12, "network."
_PSEUDOCOUNT = 3 / BYTES  # of every byte behind every denoised value, so that none is impossible
_LEARNT = 500  # images that say how far neighbours are trusted
_AT_ONCE = 250
_TOGETHER = 16  # images whose bytes' probabilities are in memory together, 256 of each pixel
_BATCH, _KNOWN = 16, 0.999
_COUNTS = 5000  # images that the network's decoder counts in
_SHAPES = {"table": (BYTES, BYTES), "trust": (len(BEFORE), CONTEXTS), "ratio": ()}
_COUNTED = {name: torch.empty(shape, device="cpu") for name, shape in _SHAPES.items()}

Places = Int64[Tensor, " p"]
Finish = Literal["draw", "counts", "mode"]
Choose = Callable[[Places, Places, Float64[Tensor, "b c p 256"]], Int64[Tensor, "b c p"]]
"""Bytes of the pixels in rows and columns, from how probable each byte is there."""


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
        check_bytes(images)
        counts = torch.full((BYTES, BYTES), _PSEUDOCOUNT, dtype=torch.float64)
        first: list[Int64[Tensor, "..."]] = []
        for part in torch.arange(len(images)).split(_AT_ONCE):
            z, _ = self.noised(images[part], derive_seed(seed, "decoder", int(part[0])))
            bins = self._denoised(z).long()
            cells = (bins * BYTES + images[part].cpu()).flatten()
            counts.view(-1).index_add_(0, cells, torch.ones(len(cells)).double())
            if part[0] < _LEARNT:
                first.append(bins)
        self.table = counts / counts.sum(dim=1, keepdim=True)
        learnt = torch.cat(first)
        self.trust = learned_trust(images[: len(learnt)].long().cpu(), learnt, self.table)
        self.network: ByteNetwork | None = None
        self.counted = self
        """The decoder without a network; this one where it has none."""

    @classmethod
    def stored(cls, model: ScoreModel, tensors: Mapping[str, Tensor]) -> Self:
        """Return the decoder of a model of which `tensors` were kept; errors are those of another ratio.

        Raises:
            CheckpointError: tensors that are not a decoder's.
        """
        learnt = {name.removeprefix(_NETWORK): tensor for name, tensor in tensors.items() if name.startswith(_NETWORK)}
        counted = cls._stored(
            model, {name: tensor for name, tensor in tensors.items() if not name.startswith(_NETWORK)}
        )
        if learnt.keys().isdisjoint(_COUNTED):
            if learnt:
                what = "the decoder's network is of a former kind and is left out: bytes are decoded by counts"
                warnings.warn(what, stacklevel=2)
            return counted
        decoder = cls._stored(model, {name: learnt.pop(name) for name in _COUNTED if name in learnt})
        decoder.network, decoder.counted = restored(learnt), counted
        return decoder

    @classmethod
    def _stored(cls, model: ScoreModel, tensors: Mapping[str, Tensor]) -> Self:
        """Return the decoder of what was counted."""
        require_fit(_COUNTED, tensors, "the decoder of bytes")
        decoder = cls.__new__(cls)
        decoder._place(model, tensors["ratio"].item())
        decoder.table, decoder.trust = tensors["table"].double(), tensors["trust"].double()
        decoder.network, decoder.counted = None, decoder
        return decoder

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What has been learnt, to be stored beside the weights of the model."""
        ratio = torch.tensor(self.ratio, dtype=torch.float64)
        own = {"table": self.table.float(), "trust": self.trust.float(), "ratio": ratio}
        if self.network is None:
            return own
        learnt = own | self.network.state_dict()
        return self.counted.tensors | {_NETWORK + name: tensor for name, tensor in learnt.items()}

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

    def with_network(
        self,
        images: UInt8[Tensor, "n *d"],
        *,
        steps: int,
        width: int = 256,
        seed: int = 0,
        on_step: Callable[[], object] = lambda: None,
    ) -> Self:
        """Return a decoder whose counts a network corrects, trained to make images most probable given their noised versions.

        What is counted leaves unsaid much of what nearby bytes say of each other. A network knows it, and so decodes from more noise,
        σ/α of 0.12 or this decoder's where that is more: what is finer, the sampler need not have drawn right.

        Args:
            images: to learn from, training images; all there are.
            steps: optimiser steps, of 16 images each.
            width: of the network.
            seed: of weights, order and noise.
            on_step: called after every step.

        Cost: 16 evaluations per step.

        Raises:
            ValueError: images not of bytes.
        """
        better = type(self)(self.model, images[:_COUNTS], ratio=max(_NETWORK_RATIO, self.ratio), seed=seed)
        generator = torch.Generator().manual_seed(derive_seed(seed, "network"))

        def examples(step: int) -> Examples:
            x = images[torch.randint(len(images), (_BATCH,), generator=generator)].to(home(self.model))
            z, _ = better.noised(x, derive_seed(seed, "network", step))
            bytes_ = x.long().cpu()
            pixels = Pixels.of(bytes_, better._denoised(z))
            likely = better._counted(better.table, pixels).flatten(0, 2)
            p = likely / likely.sum(-1, keepdim=True)
            # Most pixels are as good as known: one in eight of these is enough, and the choice does not depend on the byte.
            rows = ((p.amax(-1) < _KNOWN) | (torch.rand(len(p), generator=generator) < 1 / 8)).nonzero().squeeze(1)
            what = Seen(*(part.flatten(0, 2)[rows] for part in seen(pixels)))
            return what, p[rows].log().float(), bytes_.flatten()[rows]

        better.network = learned(width, examples, steps, derive_seed(seed, "weights"), on_step)
        better.counted = self.counted
        return better

    def log_prob(self, images: UInt8[Tensor, "b *d"], z: State) -> Float64[Tensor, " b"]:
        """Return log P(images | z)."""
        found = []
        for part in zip(images.long().cpu().split(_TOGETHER), self._denoised(z).split(_TOGETHER), strict=True):
            likely = self._likely(self.table, Pixels.of(*part))
            p = likely.gather(-1, as_planes(part[0]).flatten(2).unsqueeze(-1)).squeeze(-1) / likely.sum(-1)
            found.append(flatten(p.log()).sum(1))
        return torch.cat(found)

    def finish(
        self, x: Float[Tensor, "b *d"], how: Finish = "draw", *, stream: str, rows: Sequence[int]
    ) -> UInt8[Tensor, "b *d"]:
        """Return the bytes of samples that ended between bytes: z = αx + σε, then a draw from P(bytes | z).

        A step of Gibbs sampling between images and their noised versions: it leaves the distribution of the data as it is, and forgets
        what in a sample was finer than the noise.

        Args:
            x: samples, in the data's units.
            how: "draw" samples every byte given those before it, "counts" does so without the network, "mode" takes the most probable one.
            stream: names the noise.
            rows: the seed of each sample; a sample's bytes depend on its own seed alone.

        Cost: one evaluation per sample.
        """
        decoder = self.counted if how == "counts" else self
        t = torch.tensor(decoder.t, dtype=torch.float64)
        y = self.model.standardise(x)
        found = []
        for part in torch.arange(len(x)).split(_AT_ONCE):
            noise = Noise(
                [rows[k] for k in part.tolist()], tuple(x.shape[1:]), stream=f"bytes {stream}", device=x.device
            )
            z = self.model.process.perturb(y[part], t, noise.normal())
            u = None if how == "mode" else torch.special.ndtr(noise.normal().cpu().double())
            found.append(decoder.draw(z, u))
        return torch.cat(found)

    def draw(self, z: State, u: Float64[Tensor, "b *d"] | None = None) -> UInt8[Tensor, "b *d"]:
        """Return bytes pixel by pixel: the u-quantile of each given z and the bytes before it, or the most probable one without u.

        With u uniform on [0, 1) images are drawn from P(bytes | z), whose logarithm `log_prob` returns, but for bytes that were never
        seen behind a denoised value: a code must be able to tell them, a picture need not show them.
        """
        # In float64: what rounding makes of a logit depends on how many others are computed, and one byte changes all after it.
        exact = copy(self)
        exact.network = deepcopy(self.network).double() if self.network is not None else None
        level = None if u is None else as_planes(u)

        def choose(i: Places, j: Places, likely: Float64[Tensor, "b c p 256"]) -> Int64[Tensor, "b c p"]:
            if level is None:
                return likely.argmax(-1)
            total = likely.cumsum(-1)
            chosen = torch.searchsorted(total, level[..., i, j].unsqueeze(-1) * total[..., -1:], right=True)
            return chosen.squeeze(-1).clamp(max=BYTES - 1)

        return exact.in_order(z, choose, self._seen(), slant=SLANT if self.network is None else byte_network.SLANT)

    def in_order(
        self, z: State, choose: Choose, table: Float64[Tensor, "256 256"], *, slant: int | None = None
    ) -> UInt8[Tensor, "b *d"]:
        """Return bytes chosen from what P(byte | z, bytes before) is proportional to under a table T.

        Pixel by pixel, row by row, or in `waves` of a slant: the same bytes, where each is chosen without regard to when.
        """
        planes = as_planes(self._denoised(z))
        *_, height, width = planes.shape
        denoised = framed(planes)
        bytes_ = torch.zeros_like(denoised, dtype=torch.long)
        for i, j in waves(height, width, width if slant is None else slant):
            bytes_[..., MARGIN + i, MARGIN + j] = choose(i, j, self._likely(table, Pixels(bytes_, denoised, i, j)))
        return bytes_[..., MARGIN : MARGIN + height, MARGIN : MARGIN + width].reshape(z.shape).to(torch.uint8)

    def _likely(self, table: Float64[Tensor, "256 256"], pixels: Pixels) -> Float64[Tensor, "b c p 256"]:
        """Return what P(byte | z, bytes before) is proportional to under a table T."""
        counted = self._counted(table, pixels)
        return counted if self.network is None else counted * self.network(seen(pixels)).double().exp()

    def _counted(self, table: Float64[Tensor, "256 256"], pixels: Pixels) -> Float64[Tensor, "b c p 256"]:
        """Return the part of it that is counted: T(byte | D) (1 + Σ_k w_k [byte = b_k])."""
        bytes_, denoised, i, j = pixels
        likely = table[denoised[..., MARGIN + i, MARGIN + j].long()]
        byte, context = neighbours(bytes_, i, j)
        return likely * torch.ones_like(likely).scatter_add_(-1, byte, self.trust[torch.arange(len(BEFORE)), context])

    def _seen(self) -> Float64[Tensor, "256 256"]:
        """Return T without its pseudocounts; a denoised value that was never seen itself stands for its own byte."""
        counts = self.table - self.table.min(dim=1, keepdim=True).values
        return torch.where(counts.sum(dim=1, keepdim=True) > 0, counts, torch.eye(BYTES, dtype=torch.float64))

    def _denoised(self, z: State) -> Float[Tensor, "b *d"]:
        """Return the denoised image, in bytes and parts of one; T is of the byte below."""
        with torch.no_grad(), evaluating(self.model):
            denoised = self.model.restore(self.model.denoise(z, self.t))
        return ((denoised - self.cells.start) / self.cells.width).clamp(0, BYTES - 1).cpu()
