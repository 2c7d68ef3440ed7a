r"""Where a sampler stops on its way from noise to data: grids of descending times.

A `Grid` cuts a process's time into ``steps`` transitions, so it names steps + 1 times. `scorefield.sample` adds one closing denoising at
the last of them: under Heun, ``Karras(17)`` costs 2·17 + 1 = 35 evaluations, the count of Karras et al. (2022), whose final Euler step to
σ = 0 *is* that denoising.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

import torch
from annotated_types import Ge, Le
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import number, one_of, positive, reals, require, whole
from scorefield._tensors import evaluating
from scorefield._values import ByValue
from scorefield.errors import ConfigError
from scorefield.grids.levels import Levels, descending, ends, evenly
from scorefield.grids.local_errors import Flow, Held, errors_along
from scorefield.processes import Process

_EXPECTED = "a Grid, such as Karras(31), or a vector of two or more times"
_KNOTS = 33
_ROUNDING = 1e-14
_MOST = 1_000_000  # transitions
Times = Float[Tensor, " n"]
Count = Annotated[int, Ge(1), Le(_MOST)]


class Grid(ByValue, abc.ABC):
    """How a process's time is cut for a sampler; `scorefield.sample` takes one, or a tensor of times."""

    @abc.abstractmethod
    def times(self, process: Process) -> Times:
        """Return the times, descending, in float64: one more than there are transitions."""

    @staticmethod
    def fit(
        model: Flow, steps: int, event: Sequence[int], *, of: Held = "noise", paths: int = 16, places: int = 96
    ) -> "Fitted":
        r"""Return the grid along which every step of Euler's method errs equally, on paths of the model's probability flow.

        A step from ρ to ρ + h, ρ = σ/α, is wrong by e = c(ρ) h². N steps of density n(ρ) sum to ∫ c/n, which is least where n ∝ √c:
        where all e are the same. Heun's method measures e over ``places`` short steps, and the grid divides Σ √e into equal parts.

        With ``of="noise"``, e is measured in units of the states' standard deviation at that time, by which the flow scales errors: exactly
        for isotropic Gaussian data. For data from N(m, s² I) the grid is ρ_i = s tan θ_i with equally spaced angles θ_i.

        With ``of="data"``, e counts the same wherever it is made, and the closing denoising is the last of the equal steps: first steps are
        shorter, and the grid ends where the denoising errs as much as any step. For N(m, s² I) the integrals ∫ dθ/√(cos θ) are equal from
        angle to angle, and from the last angle to the end of the process.

        Args:
            model: exact, learned or guided.
            steps: transitions; the result, with other ``steps``, is the same grid finer or coarser.
            event: the shape d of a sample.
            of: what the sampler extrapolates by polynomials, the predicted "noise" or the denoised "data".
            paths: how many are followed, at least two.
            places: short steps along them.

        "noise" suits samplers whose error is Euler's, or that put polynomials in ρ through the noise ("ipndm" of
        `scorefield.samplers.Multistep`). "data" suits `scorefield.DPMpp2M` and the rules that put them through D, when evaluations are
        few: with 5 or 8 of them it ends 1.9 to 7.8 times nearer the flow than along `Karras` (exact scores of four densities in the plane
        under EDM, and of three of them under VP).
        Cost: 2 · places evaluations of each path.
        """
        require(Flow, model, "the model that a grid is fitted to", "Exact or a Denoiser")
        whole(paths, "paths", 2)  # whose spread is the unit of errors
        one_of(get_args(Held), of, "of")
        with evaluating(model):
            rho, passed = errors_along(model, event, paths, LogSNR(places).times(model.process), of)
        way = 1.0 if of == "noise" else steps / (steps + 1)
        shares = torch.linspace(0, way, _KNOTS, dtype=torch.float64) * passed[-1]
        return Fitted(steps, torch.exp(_interpolated(shares, passed, rho.log())))


@dataclass(frozen=True)
class Counted(Grid):
    """A grid of as many transitions as are asked for.

    Args:
        steps: transitions.
    """

    steps: Count

    def __post_init__(self) -> None:
        whole(self.steps, "steps", 1, _MOST)


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
        return process.time(evenly(high, low, self.steps + 1))


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
        positive(rho=self.rho)

    def times(self, process: Process) -> Times:
        """Return the times."""
        high, low = ends(process)
        high = high if self.sigma_max is None else self.sigma_max
        low = low if self.sigma_min is None else self.sigma_min
        descending(high, low)
        ramp = torch.linspace(0, 1, self.steps + 1, dtype=torch.float64)
        power, unit = 1 / self.rho, high if self.rho < 1 else 1.0  # large powers of large levels overflow
        first, last = (high / unit) ** power, (low / unit) ** power
        levels = unit * (first + ramp * (last - first)) ** self.rho
        for place, end in ((0, high), (-1, low)):  # of which powers, and differences of them, may keep few digits
            if abs(levels[place].item() / end - 1) > _ROUNDING:
                levels[place] = end
        return process.time(levels)


