r"""The chain of noisy states of a diffusion as an entropy coder, in bits-back order.

The states z_0 … z_T, from the decoder's level to t_max, are coded one at a time (Bit-Swap: F. Kingma, Abbeel & Ho 2019), with the Gaussians
of the diffusion (D. Kingma et al. 2021):

    pop z_0 ~ q(z_0 | bytes),  push bytes ~ P(bytes | z_0)
    for t = 1 … T:  pop z_t ~ q(z_t | z_{t−1}),  push z_{t−1} ~ p(z_{t−1} | z_t)
    push z_T ~ p(z_T)

and decoded by the same in reverse. Popping gives back the bits that the states were free to choose, so what remains is
Σ log q − log p − log P. States are points of lattices (`scorefield.likelihood.lattice`), four to the narrower standard deviation there.
T steps cost more than the bound, which is an integral, by a term of order 1/T. They lie evenly in (σ/α)^(−1/3), where images need them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8, UInt64
from torch import Tensor

from scorefield._tensors import evaluating, home
from scorefield.grids import Step, steps_of
from scorefield.likelihood.cells import BYTES
from scorefield.likelihood.decoder import ByteDecoder, Places
from scorefield.likelihood.lattice import Bell, Lattice
from scorefield.likelihood.neighbours import as_planes
from scorefield.likelihood.stack import PRECISION, Interval, Stack
from scorefield.models import State

_POINTS = 4  # of a lattice, to a standard deviation
_REACH = 8  # standard deviations beyond the data that lattices go to
_POWER = -1 / 3

Points = Int64[np.ndarray, " n"]
Likely = Float64[Tensor, "b c p 256"]


class _Rung(NamedTuple):
    """Two neighbouring levels: the transition, and the Gaussians from each onto the lattice of the other."""

    step: Step
    up: Bell
    down: Bell


class Ladder:
    """The chain of noisy states of a model's images, on lattices; a state is the indices of its points, in one row."""

    def __init__(self, decoder: ByteDecoder, steps: int, shape: Sequence[int]) -> None:
        model = decoder.model
        self._decoder, self._model, self._shape = decoder, model, tuple(shape)
        times = _times(decoder, steps)
        chain = steps_of(times.flip(0), model.process)[::-1]
        alpha, sigma = (scale.tolist() for scale in model.process.alpha_sigma(times))
        self._alpha, prior = alpha[0], model.prior(times[-1])
        self._mean = prior.mean.double().cpu().expand(self._shape)
        ups = [sigma[0], *(step.variance**0.5 for step in chain)]
        downs = [*(step.posterior_variance**0.5 for step in chain), prior.std.double().square().mean().sqrt().item()]
        black, white = (self._clean(torch.full((1, *shape), byte, dtype=torch.uint8)) for byte in (0, BYTES - 1))
        self._lattices = [
            Lattice.over(a * black.min() - _REACH * s, a * white.max() + _REACH * s, min(up, down) / _POINTS)
            for a, s, up, down in zip(alpha, sigma, ups, downs, strict=True)
        ]
        up, down = (
            [Bell(*each, drawn) for each in zip(self._lattices, stds, strict=True)]
            for stds, drawn in ((ups, True), (downs, False))
        )
        self._first, self._last = up[0], down[-1]
        self._rungs = [_Rung(*each) for each in zip(chain, up[1:], down[:-1], strict=True)]

    def push(self, stack: Stack, images: UInt8[Tensor, "b *d"], number: int) -> None:
        """Push a batch, which has a number."""
        shifts = self._shifts(number, len(images))
        k = self._first.pop(stack, self._alpha * self._clean(images), shifts[0])
        self._push_bytes(stack, images, self._state(0, k, len(images)))
        for t, (step, up, down) in enumerate(self._rungs, 1):
            above = up.pop(stack, step.shrink * self._lattices[t - 1].values(k), shifts[t])
            down.push(stack, k, self._denoised(step, t, above, len(images)))
            k = above
        self._last.push(stack, k, self._start(len(images)))

    def pop(self, stack: Stack, count: int, number: int) -> UInt8[Tensor, "b *d"]:
        """Pop the batch of a number, of so many images."""
        shifts = self._shifts(number, count)
        k = self._last.pop(stack, self._start(count))
        for t, (step, up, down) in reversed([*enumerate(self._rungs, 1)]):
            below = down.pop(stack, self._denoised(step, t, k, count))
            up.push(stack, k, step.shrink * self._lattices[t - 1].values(below), shifts[t])
            k = below
        images = self._pop_bytes(stack, self._state(0, k, count))
        self._first.push(stack, k, self._alpha * self._clean(images), shifts[0])
        return images

    def _shifts(self, number: int, count: int) -> UInt64[np.ndarray, "T+1 n"]:
        """Return the random numbers of a batch, those with which the states of each level are drawn."""
        each = count * math.prod(self._shape)
        raw = np.random.PCG64(number).random_raw((len(self._rungs) + 1) * each)
        return (raw >> np.uint64(64 - PRECISION)).reshape(-1, each)

    def _clean(self, images: UInt8[Tensor, "b *d"]) -> Float64[np.ndarray, " n"]:
        """Return the data at t = 0 that images stand for, in the model's coordinates."""
        return self._model.standardise(self._decoder.cells.place(images, 0.5)).double().numpy().reshape(-1)

    def _start(self, count: int) -> Float64[np.ndarray, " n"]:
        """Return the mean of p(z_T)."""
        return self._mean.expand(count, *self._shape).numpy().reshape(-1)

    def _state(self, level: int, k: Points, count: int) -> State:
        """Return the noisy images of indices."""
        z = torch.from_numpy(self._lattices[level].values(k)).float()
        return z.reshape(count, *self._shape).to(home(self._model))

    def _denoised(self, step: Step, level: int, k: Points, count: int) -> Float64[np.ndarray, " n"]:
        """Return the mean of p(z_s | z_t): that of x_s given x_t and x_0 = D(x_t)."""
        with torch.no_grad(), evaluating(self._model):
            denoised = self._model.denoise(self._state(level, k, count), step.t).double().cpu().numpy().reshape(-1)
        stay = step.shrink * (step.sigma_s / step.sigma_t) ** 2
        return stay * self._lattices[level].values(k) + step.alpha_s * step.variance / step.sigma_t**2 * denoised

    def _push_bytes(self, stack: Stack, images: UInt8[Tensor, "b *d"], z: State) -> None:
        """Push the bytes of images given z."""
        planes, intervals = as_planes(images.long()), []

        def choose(i: Places, j: Places, likely: Likely) -> Int64[Tensor, "b c p"]:
            chosen = planes[..., i, j]
            intervals.append(_within(_edges(likely), chosen.numpy().reshape(-1)))
            return chosen

        self._decoder.in_order(z, choose, self._decoder.table)
        for interval in reversed(intervals):
            stack.push(interval)

    def _pop_bytes(self, stack: Stack, z: State) -> UInt8[Tensor, "b *d"]:
        """Pop the bytes of images given z."""

        def choose(i: Places, j: Places, likely: Likely) -> Int64[Tensor, "b c p"]:
            edges = _edges(likely)

            def find(number: Points, part: slice) -> tuple[Points, Interval]:
                k = (edges[part, 1:] <= number[:, None]).sum(axis=1)
                return k, _within(edges[part], k)

            return torch.from_numpy(stack.pop(len(edges), find)).reshape(likely.shape[:-1])

        return self._decoder.in_order(z, choose, self._decoder.table)


def _times(decoder: ByteDecoder, steps: int) -> Float64[Tensor, " T+1"]:
    """Return the times of the chain, from the decoder's to the last."""
    process = decoder.model.process
    ends = torch.tensor([decoder.t, process.t_max], dtype=torch.float64)
    low, high = (process.ratio(ends) ** _POWER).tolist()
    times = process.time(torch.linspace(low, high, steps + 1, dtype=torch.float64) ** (1 / _POWER))
    times[[0, -1]] = ends
    return times


def _edges(likely: Likely) -> Int64[np.ndarray, "n 257"]:
    """Return where the whole numbers of each byte start, and those of the last end: one each at least, the rest in proportion to P."""
    total = likely.numpy().reshape(-1, BYTES).cumsum(axis=1)
    share = ((1 << PRECISION) - BYTES) * (total / total[:, -1:])
    return np.pad(share.astype(np.int64) + np.arange(1, BYTES + 1), ((0, 0), (1, 0)))


def _within(edges: Int64[np.ndarray, "n 257"], k: Points) -> Interval:
    """Return the intervals of bytes."""
    rows = np.arange(len(k))
    start = edges[rows, k]
    return start, edges[rows, k + 1] - start
