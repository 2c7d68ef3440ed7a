r"""Sampling: one transition is a `Sampler`, the loop is `sample`, and there is no other loop.

x ~ N(0, σ_T² I);   for t, s in pairs of the grid:  x ← step(x, t, s);   x ← E[x_0 | x]   (noise-free last step)
"""

import abc
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._errors import DivergedError
from scorefield._tensors import Noise, flatten
from scorefield.models import ScoreModel, State

__all__ = ["Sampler", "Samples", "Transition", "sample"]


class Transition(NamedTuple):
    """What ``on_step`` is told: batch state x has gone from t to s, and the sampler left ``memory``."""

    number: int
    """Counted from 1."""
    t: Float[Tensor, ""]
    s: Float[Tensor, ""]
    x: State
    memory: Any


class Sampler(abc.ABC):
    """One transition from the law at time t towards the law at time s ≤ t.

    Attributes:
        order: the order of convergence in the step size (of paths for an ODE, of moments for an SDE), or None for a chain that does
            not approximate a path.
    """

    order: ClassVar[int | None] = None

    @property
    def evaluations(self) -> int:
        """Calls of the model that one step makes."""
        return 1

    def start(self, model: ScoreModel, times: Float[Tensor, " n"]) -> Any:  # noqa: ANN401 a sampler's memory is its own affair
        """Return the memory the first step receives; a place to look at the whole grid, or to refuse it."""
        return None

    def spent(self, memory: Any, steps: int) -> float:  # noqa: ANN401
        """Return the calls of the model per sample after ``steps`` steps that ended with ``memory``."""
        return steps * self.evaluations

    def stride(self, model: ScoreModel, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: Any) -> float:  # noqa: ANN401
        """Return the size of the step from t to s: t − s, or the α of a Langevin chain."""
        return (t - s).item()

    @abc.abstractmethod
    def step(
        self,
        model: ScoreModel,
        x: State,
        t: Float[Tensor, ""],
        s: Float[Tensor, ""],
        memory: Any,  # noqa: ANN401
        noise: Noise,
    ) -> tuple[State, Any]:
        """Return (x at s, memory for the next step); all randomness is drawn from ``noise``."""


@dataclass(frozen=True)
class Samples:
    """What `sample` returns.

    Attributes:
        x: the samples, shape (n, *d).
        evaluations: network evaluations spent on each sample; the mean, where samples take different numbers.
        times: the grid that was followed.
        trajectory: states along the way, shape (frames, n, *d), the first and the last included; None unless asked for.
    """

    x: Tensor
    evaluations: int
    times: Tensor
    trajectory: Tensor | None


def sample(
    model: ScoreModel,
    sampler: Sampler,
    shape: Sequence[int] | None = None,
    *,
    times: Float[Tensor, " n"],
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    init: State | None = None,
    denoise: bool = True,
    frames: int = 0,
    batch_size: int | None = None,
    on_step: Callable[[Transition], object] | None = None,
) -> Samples:
    """Draw samples by following ``times`` with ``sampler``.

    Sample i depends on its own seed alone: not on the batch it is drawn in, the device or the number of processes.

    Args:
        model: exact, learned or guided; one with a label or an observation per row gives sample i its row i.
        sampler: the transition.
        shape: (n, *d); needed unless ``init`` gives it. With ``seeds``, n must be their number.
        times: a descending grid (`scorefield.uniform`, `karras`, `ladder` …); equal neighbours hold the noise level.
        seed: names the whole draw; sample i is then the i-th of that draw.
        seeds: one non-negative integer per sample, instead of ``seed``.
        init: states at times[0]; N(0, prior_std²) draws when absent.
        denoise: end with x ← E[x_0 | x] at the last time, one evaluation more; without it the result has the law at times[-1].
        frames: states to keep along the way, evenly spaced.
        batch_size: samples drawn at a time, to bound memory; all when absent.
        on_step: called after every transition, before the state is checked: for a progress bar, or a `scorefield.metrics.Trace`.

    Cost: (len(times) − 1) · sampler.evaluations + 1 calls of the model.

    Raises:
        DivergedError: a state stopped being finite; the message names step, time, noise level and samples.
    """
    _check_times(times)
    shape = _shape(shape, init, seeds)
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, or absent to draw all at once; received {batch_size}")
    n, event = shape[0], tuple(shape[1:])
    stream, rows = (f"seed {seed}", range(n)) if seeds is None else ("seeds", seeds)
    device = _home(model, init)
    dtype = torch.float32 if init is None else init.dtype
    was_training = model.training
    model.eval()  # dropout would be noise of nobody's choosing
    parts: list[_Part] = []
    try:
        for low in range(0, n, batch_size or n):
            high = min(n, low + (batch_size or n))
            noise = Noise(rows[low:high], event, stream=stream, device=device, dtype=dtype)
            x = None if init is None else init[low:high]
            parts.append(_run(model.rows(torch.arange(low, high)), sampler, x, times, noise, denoise, frames, on_step))
    finally:
        model.train(was_training)
    kept = [torch.cat(states) for states in zip(*(part.kept for part in parts), strict=True)]
    spent = sum(part.spent * len(part.x) for part in parts) / n
    return Samples(
        x=torch.cat([part.x for part in parts]),
        evaluations=round(spent),
        times=times,
        trajectory=torch.stack(kept) if kept else None,
    )


