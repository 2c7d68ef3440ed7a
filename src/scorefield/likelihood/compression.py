r"""Images in as many bits as the diffusion says they need: a file that is as long as `variational_bound`, and decodes to the same bytes.

The chain of noisy states z_0 … z_T, from the decoder's level to t_max, is coded in bits-back order, one state at a time (Bit-Swap:
F. Kingma, Abbeel & Ho 2019), with the Gaussians of the diffusion (D. Kingma et al. 2021):

    pop z_0 ~ q(z_0 | bytes),  push bytes ~ P(bytes | z_0)
    for t = 1 … T:  pop z_t ~ q(z_t | z_{t−1}),  push z_{t−1} ~ p(z_{t−1} | z_t)
    push z_T ~ p(z_T)

and decoded by the same in reverse. Popping gives back the bits that the states were free to choose, so what remains is
Σ log q − log p − log P. States are points of lattices (`scorefield.likelihood.lattice`), four to the narrower standard deviation there.
T steps cost more than the bound, which is an integral, by a term of order 1/T. They lie evenly in (σ/α)^(−1/3), where images need them.

Encoder and decoder must compute the same network outputs to the last bit: on the same kind of machine, with the same number of threads, in
the same batches. A file says what the network made of a fixed input, and is refused where it makes anything else of it.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8, UInt64
from torch import Tensor

from scorefield._tensors import Noise
from scorefield.errors import DataError
from scorefield.grids import Step, steps_of
from scorefield.likelihood.decoder import ByteDecoder, as_planes, check_bytes
from scorefield.likelihood.lattice import Bell, Lattice
from scorefield.likelihood.stack import PRECISION, Interval, Stack
from scorefield.models import ScoreModel, State

__all__ = ["compress", "decompress", "opened"]

_MAGIC = b"scorefield images 1\n"
_HEADER = 1000  # bytes, at most
_POINTS = 4  # of a lattice, to a standard deviation
_REACH = 8  # standard deviations beyond the data that lattices go to
_POWER = -1 / 3
_ALONE = 12  # images that leave the bits of which the states of one more are drawn
_BYTES = 256
_LIMITS = {"n": 10**9, "steps": 10_000, "batch": 1024}

Points = Int64[np.ndarray, " n"]
Likely = Float64[Tensor, "b c 256"]


def compress(
    decoder: ByteDecoder,
    images: UInt8[Tensor, "b *d"],
    *,
    steps: int = 100,
    batch: int = 16,
    on_image: Callable[[], object] = lambda: None,
) -> bytes:
    """Return images as the bytes of a file, of which `decompress` makes them again.

    Args:
        decoder: of the model.
        images: bytes.
        steps: T; more come nearer to the bound, and take longer.
        batch: images coded at once, for speed; the first ones are coded alone, since the states of a batch are drawn from bits that must
            be there. Those of the first image stand for nothing: about a byte and a half for each of its pixels.
        on_image: called for each image, when those it is coded with are done.

    Cost: steps + 1 evaluations per image; as many to decode.

    Raises:
        ValueError: images not of bytes, or none, or settings outside of their limits.
    """
    check_bytes(images)
    said = {"n": len(images), "steps": steps, "batch": batch}
    for name, value in said.items():
        if not 1 <= value <= _LIMITS[name]:
            raise ValueError(f"{name} must be between 1 and {_LIMITS[name]}; received {value}")
    shape = tuple(images.shape[1:])
    ladder, stack = _Ladder(decoder, steps, shape), Stack()
    for number, part in reversed([*enumerate(images.cpu().split(_sizes(len(images), batch)))]):
        ladder.push(stack, part, number)
        for _ in part:
            on_image()
    head = said | {"fingerprint": _fingerprint(decoder, said, shape)}
    return _MAGIC + json.dumps(head).encode() + b"\n" + stack.written()


def decompress(
    decoder: ByteDecoder, data: bytes, shape: Sequence[int], *, on_image: Callable[[], object] = lambda: None
) -> UInt8[Tensor, "b *d"]:
    """Return the images of a file of `compress`.

    Args:
        decoder: the one they were compressed with.
        data: the file.
        shape: of an image.
        on_image: called for each image, when those it is coded with are done.

    Raises:
        DataError: another kind of file, one of another model or machine, one that is damaged.
    """
    said, fingerprint, body = opened(data)
    stack = Stack.read(body)
    if fingerprint != _fingerprint(decoder, said, shape):
        raise DataError(
            "compressed with another model, or where this one computes something else. Decode with the same model, on the same kind of "
            "machine, with the same versions and as many threads: its outputs must agree in every bit"
        )
    ladder, found = _Ladder(decoder, said["steps"], shape), []
    for number, size in enumerate(_sizes(said["n"], said["batch"])):
        found.append(ladder.pop(stack, size, number))
        for _ in range(size):
            on_image()
    if not stack.empty:
        raise DataError(
            "something else than what it began with is left when all images are decoded: the file is damaged"
        )
    return torch.cat(found)


def opened(data: bytes) -> tuple[dict[str, int], str, bytes]:
    """Return what the head of a file says, checked: settings and fingerprint; and what follows it."""
    line, found, _ = data[len(_MAGIC) : len(_MAGIC) + _HEADER].partition(b"\n")
    try:
        head: dict[str, Any] = dict(json.loads(line)) if data.startswith(_MAGIC) and found else {}
    except (ValueError, TypeError, RecursionError):
        head = {}
    named = {name: head.get(name) for name in _LIMITS}
    said = {name: value for name, value in named.items() if type(value) is int and 1 <= value <= _LIMITS[name]}
    if len(said) < len(_LIMITS):
        raise DataError(
            f"not a file of compressed images: it does not begin as one{f', but with {named}' if head else ''}"
        )
    body = data[len(_MAGIC) + len(line) + 1 :]
    if said["n"] > 8 * len(body):
        raise DataError(f"{said['n']} images cannot be in {len(body)} bytes: the file is cut off or damaged")
    return said, str(head.get("fingerprint")), body


def _fingerprint(decoder: ByteDecoder, said: Mapping[str, int], shape: Sequence[int]) -> str:
    """Return a hash of the decoder, and of what its model makes of noise at three levels in a batch of the size that will be decoded."""
    model, digest = decoder.model, hashlib.blake2b(digest_size=8)
    noise = Noise(
        range(max(_sizes(said["n"], said["batch"]))), shape, stream="fingerprint", device=_device(model)
    ).normal()
    for t in torch.linspace(decoder.t, model.process.t_max, 3, dtype=torch.float64):
        with torch.no_grad():
            denoised = model.denoise(model.process.perturb(torch.zeros_like(noise), t, noise), t)
        digest.update(denoised.cpu().numpy().tobytes())
    for tensor in decoder.tensors.values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


class _Rung(NamedTuple):
    """Two neighbouring levels: the transition, and the Gaussians from each onto the lattice of the other."""

    step: Step
    up: Bell
    down: Bell


class _Ladder:
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
        black, white = (self._clean(torch.full((1, *shape), byte, dtype=torch.uint8)) for byte in (0, _BYTES - 1))
        self._lattices = [
            Lattice.over(a * black.min() - _REACH * s, a * white.max() + _REACH * s, min(up, down) / _POINTS)
            for a, s, up, down in zip(alpha, sigma, ups, downs, strict=True)
        ]
        up, down = ([Bell(*each) for each in zip(self._lattices, stds, strict=True)] for stds in (ups, downs))
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
        return z.reshape(count, *self._shape).to(_device(self._model))

    @torch.no_grad()
    def _denoised(self, step: Step, level: int, k: Points, count: int) -> Float64[np.ndarray, " n"]:
        """Return the mean of p(z_s | z_t): that of x_s given x_t and x_0 = D(x_t)."""
        denoised = self._model.denoise(self._state(level, k, count), step.t).double().cpu().numpy().reshape(-1)
        stay = step.shrink * (step.sigma_s / step.sigma_t) ** 2
        return stay * self._lattices[level].values(k) + step.alpha_s * step.variance / step.sigma_t**2 * denoised

    def _push_bytes(self, stack: Stack, images: UInt8[Tensor, "b *d"], z: State) -> None:
        """Push the bytes of images given z."""
        planes, intervals = as_planes(images.long()), []

        def choose(i: int, j: int, likely: Likely) -> Int64[Tensor, "b c"]:
            chosen = planes[..., i, j]
            intervals.append(_within(_edges(likely), chosen.numpy().reshape(-1)))
            return chosen

        self._decoder.in_order(z, choose, self._decoder.table)
        for interval in reversed(intervals):
            stack.push(interval)

    def _pop_bytes(self, stack: Stack, z: State) -> UInt8[Tensor, "b *d"]:
        """Pop the bytes of images given z."""

        def choose(i: int, j: int, likely: Likely) -> Int64[Tensor, "b c"]:
            edges = _edges(likely)

            def find(number: Points, part: slice) -> tuple[Points, Interval]:
                k = (edges[part, 1:] <= number[:, None]).sum(axis=1)
                return k, _within(edges[part], k)

            return torch.from_numpy(stack.pop(len(edges), find)).reshape(likely.shape[:-1])

        return self._decoder.in_order(z, choose, self._decoder.table)


def _sizes(n: int, batch: int) -> list[int]:
    """Return how many images are decoded at once: as many as are asked for, fewer and fewer towards the end, where encoding begins."""
    sizes, done = [], 0
    while done < n:
        sizes.append(min(batch, 1 + done // _ALONE, n - done))
        done += sizes[-1]
    return sizes[::-1]


def _device(model: ScoreModel) -> torch.device:
    """Return where a model computes."""
    return next(model.parameters(), torch.empty(0)).device


def _times(decoder: ByteDecoder, steps: int) -> Float64[Tensor, " T+1"]:
    """Return the times of the chain, from the decoder's to the last."""
    process = decoder.model.process
    ends = torch.tensor([decoder.t, process.t_max], dtype=torch.float64)
    low, high = (process.ratio(ends) ** _POWER).tolist()
    times = process.time(torch.linspace(low, high, steps + 1, dtype=torch.float64) ** (1 / _POWER))
    times[[0, -1]] = ends
    return times


def _edges(likely: Likely) -> Int64[np.ndarray, "n 257"]:
    """Return where each byte's numbers start, and where the last one's end: a number each at least, the rest as they are likely."""
    total = likely.numpy().reshape(-1, _BYTES).cumsum(axis=1)
    share = ((1 << PRECISION) - _BYTES) * (total / total[:, -1:])
    return np.pad(share.astype(np.int64) + np.arange(1, _BYTES + 1), ((0, 0), (1, 0)))


def _within(edges: Int64[np.ndarray, "n 257"], k: Points) -> Interval:
    """Return the intervals of bytes."""
    rows = np.arange(len(k))
    start = edges[rows, k]
    return start, edges[rows, k + 1] - start
