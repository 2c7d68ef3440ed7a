r"""Forward noising: x_t = α(t) x_0 + σ(t) z, z ~ N(0, I).

Every process here is the solution of a linear SDE, dx = f(t) x dt + g(t) dw, whose coefficients follow from its scales:

    f(t)  = d log α / dt
    g²(t) = dσ²/dt − 2 f σ²  =  2 σ² · d log(σ/α) / dt

(Song et al. 2021, Eq. 29 and appendix B; Karras et al. 2022, Eq. 4 with s = α). So a process states α and σ and the inverse of
its noise-to-signal ratio; drift, diffusion and prior are derived here, once. Times and scales are float64 throughout.
"""

import abc
import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import one_of, positive
from scorefield._tensors import like, there

__all__ = ["DDPM", "EDM", "VE", "VP", "PowerVE", "Process", "RectifiedFlow", "SubVP"]

Time = Float[Tensor, "*b"]
State = Float[Tensor, "b *d"]
Schedule = Literal["linear", "scaled_linear", "cosine"]


class Process(abc.ABC):
    """A forward process: the distribution of x_t given x_0 is N(α_t x_0, σ_t² I).

    Times lie in [t_min, t_max]; data is at the small end. ``t`` has shape () or (b,), and so has everything returned.
    """

    t_min: float
    t_max: float
    stationary_std: ClassVar[float | None] = None

    @abc.abstractmethod
    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (α_t, σ_t)."""

    @abc.abstractmethod
    def time(self, ratio: Time) -> Time:
        """Return the t at which σ_t / α_t = ``ratio``: the inverse of `ratio`."""

    def ratio(self, t: Time) -> Time:
        """Return the noise-to-signal ratio σ_t / α_t, increasing in t; the σ of Karras et al. (2022)."""
        alpha, sigma = self.alpha_sigma(t)
        return sigma / alpha

    def drift_diffusion(self, t: Time) -> tuple[Time, Time]:
        """Return (f, g) of dx = f x dt + g dw."""

        def logs(t: Tensor) -> tuple[Tensor, Tensor]:
            alpha, sigma = self.alpha_sigma(t)
            return torch.log(alpha), torch.log(sigma / alpha)

        t = t.contiguous()  # forward mode refuses a t whose elements share memory, such as t.expand(b)
        f, log_ratio_rate = torch.func.jvp(logs, (t,), (torch.ones_like(t),))[1]
        _, sigma = self.alpha_sigma(t)
        return f, sigma * torch.sqrt(2 * log_ratio_rate)

    def perturb(self, x0: State, t: Time, z: State) -> State:
        """Return x_t = α_t x_0 + σ_t z, one time for all rows or one per row."""
        alpha, sigma = self.alpha_sigma(t)
        return like(alpha, x0) * x0 + like(sigma, x0) * z

    def prior_std(self, t: Time) -> Time:
        """Return the standard deviation of the Gaussian that stands for p_t when nothing is known of the data.

        σ_t, or the stationary standard deviation where the process has one.
        """
        if self.stationary_std is None:
            return self.alpha_sigma(t)[1]
        return torch.full_like(t, self.stationary_std)


def _increasing(low_name: str, low: float, high_name: str, high: float) -> None:
    """Refuse an empty range."""
    if not low < high:
        raise ValueError(f"{low_name} must be smaller than {high_name}; received {low} and {high}")


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
        _increasing("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)

    @property
    def _log_range(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (1, σ_min (σ_max/σ_min)^t)."""
        return torch.ones_like(t), self.sigma_min * torch.exp(t * self._log_range)

    def time(self, ratio: Time) -> Time:
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
        _increasing("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)
        object.__setattr__(self, "t_min", self.sigma_min)
        object.__setattr__(self, "t_max", self.sigma_max)

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (1, t)."""
        return torch.ones_like(t), t

    def time(self, ratio: Time) -> Time:
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
        _increasing("1", 1.0, "base", self.base)
        _increasing("t_min", self.t_min, "t_max", self.t_max)

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (1, √((base^{2t} − 1) / (2 ln base)))."""
        rate = 2 * math.log(self.base)
        return torch.ones_like(t), torch.sqrt(torch.expm1(rate * t) / rate)

    def time(self, ratio: Time) -> Time:
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
        _increasing("beta_min", self.beta_min, "beta_max", self.beta_max)
        _increasing("t_min", self.t_min, "t_max", self.t_max)

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

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (e^{−½B}, √(1 − e^{−B})) with B = ∫₀ᵗ β."""
        total = self.integrated_beta(t)
        return torch.exp(-0.5 * total), torch.sqrt(-torch.expm1(-total))

    def time(self, ratio: Time) -> Time:
        """Return t from B = log(1 + ratio²)."""
        return self.time_of(torch.log1p(ratio**2))


@dataclass(frozen=True)
class SubVP(_LinearBeta):
    """Sub-VP: the α of `VP` with σ = 1 − α², always below VP's noise (Song et al. 2021, Eq. 12 and appendix C)."""

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (e^{−½B}, 1 − e^{−B}) with B = ∫₀ᵗ β."""
        total = self.integrated_beta(t)
        return torch.exp(-0.5 * total), -torch.expm1(-total)

    def time(self, ratio: Time) -> Time:
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
        _increasing("t_min", self.t_min, "t_max", self.t_max)
        _increasing("t_max", self.t_max, "1", 1.0)

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (1 − t, t)."""
        return 1 - t, t

    def time(self, ratio: Time) -> Time:
        """Return ratio/(1 + ratio)."""
        return ratio / (1 + ratio)


@dataclass(frozen=True)
class DDPM(Process):
    """The levels i = 0 … N − 1 of DDPM, α_i² = Π_{j ≤ i} (1 − β_j), σ² = 1 − α², as a process on [0, 1] with level i at t = i/(N − 1).

    Between two levels ln ρ is linear in t. A network that was trained on the levels is asked at t (N − 1), a level or between two.

    Args:
        levels: N, how many.
        beta_min: β_0.
        beta_max: β_{N−1}.
        schedule: how β goes from one to the other: "linear" (Ho et al. 2020), "scaled_linear", linear in √β (Rombach et al. 2022), or
            "cosine", whose α_i is cos((i/N + 0.008)/1.008 · π/2) up to β = 0.999 (Nichol & Dhariwal 2021) and which knows no ends.
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
        betas = self._scheduled() if self.betas is None else torch.tensor(self.betas, dtype=torch.float64)
        if len(betas) < 2 or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(f"betas must be two or more numbers between 0 and 1; received {betas.tolist()[:5]} …")
        log_alpha2 = torch.log1p(-betas).cumsum(0)
        object.__setattr__(self, "log_ratios", 0.5 * (torch.log(-torch.expm1(log_alpha2)) - log_alpha2))

    def _scheduled(self) -> Float[Tensor, " N"]:
        """Return the β's of the schedule."""
        one_of(get_args(Schedule), self.schedule, "schedule")
        if self.levels < 2:
            raise ValueError(f"levels must be at least 2; received {self.levels}")
        positive(beta_min=self.beta_min, beta_max=self.beta_max)
        _increasing("beta_min", self.beta_min, "beta_max", self.beta_max)
        if self.schedule == "cosine":
            i = torch.arange(self.levels + 1, dtype=torch.float64) / self.levels
            alpha2 = torch.cos((i + 0.008) / 1.008 * math.pi / 2) ** 2
            return (1 - alpha2[1:] / alpha2[:-1]).clamp(max=0.999)
        power = 2.0 if self.schedule == "scaled_linear" else 1.0
        ends = self.beta_min ** (1 / power), self.beta_max ** (1 / power)
        return torch.linspace(*ends, self.levels, dtype=torch.float64) ** power

    def alpha_sigma(self, t: Time) -> tuple[Time, Time]:
        """Return (1/√(1 + ρ²), ρ/√(1 + ρ²))."""
        table = there(self.log_ratios, t)
        place = t * (len(table) - 1)
        below = place.detach().floor().clamp(0, len(table) - 2).long()
        log_ratio = torch.lerp(table[below], table[below + 1], place - below)
        return torch.rsqrt(1 + torch.exp(2 * log_ratio)), torch.rsqrt(1 + torch.exp(-2 * log_ratio))

    def time(self, ratio: Time) -> Time:
        """Return the t at which the interpolated ln ρ is ln(ratio)."""
        table, wanted = there(self.log_ratios, ratio), torch.log(ratio)
        below = (torch.searchsorted(table, wanted.detach().contiguous()) - 1).clamp(0, len(table) - 2)
        return (below + (wanted - table[below]) / (table[below + 1] - table[below])) / (len(table) - 1)
