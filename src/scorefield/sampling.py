r"""Sampling: one transition is a `Sampler`, the loop is `sample`, and there is no other loop.

x ~ N(α_T m, σ_T² + α_T² s²);   for each step of the grid:  x ← step(x, t → s);   x ← E[x_0 | x]   (noise-free last step)
"""

import abc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import TypeVar

from scorefield._checks import reals, require, whole
from scorefield._noise import Noise, Stream
from scorefield._tensors import as_time, evaluating, home, looked_at, require_numbers, uncast
from scorefield._values import ByValue
from scorefield._watch import Watch
from scorefield.errors import ConfigError
from scorefield.grids import Grid, Step, steps_of, times_of
from scorefield.grids.local_errors import Held
from scorefield.models import ScoreModel, State, same_shape

__all__ = ["Sampler", "Samples", "Transition", "sample"]

Memory = TypeVar("Memory", default=Any)


class Sampler(ByValue, abc.ABC, Generic[Memory]):
    """One transition from p_t towards p_s, s ≤ t; what it keeps between steps is its ``Memory``.

    Attributes:
        order: the order of convergence in the step size (of paths for an ODE, of moments for an SDE), or None for a chain that does
            not approximate a path.
        evaluations: calls of the model that one step makes.
        first: calls that the first step makes beside those.
        extrapolates: whether it puts polynomials through the predicted "noise" or the denoised "data"; `scorefield.Grid.fit` asks for it.
    """

    order: ClassVar[int | None] = None
    evaluations: float = 1
    first: float = 0
    extrapolates: Held = "noise"

    @abc.abstractmethod
    def step(
        self, model: ScoreModel, x: State, step: Step, memory: Memory | None, noise: Noise
    ) -> tuple[State, Memory]:
        """Return (x at s, memory for the next step); memory is None on the first. All randomness is drawn from ``noise``."""

    def spent(self, memory: Memory, steps: int) -> float:
        """Return the calls of the model per sample that ``steps`` steps, ending with ``memory``, have made."""
        counted = self.counted(memory, steps)
        return self.first + steps * self.evaluations if counted is None else counted

    def counted(self, memory: Memory, steps: int) -> float | None:
        """Return what was `spent` where that is not the same at every step; None where it is."""


class Transition(NamedTuple, Generic[Memory]):
    """What ``on_step`` receives after a step: the state x of the batch, the step, and the sampler's ``memory``."""

    step: Step
    x: State
    memory: Memory


@dataclass(frozen=True)
class Samples(ByValue):
    """What `sample` returns.

    Attributes:
        x: the samples, shape (n, *d), in the data's units.
        evaluations: network evaluations spent on each sample; the mean, where samples take different numbers.
        times: the times that were followed.
        trajectory: states along the way, shape (frames, n, *d), first and last included, in the data's units; None unless asked for.
    """

    x: Tensor
    evaluations: float
    times: Tensor
    trajectory: Tensor | None


