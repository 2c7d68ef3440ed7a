r"""Where a sampler stops on its way from noise to data: grids of descending times, and the ladders of noise levels of NCSN.

A `Grid` cuts a process's time into ``steps`` transitions, so it names steps + 1 times. `scorefield.sample` adds one closing denoising at
the last of them: under Heun, ``Karras(17)`` costs 2·17 + 1 = 35 evaluations, the count of Karras et al. (2022), whose final Euler step to
σ = 0 *is* that denoising.

A `Step` is one transition, from t to s ≤ t. For s < t the forward process is a Gaussian chain:

    x_t | x_s      ~ N(a x_s, G² I)        a = α_t/α_s,  G² = σ_t² − a²σ_s²
    x_s | x_t, x_0 has variance            v = σ_s² G²/σ_t²
"""

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge, Le
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import require, whole
from scorefield._local_errors import Flow, errors_along
from scorefield.processes import Process

__all__ = [
    "Constant",
    "Counted",
    "Fitted",
    "Grid",
    "Karras",
    "Ladder",
    "LogSNR",
    "Step",
    "Uniform",
    "cosine",
    "ends",
    "geometric",
    "linear",
    "sigmoid",
    "steps_of",
    "times_of",
]

_KNOTS = 33
Times = Float[Tensor, " n"]
Levels = Float[Tensor, " L"]
Count = Annotated[int, Ge(1), Le(1_000_000)]
Rungs = Annotated[int, Ge(1), Le(10_000)]


@dataclass(frozen=True)
class Step:
    """One transition of a grid: what a sampler is given.

    Attributes:
        t: the time it goes from, float64 of shape ().
        s: the time it goes to, s ≤ t, likewise.
        alpha_t: signal scale at t; this and the next three are computed in float64.
        sigma_t: noise scale at t.
        alpha_s: signal scale at s.
        sigma_s: noise scale at s.
        number: which transition of the grid it is, from 1.
        count: how many transitions the grid has.
        sigma_end: the noise scale at the grid's last time, to which annealed Langevin dynamics relates its step sizes.
    """

    t: Float[Tensor, ""]
    s: Float[Tensor, ""]
    alpha_t: float
    sigma_t: float
    alpha_s: float
    sigma_s: float
    number: int
    count: int
    sigma_end: float

    @property
    def rho_t(self) -> float:
        """ρ_t = σ_t/α_t."""
        return self.sigma_t / self.alpha_t

    @property
    def rho_s(self) -> float:
        """ρ_s = σ_s/α_s."""
        return self.sigma_s / self.alpha_s

    @property
    def shrink(self) -> float:
        """a, by which the forward chain multiplies the state."""
        return self.alpha_t / self.alpha_s

    @property
    def variance(self) -> float:
        """G², which the forward chain adds."""
        return max(0.0, self.sigma_t**2 - (self.shrink * self.sigma_s) ** 2)

    @property
    def posterior_variance(self) -> float:
        """The variance v of x_s given x_t and x_0."""
        return self.variance * (self.sigma_s / self.sigma_t) ** 2

    @property
    def stay(self) -> "Step":
        """The transition from t to t itself, which a corrector is given."""
        return replace(self, s=self.t, alpha_s=self.alpha_t, sigma_s=self.sigma_t)

    @property
    def arrived(self) -> "Step":
        """The transition from s to s itself, where the closing denoising happens."""
        return replace(self, t=self.s, alpha_t=self.alpha_s, sigma_t=self.sigma_s)

    def starting_at(self, process: Process, rho: float) -> "Step":
        """Return the transition to the same s from where σ/α is ``rho``."""
        t = process.time(torch.tensor(rho, dtype=torch.float64))
        alpha, sigma = (scale.item() for scale in process.alpha_sigma(t))
        return replace(self, t=t, alpha_t=alpha, sigma_t=sigma)


