"""Which times an objective trains on: maps from u ~ U[0, 1) to a time, one per example; and the states there."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import finite, positive
from scorefield._noise import Source, standard_normal, uniform_like
from scorefield.models import State
from scorefield.processes import Process


class TimeLaw(Protocol):
    """A map from u ~ U[0, 1), one number per example, to times of a process."""

    def __call__(self, process: Process, u: Float[Tensor, " b"], /) -> Float[Tensor, " b"]:
        """Return the times."""
        ...


@dataclass(frozen=True)
class UniformTime:
    """t ~ U[t_min, t_max] (Song et al. 2021, Eq. 7)."""

    def __call__(self, process: Process, u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return t_min + u (t_max − t_min)."""
        return process.t_min + u * (process.t_max - process.t_min)


@dataclass(frozen=True)
class LogNormal:
    """ln(σ/α) ~ N(mean, std²), clamped to the process's range.

    Args:
        mean: mean of ln(σ/α) (Karras et al. 2022, Table 1: −1.2 for images in [−1, 1]).
        std: standard deviation of ln(σ/α) (Karras et al. 2022, Table 1: 1.2).
    """

    mean: float = -1.2
    std: float = 1.2

    def __post_init__(self) -> None:
        finite(mean=self.mean)
        positive(std=self.std)

    def __call__(self, process: Process, u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return the time at which σ/α = exp(mean + std Φ⁻¹(u))."""
        # Φ⁻¹(0) is −∞: the clamp is where the process ends anyway.
        time = process.time(torch.exp(self.mean + self.std * torch.special.ndtri(u)))
        return time.clamp(process.t_min, process.t_max)


@dataclass(frozen=True)
class OneLevel:
    """Always the time at which σ/α = ratio: the single noise level of Vincent (2011).

    Args:
        ratio: σ/α, noise over signal.
    """

    ratio: float

    def __post_init__(self) -> None:
        positive(ratio=self.ratio)

    def __call__(self, process: Process, u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return that time for every example."""
        return process.time(torch.full_like(u, self.ratio))


def noised(process: Process, x0: State, times: TimeLaw, noise: Source) -> tuple[State, Float[Tensor, " b"]]:
    """Return x_t and t: a time drawn for every example, then noise of that time."""
    t = times(process, uniform_like(x0, noise))
    return process.perturb(x0, t, standard_normal(x0, noise)), t
