"""Noise levels σ/α one by one, the largest first: the ladders of NCSN, and the ends of a process."""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge, Le
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, positive, whole
from scorefield.processes import Process

Levels = Float[Tensor, " L"]
Rungs = Annotated[int, Ge(1), Le(10_000)]


def geometric(sigma_1: float, sigma_L: float, levels: Rungs) -> Levels:
    """Return the L noise levels of NCSN, σ_1 > … > σ_L with a constant ratio (Song & Ermon 2019, section 4.2).

    One level is σ_L alone: the single-noise model of the ablations.

    Args:
        sigma_1: the largest; in a run, the process's largest σ/α.
        sigma_L: the smallest; in a run, the process's smallest σ/α.
        levels: how many.
    """
    whole(levels, "levels", 1)
    if levels == 1:
        positive(sigma_L=sigma_L)
        return torch.tensor([sigma_L], dtype=torch.float64)
    descending(sigma_1, sigma_L)
    return evenly(sigma_1, sigma_L, levels)


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
    """Return the largest and smallest σ/α of a process.

    Raises:
        ValueError: there is none in float64, where α at the noisy end is 0 or σ at the other.
    """
    ends = torch.tensor([process.t_max, process.t_min], dtype=torch.float64)
    high, low = process.ratio(ends).tolist()
    if not (math.inf > high * high and high > low and low * low > 0):  # processes square them
        raise ValueError(
            f"{process}: σ/α must be finite, positive and increasing; it goes from {low:g} at t = {process.t_min:g} to {high:g} at "
            f"t = {process.t_max:g}: choose less noise at the end, more at the start"
        )
    return high, low


def _between(sigma_1: float, sigma_L: float, levels: int, share: Callable[[Tensor], Tensor]) -> Levels:
    """Return σ_1 + (σ_L − σ_1) share(u) for u from 0 to 1; the ends are exact."""
    whole(levels, "levels", 2)
    descending(sigma_1, sigma_L)
    values = sigma_1 + (sigma_L - sigma_1) * share(torch.linspace(0, 1, levels, dtype=torch.float64))
    values[-1] = sigma_L
    return values


def evenly(high: float, low: float, count: int) -> Tensor:
    """Return ``count`` numbers from ``high`` to ``low`` with a constant quotient."""
    return torch.exp(torch.linspace(math.log(high), math.log(low), count, dtype=torch.float64))


def descending(high: float, low: float) -> None:
    """Refuse a range of levels that is empty, endless or not positive."""
    if not math.inf > as_number(high) > as_number(low) > 0:
        raise ValueError(
            f"levels must descend and be positive: expected sigma_max > sigma_min > 0; received {high!r} and {low!r}"
        )