class Grid(abc.ABC):
    """How a process's time is cut for a sampler; `scorefield.sample` takes one, or a tensor of times."""

    @abc.abstractmethod
    def times(self, process: Process) -> Times:
        """Return the times, descending, in float64: one more than there are transitions."""

    @staticmethod
    def fit(model: Flow, steps: int, event: Sequence[int], *, paths: int = 16, places: int = 96) -> "Fitted":
        r"""Return the grid along which every step of Euler's method errs equally, on paths of the model's probability flow.

        A step from ρ to ρ + h, ρ = σ/α, is wrong by e = c(ρ) h² of the spread that the states have there, in which the flow carries
        errors on: exactly for isotropic Gaussian data. N steps of density n(ρ) sum to ∫ c/n, which is least where n ∝ √c: where all e
        are the same. Heun's method measures e over ``places`` short steps, and the grid divides Σ √e into equal parts. For data from
        N(m, s² I) these are ρ_i = s tan θ_i with equally spaced angles θ_i.

        Args:
            model: exact, learned or guided.
            steps: transitions; the result, with other ``steps``, is the same grid finer or coarser.
            event: the shape d of a sample.
            paths: how many are followed.
            places: short steps along them.

        It suits samplers whose error is Euler's, or that put polynomials in ρ through the noise ("ipndm" of
        `scorefield.samplers.Multistep`); those that are exact where D is constant need few steps at large ρ, but not so few.
        Cost: 2 · places evaluations of each path.
        """
        require(Flow, model, "the model that a grid is fitted to", "Exact or a Denoiser")
        rho, passed = errors_along(model, event, paths, LogSNR(places).times(model.process))
        shares = torch.linspace(0, 1, _KNOTS, dtype=torch.float64) * passed[-1]
        return Fitted(steps, torch.exp(_interpolated(shares, passed, rho.log())))


@dataclass(frozen=True)
class Counted(Grid):
    """A grid of as many transitions as are asked for.

    Args:
        steps: transitions.
    """

    steps: Count

    def __post_init__(self) -> None:
        _at_least(1, self.steps)


@dataclass(frozen=True)
class Uniform(Counted):
    """Equally spaced in t, from t_max down to t_min (Song et al. 2021).

    Args:
        steps: transitions.
    """

    def times(self, process: Process) -> Times:
        """Return the times."""
        return torch.linspace(process.t_max, process.t_min, self.steps + 1, dtype=torch.float64)


@dataclass(frozen=True)
class LogSNR(Counted):
    """Equally spaced in ln(σ/α), so in the logarithm of the signal-to-noise ratio, from t_max down to t_min.

    Args:
        steps: transitions.
    """

    def times(self, process: Process) -> Times:
        """Return the times."""
        high, low = ends(process)
        return process.time(_geometric(high, low, self.steps + 1))


@dataclass(frozen=True)
class Karras(Counted):
    """The noise levels of Karras et al. (2022), Eq. 5, as ratios σ/α; N = steps + 1 of them.

        ρ_i = (ρ_max^{1/p} + i/(N−1) (ρ_min^{1/p} − ρ_max^{1/p}))^p,  i = 0 … N−1

    Args:
        steps: transitions.
        rho: the power p, their ρ.
        sigma_min, sigma_max: the ends, as ratios σ/α; the process's own when absent.
    """

    rho: float = 7.0
    sigma_min: float | None = None
    sigma_max: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.rho) and self.rho > 0):
            raise ValueError(f"rho must be a finite positive number; received {self.rho}")

    def times(self, process: Process) -> Times:
        """Return the times."""
        high, low = ends(process)
        high = high if self.sigma_max is None else self.sigma_max
        low = low if self.sigma_min is None else self.sigma_min
        _descending(high, low)
        ramp = torch.linspace(0, 1, self.steps + 1, dtype=torch.float64)
        power = 1 / self.rho
        return process.time((high**power + ramp * (low**power - high**power)) ** self.rho)


