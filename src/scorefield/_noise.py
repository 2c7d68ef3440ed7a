"""Seeded noise: streams in which a row is a function of its own seed, and seeds made of seeds."""

import copy
import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._checks import one_of, whole
from scorefield._philox import normals, uniforms, words
from scorefield._tensors import flatten, floating, precise
from scorefield.errors import ConfigError

__all__ = [
    "Noise",
    "Source",
    "Stream",
    "derive_seed",
    "generator_at",
    "importing",
    "seeded",
    "standard_normal",
    "uniform_like",
]


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that is a hash of ``parts``: independent streams from (seed, step, purpose) and no state."""
    named = (part if isinstance(part, str | bool) else whole(part, "seed") for part in parts)
    text = "\x1f".join(map(str, named)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator_at(seed: int) -> torch.Generator:
    """Return a generator of PyTorch's on the CPU at a seed, whichever library that comes from.

    Raises:
        ConfigError: the seed is not a whole number of 64 bits.
    """
    return torch.Generator().manual_seed(whole(seed, "seed", -(2**63), 2**64 - 1))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's global generator, from which layers draw their initial weights, and restore its state on leaving."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def importing() -> Iterator[None]:
    """Restore Python's global random state on leaving: packages change it as they are imported, such as rich, by scikit-learn."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


Stream = Literal["torch", "philox"]
"""What makes noise: PyTorch's generators on the CPU, or `scorefield._philox` on the device that wants it."""


