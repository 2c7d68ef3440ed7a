"""Processes whose scales are formulas of the time: the SDEs of the papers, and straight lines."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from scorefield._checks import increasing, positive
from scorefield.processes.base import Process, Time


@dataclass(frozen=True)
class VE(Process):
    """Variance exploding with geometric noise: α = 1, σ_t = σ_min (σ_max/σ_min)^t on [0, 1].

    The continuum of NCSN's levels (Song et al. 2021, Eq. 9 and appendix C). At t = 0 the noise is σ_min, not nothing.

    Args:
        sigma_min: standard deviation of the least noise; data finer than this are not learned.
        sigma_max: standard deviation of the most noise, which should hide the data (Song & Ermon 2020, Technique 1: their diameter).
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    t_min: float = field(default=0.0, init=False, repr=False)
    t_max: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        increasing("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)

    @property
    def _log_range(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (1, σ_min (σ_max/σ_min)^t)."""
        t = self.at(t)
        return torch.ones_like(t), self.sigma_min * torch.exp(t * self._log_range)

    def inverse(self, ratio: Time) -> Time:
        """Return log(ratio/σ_min) / log(σ_max/σ_min)."""
        return torch.log(ratio / self.sigma_min) / self._log_range


@dataclass(frozen=True)
class EDM(Process):
    """Time is the noise level itself: α = 1, σ_t = t on [σ_min, σ_max] (Karras et al. 2022, Table 1, last column).

    Args:
        sigma_min: standard deviation of the least noise (Karras et al. 2022: 0.002 for images in [−1, 1]).
        sigma_max: standard deviation of the most noise, which should hide the data (Karras et al. 2022: 80).
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    t_min: float = field(init=False, repr=False)
    t_max: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        increasing("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)
        object.__setattr__(self, "t_min", self.sigma_min)
        object.__setattr__(self, "t_max", self.sigma_max)

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (1, t)."""
        t = self.at(t)
        return torch.ones_like(t), t

    def inverse(self, ratio: Time) -> Time:
        """Return the ratio itself."""
        return ratio


@dataclass(frozen=True)
class PowerVE(Process):
    """dx = base^t dw on (0, 1]: α = 1, σ_t² = (base^{2t} − 1) / (2 ln base). The SDE of the score-SDE tutorial.

    Args:
        base: how fast noise grows.
        t_min: the time nearest to the data.
    """

    base: float = 25.0
    t_min: float = 1e-5
    t_max: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        positive(base=self.base, t_min=self.t_min)
        increasing("1", 1.0, "base", self.base)
        increasing("t_min", self.t_min, "t_max", self.t_max)

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (1, √((base^{2t} − 1) / (2 ln base)))."""
        t = self.at(t)
        rate = 2 * math.log(self.base)
        return torch.ones_like(t), torch.sqrt(torch.expm1(rate * t) / rate)

    def inverse(self, ratio: Time) -> Time:
        """Return log(1 + 2 ln(base) ratio²) / (2 ln base)."""
        rate = 2 * math.log(self.base)
        return torch.log1p(rate * ratio**2) / rate


@dataclass(frozen=True)
class _LinearBeta(Process):
    """What VP and sub-VP share: β(t) = β_min + t (β_max − β_min), of which both are functions through B = ∫₀ᵗ β.

    Args:
        beta_min: β(0), the rate of noising at the data (Song et al. 2021, appendix C: 0.1).
        beta_max: β(1), the rate at the end (Song et al. 2021, appendix C: 20).
        t_min: the time nearest to the data; smaller ones divide by a noise close to zero (Song et al. 2021, appendix C).
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_min: float = 1e-3
    t_max: float = field(default=1.0, init=False, repr=False)
    stationary_std: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        positive(beta_min=self.beta_min, beta_max=self.beta_max, t_min=self.t_min)
        increasing("beta_min", self.beta_min, "beta_max", self.beta_max)
        increasing("t_min", self.t_min, "t_max", self.t_max)

    def integrated_beta(self, t: Time) -> Time:
        """Return B(t) = β_min t + ½ (β_max − β_min) t²."""
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t**2

    def time_of(self, total: Time) -> Time:
        """Return the positive root t of B(t) = ``total``, in the form that does not cancel near 0."""
        slope = self.beta_max - self.beta_min
        return 2 * total / (self.beta_min + torch.sqrt(self.beta_min**2 + 2 * slope * total))


@dataclass(frozen=True)
class VP(_LinearBeta):
    """Variance preserving with linear β(t) = β_min + t (β_max − β_min): α = exp(−½∫β), σ² = 1 − α².

    The continuum of DDPM (Song et al. 2021, Eq. 11 and appendix C).
    """

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (e^{−½B}, √(1 − e^{−B})) with B = ∫₀ᵗ β."""
        total = self.integrated_beta(self.at(t))
        return torch.exp(-0.5 * total), torch.sqrt(-torch.expm1(-total))

    def inverse(self, ratio: Time) -> Time:
        """Return t from B = log(1 + ratio²)."""
        return self.time_of(torch.log1p(ratio**2))


@dataclass(frozen=True)
class SubVP(_LinearBeta):
    """Sub-VP: the α of `VP` with σ = 1 − α², always below VP's noise (Song et al. 2021, Eq. 12 and appendix C)."""

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (e^{−½B}, 1 − e^{−B}) with B = ∫₀ᵗ β."""
        total = self.integrated_beta(self.at(t))
        return torch.exp(-0.5 * total), -torch.expm1(-total)

    def inverse(self, ratio: Time) -> Time:
        """Return t from B = 2 asinh(ratio/2): the ratio 1/α − α is 2 sinh(B/2)."""
        return self.time_of(2 * torch.asinh(0.5 * ratio))


@dataclass(frozen=True)
class RectifiedFlow(Process):
    """Straight lines from data to noise: α = 1 − t, σ = t, on which dx_t/dt = z − x_0 (Liu, Gong & Liu 2023; Lipman et al. 2023).

    At t = 1, where no data is left, a score says nothing; sampling starts at ``t_max``.

    Args:
        t_min: the time nearest to the data.
        t_max: the time nearest to pure noise, where sampling starts.
    """

    t_min: float = 1e-3
    t_max: float = 1 - 1e-3

    def __post_init__(self) -> None:
        positive(t_min=self.t_min)
        increasing("t_min", self.t_min, "t_max", self.t_max)
        increasing("t_max", self.t_max, "1", 1.0)

    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (1 − t, t)."""
        t = self.at(t)
        return 1 - t, t

    def inverse(self, ratio: Time) -> Time:
        """Return ratio/(1 + ratio)."""
        return ratio / (1 + ratio)