@dataclass(frozen=True)
class Fitted(Counted):
    """Equal shares of the way along ratios σ/α, as `Grid.fit` finds them: ln(σ/α) is a straight line between each and the next.

    Args:
        steps: transitions.
        ratios: descending ratios σ/α, which divide the way into equal parts.
    """

    ratios: Levels

    def __post_init__(self) -> None:
        super().__post_init__()
        ratios = self.ratios
        if ratios.ndim != 1 or len(ratios) < 2 or not (ratios.diff() < 0).all() or not ratios[-1] > 0:
            raise ValueError(f"ratios must be two or more positive numbers that descend; received {ratios.tolist()}")

    def times(self, process: Process) -> Times:
        """Return the times."""
        share, shares = (torch.linspace(0, 1, n, dtype=torch.float64) for n in (self.steps + 1, len(self.ratios)))
        return process.time(torch.exp(_interpolated(share, shares, self.ratios.double().log())))


@dataclass(frozen=True)
class Ladder(Grid):
    """Noise levels one after another, the last one twice, so that `scorefield.AnnealedLangevin`, which moves within a level, visits all.

    Args:
        levels: descending ratios σ/α, such as `geometric` (1.0, 0.01, 10). L levels make L transitions.
    """

    levels: Levels

    def times(self, process: Process) -> Times:
        """Return the times at which σ/α meets the levels."""
        times = process.time(self.levels.double())
        return torch.cat([times, times[-1:]])


@dataclass(frozen=True)
class Constant(Grid):
    """One noise level, kept: the grid of a Langevin chain.

    Args:
        t: the time of that level.
        steps: transitions.
    """

    t: float
    steps: Count

    def __post_init__(self) -> None:
        _at_least(1, self.steps)

    def times(self, process: Process) -> Times:
        """Return steps + 1 copies of t."""
        return torch.full((self.steps + 1,), self.t, dtype=torch.float64)