def sample(
    model: ScoreModel,
    sampler: Sampler[Memory],
    shape: Sequence[int] | None = None,
    *,
    grid: Grid | Float[Tensor, " n"],
    seed: int = 0,
    seeds: Sequence[int] | Int[Tensor, " n"] | None = None,
    init: State | None = None,
    denoise: bool = True,
    frames: int = 0,
    batch_size: int | None = None,
    rows: range | None = None,
    generator: Stream = "torch",
    on_step: Callable[[Transition[Memory]], object] | None = None,
) -> Samples:
    """Draw samples by following ``grid`` with ``sampler``.

    Sample i depends on its own seed alone: not on the batch it is drawn in, the device or the number of processes.

    Args:
        model: exact, learned or guided; one with a label or an observation per row gives sample i its row i.
        sampler: the transition.
        shape: (n, *d); needed unless ``init`` gives it. With ``seeds``, n must be their number.
        grid: where to stop on the way, such as `scorefield.Karras` (31), or descending times; equal neighbours hold the noise level.
        seed: names the whole draw; sample i is then the i-th of that draw.
        seeds: one non-negative integer per sample, instead of ``seed``.
        init: states at the grid's first time, in the model's own coordinates (α y_0 + σ z); draws of `ScoreModel.prior` when absent.
        denoise: end with x ← E[x_0 | x] at the last time, one evaluation more; without it the result is distributed as at the last time.
        frames: states to keep along the way, evenly spaced.
        batch_size: samples drawn at a time, to bound memory; all when absent.
        rows: which of the n samples to draw, where others are drawn elsewhere; all when absent.
        generator: of the noise: "torch" draws on the CPU, "philox" on the device, without a loop over samples; their samples differ.
        on_step: called after every transition, before the state is checked: for a progress bar, or a `scorefield.Trace`. States it sees
            are in the model's own coordinates.

    Cost: steps · sampler.evaluations + 1 calls of the model; one call in all is `Euler` over ``Karras(1)`` with ``denoise=False``.

    Raises:
        DivergedError: a state stopped being finite; the message names step, time, noise level and samples. States are looked at after
            every step on a CPU, and every twenty on a GPU, which would have to be waited for.
    """
    require(ScoreModel, model, "the model drawn from", "Exact or a Denoiser")
    require(Sampler, sampler, "the sampler", "Heun()")
    require_numbers(model)
    times = times_of(grid, model.process)
    steps = steps_of(times, model.process)
    _warn_unreached(model, steps, denoise)
    init = None if init is None else reals(init, "init")
    shape = _shape(shape, init, seeds)
    frames = whole(frames, "frames", 0)
    batch_size = None if batch_size is None else whole(batch_size, "batch_size", 1)
    n, event = shape[0], tuple(shape[1:])
    stream, names = seeding(n, seed, seeds)
    rows = _rows(rows, n)
    device = home(model) if init is None else init.device
    dtype = torch.float32 if init is None else init.dtype
    parts: list[_Part] = []
    with evaluating(model), uncast(home(model)):
        for low in range(rows.start, rows.stop, batch_size or n):
            high = min(rows.stop, low + (batch_size or n))
            noise = Noise(names[low:high], event, stream=stream, device=device, dtype=dtype, generator=generator)
            x = None if init is None else init[low:high].clone()
            part = model.rows(torch.arange(low, high))
            parts.append(_run(part, sampler, x, steps, noise, denoise, frames, on_step))
    kept = [torch.cat(states) for states in zip(*(part.kept for part in parts), strict=True)]
    return Samples(
        x=torch.cat([part.x for part in parts]),
        evaluations=sum(part.spent * len(part.x) for part in parts) / len(rows),
        times=times,
        trajectory=torch.stack(kept) if kept else None,
    )


def _warn_unreached(model: ScoreModel, steps: Sequence[Step], denoise: bool) -> None:
    """Warn of a process whose least noise hides the data: E[x_0 | x] there is narrower than they are."""
    if model.moments is None or not denoise or steps[-1].rho_s == steps[0].rho_t:
        return
    spread, left = (
        model.moments.std.square().mean().sqrt().item(),
        model.process.ratio(as_time(model.process.t_min)).item(),
    )
    if 0 < spread < left:
        warnings.warn(
            f"the process ends at σ/α = {left:.3g}, above the data's standard deviation {spread:.3g}: samples will vary less than the "
            "data. Lower its smallest noise, or model the data in units of their own (Units.of)",
            stacklevel=3,
        )


class _Part(NamedTuple):
    """One batch: its last state, the states kept on the way, the network evaluations per sample."""

    x: State
    kept: list[State]
    spent: float


