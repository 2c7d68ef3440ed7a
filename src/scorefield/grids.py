"""Where a sampler stops on its way: descending times, and NCSN's ladders of noise levels.

A grid of ``steps`` times is a run of ``steps − 1`` transitions and one closing noise-free step, the denoising `sample` does at the
last time. So a grid of 18 times under Heun costs 2·17 + 1 = 35 evaluations, the count of Karras et al. (2022), whose final Euler
step to σ = 0 *is* that denoising.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.processes import Process

__all__ = ["constant", "cosine", "geometric", "karras", "ladder", "linear", "log_snr", "sigmoid", "uniform"]

Times = Float[Tensor, " n"]
Levels = Float[Tensor, " L"]


def uniform(process: Process, steps: int) -> Times:
    """Return ``steps`` times from t_max down to t_min, equally spaced in t (Song et al. 2021)."""
    _at_least(2, steps)
    return torch.linspace(process.t_max, process.t_min, steps, dtype=torch.float64)


def log_snr(process: Process, steps: int) -> Times:
    """Return ``steps`` times from t_max down to t_min, equally spaced in log(σ/α), so in log signal-to-noise ratio."""
    _at_least(2, steps)
    high, low = _ratios(process)
    return process.time(_geometric(high, low, steps))


def karras(
    process: Process, steps: int, *, rho: float = 7.0, sigma_min: float | None = None, sigma_max: float | None = None
) -> Times:
    """Return the times whose ratios σ/α are those of Karras et al. (2022), Eq. 5.

    σ_i = (σ_max^{1/ρ} + i/(N−1) (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ,  i = 0 … N−1.

    The ends are the process's own unless given.
    """
    _at_least(2, steps)
    high, low = _ratios(process)
    high, low = (high if sigma_max is None else sigma_max), (low if sigma_min is None else sigma_min)
    _descending(high, low)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigma = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return process.time(sigma)


def geometric(sigma_1: float, sigma_L: float, steps: int) -> Levels:
    """Return the L noise levels of NCSN, σ_1 > … > σ_L with a constant ratio (Song & Ermon 2019, section 4.2).

    One level is σ_L alone: the single-noise model of the ablations.
    """
    _at_least(1, steps)
    if steps == 1:
        return torch.tensor([sigma_L], dtype=torch.float64)
    _descending(sigma_1, sigma_L)
    return _geometric(sigma_1, sigma_L, steps)


def linear(sigma_1: float, sigma_L: float, steps: int) -> Levels:
    """Return L noise levels equally spaced: few of them are small, where the detail is (for comparison)."""
    return _between(sigma_1, sigma_L, steps, lambda u: u)


def cosine(sigma_1: float, sigma_L: float, steps: int) -> Levels:
    """Return L noise levels along half a cosine: dense at both ends. σ = σ_1 + (σ_L − σ_1)(1 − cos πu)/2, u from 0 to 1."""
    return _between(sigma_1, sigma_L, steps, lambda u: 0.5 * (1 - torch.cos(math.pi * u)))


def sigmoid(sigma_1: float, sigma_L: float, steps: int) -> Levels:
    """Return L noise levels along a logistic curve from −6 to 6: denser yet at both ends than `cosine`."""
    ends = torch.sigmoid(torch.tensor([-6.0, 6.0], dtype=torch.float64))
    return _between(sigma_1, sigma_L, steps, lambda u: (torch.sigmoid(12 * u - 6) - ends[0]) / (ends[1] - ends[0]))


def ladder(process: Process, levels: Levels) -> Times:
    """Return the times at which σ/α meets ``levels``, the last one twice.

    A sampler that works where it stands (`AnnealedLangevin`) thus visits every level, the last included.
    """
    times = process.time(levels.double())
    return torch.cat([times, times[-1:]])


def constant(t: float, steps: int) -> Times:
    """Return ``steps`` + 1 copies of t: ``steps`` transitions of a chain that stays at one noise level."""
    _at_least(1, steps)
    return torch.full((steps + 1,), t, dtype=torch.float64)


def _ratios(process: Process) -> tuple[float, float]:
    """Return the largest and smallest σ/α of a process."""
    ends = torch.tensor([process.t_max, process.t_min], dtype=torch.float64)
    high, low = process.ratio(ends).tolist()
    return high, low


def _between(sigma_1: float, sigma_L: float, steps: int, share: Callable[[Tensor], Tensor]) -> Levels:
    """Return σ_1 + (σ_L − σ_1) share(u) for u from 0 to 1; the ends are exact."""
    _at_least(2, steps)
    _descending(sigma_1, sigma_L)
    levels = sigma_1 + (sigma_L - sigma_1) * share(torch.linspace(0, 1, steps, dtype=torch.float64))
    levels[-1] = sigma_L
    return levels


def _geometric(high: float, low: float, steps: int) -> Tensor:
    """Return ``steps`` numbers from ``high`` to ``low`` with a constant quotient."""
    return torch.exp(torch.linspace(math.log(high), math.log(low), steps, dtype=torch.float64))


def _at_least(least: int, steps: int) -> None:
    if steps < least:
        raise ValueError(f"a grid needs at least {least} step(s); received steps={steps}")


def _descending(high: float, low: float) -> None:
    if not (math.isfinite(high) and high > low > 0):
        raise ValueError(
            f"levels must descend and be positive: expected sigma_max > sigma_min > 0; received {high} and {low}"
        )