def _interpolated(x: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Return the straight lines through (places, values) at x; the ends are exact."""
    right = torch.searchsorted(places, x).clamp(1, len(places) - 1)
    share = (x - places[right - 1]) / (places[right] - places[right - 1])
    return torch.lerp(values[right - 1], values[right], share.clamp(0, 1))


def times_of(grid: Grid | Times | Sequence[float], process: Process) -> Times:
    """Return the times of a grid, or the times given, checked.

    Raises:
        ValueError: fewer than two times, times that ascend, or one at which the process has no noise or no finite scales.
    """
    times = grid.times(process) if isinstance(grid, Grid) else torch.as_tensor(grid).to("cpu", torch.float64)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(
            f"a grid must be a Grid, such as Karras(31), or a vector of two or more times; received the shape {tuple(times.shape)}. "
            "A single evaluation is Euler() over Karras(1) with denoise=False"
        )
    if not torch.isfinite(times).all() or (times.diff() > 0).any():
        raise ValueError(
            "times must be finite and descend from noise to data; received an increasing or non-finite grid"
        )
    _, sigma = process.alpha_sigma(times)
    if not (torch.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(
            f"times must be noisy ones of the process, between {process.t_min:g} and {process.t_max:g}; received "
            f"{times[~(sigma > 0)][0].item():g}, where σ is 0 or not a number. Leave out a trailing 0: sample() ends by denoising"
        )
    beyond = 0.01 * process.t_max  # a little, such as a schedule of others that begins at 1, is meant
    if not isinstance(grid, Grid) and (times[-1] < process.t_min - beyond or times[0] > process.t_max + beyond):
        raise ValueError(
            f"times must lie within the process, from {process.t_min:g} to {process.t_max:g}; received {times[0]:g} to {times[-1]:g}: "
            "they are its t, not noise levels; process.time(sigma) gives the one of the other"
        )
    return times


def steps_of(times: Times, process: Process) -> list[Step]:
    """Return the transitions between consecutive times."""
    alpha, sigma = (scale.tolist() for scale in process.alpha_sigma(times))
    return [
        Step(times[k], times[k + 1], alpha[k], sigma[k], alpha[k + 1], sigma[k + 1], k + 1, len(times) - 1, sigma[-1])
        for k in range(len(times) - 1)
    ]


def geometric(sigma_1: float, sigma_L: float, levels: Rungs) -> Levels:
    """Return the L noise levels of NCSN, σ_1 > … > σ_L with a constant ratio (Song & Ermon 2019, section 4.2).

    One level is σ_L alone: the single-noise model of the ablations.

    Args:
        sigma_1: the largest; in a run, the process's largest σ/α.
        sigma_L: the smallest; in a run, the process's smallest σ/α.
        levels: how many.
    """
    _at_least(1, levels, "levels")
    if levels == 1:
        return torch.tensor([sigma_L], dtype=torch.float64)
    _descending(sigma_1, sigma_L)
    return _geometric(sigma_1, sigma_L, levels)


def linear(sigma_1: float, sigma_L: float, levels: Rungs) -> Levels:
    """Return L noise levels equally spaced: few of them are small, where the detail is (for comparison).

    Args:
        sigma_1: the largest; in a run, the process's largest σ/α.
        sigma_L: the smallest; in a run, the process's smallest σ/α.
        levels: how many.
    """
    return _between(sigma_1, sigma_L, levels, lambda u: u)


def cosine(sigma_1: float, sigma_L: float, levels: Rungs) -> Levels:
    """Return L noise levels along half a cosine: dense at both ends. σ = σ_1 + (σ_L − σ_1)(1 − cos πu)/2, u from 0 to 1.

    Args:
        sigma_1: the largest; in a run, the process's largest σ/α.
        sigma_L: the smallest; in a run, the process's smallest σ/α.
        levels: how many.
    """
    return _between(sigma_1, sigma_L, levels, lambda u: 0.5 * (1 - torch.cos(math.pi * u)))


def sigmoid(sigma_1: float, sigma_L: float, levels: Rungs) -> Levels:
    """Return L noise levels along a logistic curve from −6 to 6: denser yet at both ends than `cosine`.

    Args:
        sigma_1: the largest; in a run, the process's largest σ/α.
        sigma_L: the smallest; in a run, the process's smallest σ/α.
        levels: how many.
    """
    ends = torch.sigmoid(torch.tensor([-6.0, 6.0], dtype=torch.float64))
    return _between(sigma_1, sigma_L, levels, lambda u: (torch.sigmoid(12 * u - 6) - ends[0]) / (ends[1] - ends[0]))


def ends(process: Process) -> tuple[float, float]:
    """Return the largest and smallest σ/α of a process."""
    ends = torch.tensor([process.t_max, process.t_min], dtype=torch.float64)
    high, low = process.ratio(ends).tolist()
    return high, low


def _between(sigma_1: float, sigma_L: float, levels: int, share: Callable[[Tensor], Tensor]) -> Levels:
    """Return σ_1 + (σ_L − σ_1) share(u) for u from 0 to 1; the ends are exact."""
    _at_least(2, levels, "levels")
    _descending(sigma_1, sigma_L)
    values = sigma_1 + (sigma_L - sigma_1) * share(torch.linspace(0, 1, levels, dtype=torch.float64))
    values[-1] = sigma_L
    return values


def _geometric(high: float, low: float, count: int) -> Tensor:
    """Return ``count`` numbers from ``high`` to ``low`` with a constant quotient."""
    return torch.exp(torch.linspace(math.log(high), math.log(low), count, dtype=torch.float64))


def _at_least(least: int, value: int, what: str = "steps") -> None:
    whole(value, what, least)


def _descending(high: float, low: float) -> None:
    if not (math.isfinite(high) and high > low > 0):
        raise ValueError(
            f"levels must descend and be positive: expected sigma_max > sigma_min > 0; received {high} and {low}"
        )