@dataclass(frozen=True)
class Fitted(Counted):
    """Equal shares of the way along ratios σ/α, as `Grid.fit` finds them: ln(σ/α) is a straight line between each and the next.

    Args:
        steps: transitions.
        ratios: descending ratios σ/α, which divide the way into equal parts; training finds those that a configuration leaves out.
    """

    ratios: Levels

    def __post_init__(self) -> None:
        super().__post_init__()
        ratios = reals(self.ratios, "ratios")
        object.__setattr__(self, "ratios", ratios)
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

    def __post_init__(self) -> None:
        levels = reals(self.levels, "levels")
        object.__setattr__(self, "levels", levels)
        if levels.ndim != 1 or not len(levels) or (levels.diff() > 0).any() or not levels[-1] > 0:
            raise ValueError(f"levels must be one or more positive numbers that descend; received {levels.tolist()}")

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
        whole(self.steps, "steps", 1)
        object.__setattr__(self, "t", number(self.t, "t"))

    def times(self, process: Process) -> Times:
        """Return steps + 1 copies of t."""
        return torch.full((self.steps + 1,), self.t, dtype=torch.float64)


def _interpolated(x: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Return the straight lines through (places, values) at x, from the first place to the last; the ends are exact."""
    right = torch.searchsorted(places, x).clamp(min=1)
    share = (x - places[right - 1]) / (places[right] - places[right - 1])
    return torch.lerp(values[right - 1], values[right], share)


def _given(grid: object) -> Times:
    """Return times as a tensor, in float64 on the CPU."""
    try:
        times = torch.as_tensor(grid)
    except (RuntimeError, TypeError, ValueError):
        times = None
    if times is None or times.is_complex() or times.dtype == torch.bool or times.is_meta:
        a = grid.__name__ if isinstance(grid, type) else type(grid).__name__ if times is None else times.dtype
        meant = f", a class: write {a}(31)" if isinstance(grid, type) else ""
        raise ValueError(f"a grid must be {_EXPECTED}; received {a}{meant}")
    return times.detach().to("cpu", torch.float64)


def times_of(grid: Grid | Times | Sequence[float], process: Process) -> Times:
    """Return the times of a grid, or the times given, checked.

    Raises:
        ValueError: fewer than two times, times that ascend, one at which the process has no noise, no signal or no finite scales, a
            grid of more times than can be told apart, or one that begins in more noise than the process has.
    """
    times = grid.times(process) if isinstance(grid, Grid) else _given(grid)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(
            f"a grid must be {_EXPECTED}; received the shape {tuple(times.shape)}. "
            "A single evaluation is Euler() over Karras(1) with denoise=False"
        )
    if isinstance(grid, Counted) and (same := int((times.diff() >= 0).sum())):
        raise ValueError(
            f"{grid}: {same} of {grid.steps} steps go nowhere: between {times[0]:g} and {times[-1]:g} there are not so many times in "
            "float64; take fewer steps, or ends further apart"
        )
    if not torch.isfinite(times).all() or (times.diff() > 0).any():
        raise ValueError(
            "times must be finite and descend from noise to data; received an increasing or non-finite grid"
        )
    alpha, sigma = process.alpha_sigma(times)
    shapes = [tuple(getattr(scale, "shape", ())) for scale in (alpha, sigma)]
    if shapes != [tuple(times.shape)] * 2:
        raise ConfigError(
            f"alpha_sigma of {type(process).__name__} must return two tensors of the shape of t, {tuple(times.shape)}; received shapes "
            f"{shapes[0]} and {shapes[1]}: of a number c make c * torch.ones_like(t)"
        )
    if not (torch.isfinite(alpha) & (alpha > 0)).all():
        raise ValueError(
            f"times must be ones at which something of the data is left; at t = {times[~(alpha > 0)][0].item():g}, α of {process} is 0 or "
            "not a number: begin later"
        )
    if not (torch.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(
            f"times must be noisy ones of the process, between {process.t_min:g} and {process.t_max:g}; received "
            f"{times[~(sigma > 0)][0].item():g}, where σ is 0 or not a number. Leave out a trailing 0: sample() ends by denoising"
        )
    beyond = 0.01 * process.t_max  # a little, such as a schedule of others that begins at 1, is meant
    given = isinstance(grid, Constant) or not isinstance(grid, Grid)  # other grids ask the process for their times
    if given and (times[-1] < process.t_min - beyond or times[0] > process.t_max + beyond):
        raise ValueError(
            f"times must lie within the process, from {process.t_min:g} to {process.t_max:g}; received {times[0]:g} to {times[-1]:g}: "
            "they are its t, not noise levels; process.time(sigma) gives the one of the other"
        )
    if times[0] > process.t_max + beyond:
        raise ValueError(
            f"{grid!r:.80} begins at σ/α = {process.ratio(times[0]):.4g}, where {process} ends at {ends(process)[0]:.4g}, beyond which "
            "models know nothing: lower the grid's first noise level, or give the process more noise"
        )
    return times