@torch.no_grad()
def _run(
    model: ScoreModel,
    sampler: Sampler[Memory],
    x: State | None,
    steps: Sequence[Step],
    noise: Noise,
    denoise: bool,
    frames: int,
    on_step: Callable[[Transition[Memory]], object] | None,
) -> _Part:
    """Follow the grid with one batch."""
    if x is None:
        prior = model.prior(steps[0].t)
        try:
            x = prior.place(noise.normal())
        except RuntimeError:
            raise ConfigError(
                f"shape must end in that of the model's events, {tuple(prior.mean.shape)}; received {noise.shape}"
            ) from None
    keep = set(torch.linspace(0, len(steps) + denoise, frames, dtype=torch.float32).round().int().tolist())
    kept = [model.restore(x).clone()] if 0 in keep else []
    memory, calls, spent = None, 0.0, 0.0
    watch = Watch(looked_at(x.device))
    for step in steps:
        active = model.during(step)
        moved = sampler.step(active, x, step, memory, noise)
        if not isinstance(moved, tuple) or len(moved) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]  of a class of one's own
            name, got = type(sampler).__name__, type(moved).__name__
            raise ConfigError(
                f"a sampler's step must return (x at s, memory), of which memory may be None; {name} returned a {got}"
            )
        x, memory = same_shape(moved[0], x, sampler), moved[1]
        before, calls = calls, sampler.spent(memory, step.number)
        spent += (calls - before) * active.evaluations
        if on_step is not None:
            on_step(Transition(step, x, memory))
        watch.see(x, f"step {step.number} of {step.count}", step)
        if step.number in keep:
            kept.append(model.restore(x).clone())  # a sampler may change states in place
    if denoise:
        end = steps[-1].arrived
        active = model.during(end)
        x = same_shape(active.denoise(x, end.t), x, active)
        spent += active.evaluations
        watch.see(x, "the closing denoising step", end)
        if len(steps) + 1 in keep:
            kept.append(model.restore(x))
    watch.look()
    return _Part(model.restore(x), kept, spent)


def _shape(
    shape: Sequence[int] | None, init: Tensor | None, seeds: Sequence[int] | Int[Tensor, " n"] | None
) -> tuple[int, ...]:
    """Return (n, *d) from whichever arguments give it; refuse those that disagree."""
    if shape is None:
        if init is None:
            raise ValueError("sample() needs shape=(n, *d) or init= states to start from; received neither")
        shape = init.shape
    try:
        shape = tuple(whole(size, "shape") for size in shape)
    except TypeError:
        raise ConfigError(f"shape must be (n, *d), such as (64, 2) for points of a plane; received {shape!r}") from None
    if init is not None and tuple(init.shape) != shape:
        raise ValueError(f"init must have the shape asked for, {shape}; received {tuple(init.shape)}")
    if len(shape) < 2 or shape[0] < 1:
        raise ValueError(f"shape must be (n, *d) with n ≥ 1 samples of an event of shape d; received {shape}")
    try:
        count = shape[0] if seeds is None else len(seeds)
    except TypeError:
        raise ValueError(
            f"seeds must be one whole number per sample; received {seeds!r}: a single one is seed="
        ) from None
    if count != shape[0]:
        raise ValueError(f"seeds must be whole numbers, one per sample, {shape[0]}; received {count}")
    return shape


def seeding(n: int, seed: int, seeds: Sequence[int] | Int[Tensor, " n"] | None) -> tuple[str, Sequence[int]]:
    """Return the stream of a draw, and the seed of each of its n samples there."""
    if seeds is None:
        return f"seed {whole(seed, 'seed')}", range(n)
    return "seeds", [whole(k, "each of the seeds") for k in seeds]


def _rows(rows: range | None, n: int) -> range:
    """Return which of n samples to draw; refuse others than there are."""
    if rows is None:
        return range(n)
    if not (isinstance(rows, range) and rows.step == 1 and 0 <= rows.start < rows.stop <= n):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"rows must be a range of the {n} samples, such as range(0, {n}); received {rows}")
    return rows
