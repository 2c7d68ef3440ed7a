"""The process whose scales are a table: DDPM's levels, and what lies between two of them."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import increasing, one_of, positive, reals, whole
from scorefield._tensors import there
from scorefield.processes.base import Process, Time

Schedule = Literal["linear", "scaled_linear", "cosine"]


@dataclass(frozen=True)
class DDPM(Process):
    """The levels i = 0 … N − 1 of DDPM, α_i² = Π_{j ≤ i} (1 − β_j), σ² = 1 − α², as a process on [0, 1] with level i at t = i/(N − 1).

    Between two levels ln ρ is linear in t. A network that was trained on the levels is evaluated at t (N − 1), on a level or between two.

    Args:
        levels: N, how many.
        beta_min: β_0.
        beta_max: β_{N−1}.
        schedule: how β goes from one to the other: "linear" (Ho et al. 2020), "scaled_linear", linear in √β (Rombach et al. 2022), or
            "cosine", whose α_i is cos((i/N + 0.008)/1.008 · π/2) up to β = 0.999 (Nichol & Dhariwal 2021) and which needs neither β_0
            nor β_{N−1}.
        betas: the β's one by one, in place of a schedule.
    """

    levels: int = 1000
    beta_min: float = 1e-4
    beta_max: float = 0.02
    schedule: Schedule = "linear"
    betas: tuple[float, ...] | None = None
    t_min: float = field(default=0.0, init=False, repr=False)
    t_max: float = field(default=1.0, init=False, repr=False)
    log_ratios: Float[Tensor, " N"] = field(init=False, repr=False, compare=False)
    stationary_std: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        betas = self._scheduled() if self.betas is None else reals(self.betas, "betas").double()
        if betas.ndim != 1 or len(betas) < 2 or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(f"betas must be two or more numbers between 0 and 1; received {betas.tolist()[:5]} …")
        if self.betas is not None:
            object.__setattr__(self, "betas", tuple(betas.tolist()))
        log_alpha2 = torch.log1p(-betas).cumsum(0)
        object.__setattr__(self, "log_ratios", 0.5 * (torch.log(-torch.expm1(log_alpha2)) - log_alpha2))

    def _scheduled(self) -> Float[Tensor, " N"]:
        """Return the β's of the schedule."""
        one_of(get_args(Schedule), self.schedule, "schedule")
        if whole(self.levels, "levels") < 2:
            raise ValueError(f"levels must be at least 2; received {self.levels}")
        positive(beta_min=self.beta_min, beta_max=self.beta_max)
        increasing("beta_min", self.beta_min, "beta_max", self.beta_max)
        if self.schedule == "cosine":
            i = torch.arange(self.levels + 1, dtype=torch.float64) / self.levels
            alpha2 = torch.cos((i + 0.008) / 1.008 * math.pi / 2) ** 2
            return (1 - alpha2[1:] / alpha2[:-1]).clamp(max=0.999)
        power = 2.0 if self.schedule == "scaled_linear" else 1.0
        ends = self.beta_min ** (1 / power), self.beta_max ** (1 / power)
        return torch.linspace(*ends, self.levels, dtype=torch.float64) ** power

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (1/√(1 + ρ²), ρ/√(1 + ρ²))."""
        t = self.at(t)
        table = there(self.log_ratios, t)
        place = t * (len(table) - 1)
        below = place.detach().floor().clamp(0, len(table) - 2).long()
        log_ratio = torch.lerp(table[below], table[below + 1], place - below)
        return torch.rsqrt(1 + torch.exp(2 * log_ratio)), torch.rsqrt(1 + torch.exp(-2 * log_ratio))

    def inverse(self, ratio: Time) -> Time:
        """Return the t at which the interpolated ln ρ is ln(ratio)."""
        table, wanted = there(self.log_ratios, ratio), torch.log(ratio)
        below = (torch.searchsorted(table, wanted.detach().contiguous()) - 1).clamp(0, len(table) - 2)
        return (below + (wanted - table[below]) / (table[below + 1] - table[below])) / (len(table) - 1)