class _Part(NamedTuple):
    """One batch: its last state, the states kept on the way, the network evaluations per sample."""

    x: State
    kept: list[State]
    spent: float


@torch.no_grad()
def _run(
    model: ScoreModel,
    sampler: Sampler,
    x: State | None,
    times: Tensor,
    noise: Noise,
    denoise: bool,
    frames: int,
    on_step: Callable[[Transition], object] | None,
) -> _Part:
    """Follow the grid with one batch."""
    if x is None:
        x = model.process.prior_std(times[0]).to(noise.device, noise.dtype) * noise.normal()
    steps = len(times) - 1
    keep = set(torch.linspace(0, steps + denoise, frames).round().int().tolist())
    kept = [x] if 0 in keep else []
    memory = sampler.start(model, times)
    calls, spent = 0.0, 0.0
    for k, (t, s) in enumerate(itertools.pairwise(times), start=1):
        active = model.during(t, s)
        x, memory = sampler.step(active, x, t, s, memory, noise)
        before, calls = calls, sampler.spent(memory, k)
        spent += (calls - before) * active.evaluations
        if on_step is not None:
            on_step(Transition(k, t, s, x, memory))
        _check_finite(x, f"step {k} of {steps}", model, s)
        if k in keep:
            kept.append(x)
    if denoise:
        active = model.during(times[-1], times[-1])
        x = active.denoise(x, times[-1])
        spent += active.evaluations
        _check_finite(x, "the closing denoising step", model, times[-1])
        if steps + 1 in keep:
            kept.append(x)
    return _Part(x, kept, spent)


def _shape(shape: Sequence[int] | None, init: Tensor | None, seeds: Sequence[int] | None) -> tuple[int, ...]:
    """Return (n, *d) from whichever arguments give it; refuse those that disagree."""
    if shape is None:
        if init is None:
            raise ValueError("sample() needs shape=(n, *d) or init= states to start from; received neither")
        shape = init.shape
    if init is not None and tuple(init.shape) != tuple(shape):
        raise ValueError(f"init must have the shape asked for, {tuple(shape)}; received {tuple(init.shape)}")
    if len(shape) < 2 or shape[0] < 1:
        raise ValueError(f"shape must be (n, *d) with n ≥ 1 samples of an event of shape d; received {tuple(shape)}")
    if seeds is not None and len(seeds) != shape[0]:
        raise ValueError(f"seeds must be one per sample, {shape[0]}; received {len(seeds)}")
    return tuple(shape)


def _home(model: ScoreModel, init: Tensor | None) -> torch.device:
    """Return where to sample: where init is, else where the model's parameters are."""
    if init is not None:
        return init.device
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _check_times(times: Tensor) -> None:
    if times.ndim != 1 or len(times) < 2 or times.dtype != torch.float64:
        raise ValueError(
            f"times must be a float64 vector of at least two times; received {times.dtype} of shape {tuple(times.shape)}"
        )
    if not torch.isfinite(times).all() or (times.diff() > 0).any():
        raise ValueError(
            "times must be finite and descend from noise to data; received an increasing or non-finite grid"
        )


def _check_finite(x: Tensor, where: str, model: ScoreModel, t: Tensor) -> None:
    """Raise if any sample holds NaN or infinity."""
    if (
        torch.isfinite(x.sum()) or torch.isfinite(x).all()
    ):  # a sum shows both, in a tenth of the time; it may also overflow
        return
    bad = (~torch.isfinite(flatten(x)).all(dim=1)).nonzero().flatten().tolist()
    _, sigma = model.process.alpha_sigma(t)
    raise DivergedError(
        f"sampling diverged at {where} (t = {t.item():.4g}, noise level {sigma.item():.4g}): {len(bad)} of {len(x)} samples are not "
        f"finite, the first is number {bad[0]}. Use smaller steps (a finer grid, a smaller step_size or snr), or check the model."
    )