class _Generators:
    """Rows cut from blocks, each drawn on the CPU by a generator of its own, so that every device sees the same numbers."""

    def __init__(
        self, seeds: np.ndarray, event: tuple[int, ...], stream: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._event, self._device, self._dtype = event, device, dtype
        self._block = max(1, 1024 // max(1, math.prod(event)))
        blocks, place = np.unique(seeds // self._block, return_inverse=True)
        rows = place * self._block + (seeds % self._block).astype(np.int64)
        self._rows = torch.from_numpy(rows)
        self._made = [torch.Generator().manual_seed(derive_seed("noise", stream, block)) for block in blocks.tolist()]

    def _draw(self, fill: Callable[..., Tensor]) -> Tensor:
        drawn = torch.empty(len(self._made), self._block, *self._event, dtype=self._dtype)
        for out, generator in zip(drawn, self._made, strict=True):
            fill(out, generator=generator)
        return drawn.flatten(0, 1)[self._rows].to(self._device, non_blocking=True)

    def normal(self) -> Tensor:
        return self._draw(Tensor.normal_)

    def uniform(self) -> Tensor:
        # A whole event is drawn, whatever its size: each row's position in its stream stays a function of its seed alone.
        return flatten(self._draw(Tensor.uniform_))[:, 0].clone()

    def rows(self, index: slice | Tensor) -> "_Generators":
        part = copy.copy(self)
        part._rows = self._rows[index]
        part._made = [generator.clone_state() for generator in self._made]
        return part


class _Counters:
    """Rows counted out by Philox on the device itself, all of them at once."""

    def __init__(
        self, seeds: np.ndarray, event: tuple[int, ...], stream: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        if len(seeds) and seeds.max() >= 2**64:
            raise ValueError(f"seeds of the philox generator must be below 2⁶⁴; received {seeds.max()}")
        halves = np.stack([seeds & 0xFFFFFFFF, seeds >> 32], axis=1).astype(np.int64)
        self._seeds = torch.from_numpy(halves).to(device, non_blocking=True)
        self._event, self._dtype = event, dtype
        self._key, self._drawn = derive_seed("philox", stream), 0

    def _words(self, n: int) -> Tensor:
        self._drawn += 1
        return words(self._seeds, self._drawn - 1, n, self._key)

    def normal(self) -> Tensor:
        n, inside = math.prod(self._event), precise(self._seeds.device)
        drawn = normals(self._words(2 * n if self._dtype == torch.float64 else n), self._dtype, inside)
        return drawn[:, :n].reshape(len(drawn), *self._event)

    def uniform(self) -> Tensor:
        return uniforms(self._words(2)[:, :2], self._dtype)

    def rows(self, index: slice | Tensor) -> "_Counters":
        part = copy.copy(self)
        part._seeds = self._seeds[index]
        return part


class Noise:
    """A stream of noise in which row i is a function of ``seeds[i]`` alone.

    It does not depend on the batch that the row is in, the device, the number of processes or the global generator.

    Args:
        seeds: one non-negative integer per row; equal seeds give equal rows.
        event: the event shape d.
        stream: a name that separates independent uses of the same seeds.
        device: where draws are delivered.
        dtype: float32, or float64 (a stream of its own).
        generator: "torch" draws on the CPU: rows of small events are cut from shared blocks (seed // block names PyTorch's generator,
            seed % block the row in it), so that 10 000 points in the plane cost twenty generators and an image one. "philox" counts on
            the device itself, without a loop over rows: the same uniforms on every device, normals to 1e-6. They are two streams.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        event: Sequence[int],
        *,
        stream: str = "",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        generator: Stream = "torch",
    ) -> None:
        numbers = _integers(seeds)
        if len(numbers) and numbers.min() < 0:
            raise ValueError(f"seeds must be non-negative integers; received {numbers.min()}")
        one_of(get_args(Stream), generator, "generator")
        self.event = tuple(event)
        self.device = torch.device(device)
        self.dtype = dtype
        self.generator: Stream = generator
        source = {"torch": _Generators, "philox": _Counters}[generator]
        self._source: _Generators | _Counters = source(numbers, self.event, stream, self.device, dtype)
        self._count = len(numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (b, *d) of a draw."""
        return (self._count, *self.event)

    def rows(self, index: slice | Int[Tensor, " k"]) -> "Noise":
        """Return the stream of the rows ``index``, to draw for a part of a batch: its draws begin where this stream's do now."""
        part = copy.copy(self)
        part._source = self._source.rows(index)
        part._count = len(torch.arange(self._count)[index])
        return part

    def normal(self) -> Float[Tensor, "b *d"]:
        """Return the next standard normal draw, shape (b, *d)."""
        return self._source.normal()

    def uniform(self) -> Float[Tensor, " b"]:
        """Return the next draw from U[0, 1), shape (b,)."""
        return self._source.uniform()


def _integers(seeds: Sequence[int]) -> np.ndarray:
    """Return integers as an array, without a loop where they are a range, and of Python's own where they are too long for 64 bits."""
    if isinstance(seeds, range):
        return np.arange(seeds.start, seeds.stop, seeds.step)
    found = np.asarray(seeds)
    if found.ndim == 1 and found.dtype.kind in "iu" and found.dtype != np.uint64:
        return found.astype(np.int64)
    each = [whole(k, "each of the seeds") for k in seeds]
    return np.array(each, dtype=np.int64 if max(each, default=0) < 2**63 else object)


Source = Noise | torch.Generator | None
"""Where an objective's randomness comes from; None is PyTorch's own generator."""


def standard_normal(x: Float[Tensor, "b *d"], noise: Source) -> Float[Tensor, "b *d"]:
    """Return z ~ N(0, I) in the shape, dtype and device of ``x``."""
    floating(x)
    if isinstance(noise, Noise):
        if noise.shape != x.shape:
            raise ConfigError(
                f"the noise is for a batch of shape {noise.shape}; received one of shape {tuple(x.shape)}. For a part of a batch take "
                "the noise of its rows, noise.rows(slice(0, 2))"
            )
        return noise.normal().to(x)
    return torch.randn(x.shape, generator=noise, dtype=x.dtype, device=_home(x, noise)).to(x.device)


def uniform_like(x: Float[Tensor, "b *d"], noise: Source) -> Float[Tensor, " b"]:
    """Return u ~ U[0, 1) of shape (b,) in the finest type on the device of ``x``: one number per example."""
    if isinstance(noise, Noise):
        return noise.uniform().to(x.device, precise(x.device))
    home = _home(x, noise)
    return torch.rand(x.shape[0], generator=noise, dtype=precise(home), device=home).to(x.device, precise(x.device))


def _home(x: Tensor, generator: torch.Generator | None) -> torch.device:
    """Return where a generator can draw: its own device, or that of x."""
    return x.device if generator is None else generator.device
