r"""The probability-flow ODE, in the variables in which it is simplest.

With ρ = σ/α and y = x/α, the ODE dx/dt = f x − ½ g² ∇ log p_t(x) (Song et al. 2021, Eq. 13) reads

    dy/dρ = (y − D)/ρ = ẑ(x, t)

for every process, whatever its clock: Karras et al. (2022), Eq. 1, for VE; DDIM's ODE (Song, Meng & Ermon 2021, Eq. 14) for VP.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scorefield._ode import integrate
from scorefield._tensors import Noise
from scorefield.models import ScoreModel, State, probability_flow
from scorefield.sampling import Sampler

__all__ = ["AdaptiveODE", "Euler", "Heun"]


@dataclass(frozen=True)
class Euler(Sampler):
    """Euler's method: y ← y + (ρ_s − ρ_t) ẑ(x, t) = r y + (1 − r) D with r = ρ_s/ρ_t. The same map as deterministic DDIM.

    Order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None, noise: Noise
    ) -> tuple[State, None]:
        """Return x at s."""
        return _euler(model, x, t, _scales(model, t), _scales(model, s)), None


@dataclass(frozen=True)
class Heun(Sampler):
    r"""Heun's method, with Karras et al.'s optional churn (2022, Algorithm 2).

        γ = min(churn/N, √2 − 1) where churn_min ≤ ρ_t ≤ churn_max, else 0     N transitions in the grid
        ρ̂ = (1 + γ) ρ_t,  y ← y + churn_noise √(ρ̂² − ρ_t²) z                   (only if γ > 0)
        an Euler step from ρ̂ to ρ_s, then the trapezoid through both slopes

    Args:
        churn: S_churn; 0 integrates the ODE.
        churn_min, churn_max: the range of noise levels that are churned.
        churn_noise: S_noise.

    Order 2 (without churn). Cost: two evaluations per step.
    """

    order: ClassVar[int | None] = 2
    churn: float = 0.0
    churn_min: float = 0.0
    churn_max: float = math.inf
    churn_noise: float = 1.0

    def __post_init__(self) -> None:
        if self.churn < 0 or self.churn_noise < 0:
            raise ValueError(
                f"churn and churn_noise must not be negative; received {self.churn} and {self.churn_noise}"
            )

    @property
    def evaluations(self) -> int:
        """Two slopes."""
        return 2

    def start(self, model: ScoreModel, times: Float[Tensor, " n"]) -> float:
        """Return γ."""
        return min(self.churn / (len(times) - 1), math.sqrt(2) - 1)

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: float, noise: Noise
    ) -> tuple[State, float]:
        """Return x at s."""
        (alpha_t, rho_t), (alpha_s, rho_s) = _scales(model, t), _scales(model, s)
        if memory > 0 and self.churn_min <= rho_t <= self.churn_max:
            rho_hat = (1 + memory) * rho_t
            t = model.process.time((1 + memory) * model.process.ratio(t))
            y = x / alpha_t + self.churn_noise * math.sqrt(rho_hat**2 - rho_t**2) * noise.normal()
            (alpha_t, _), rho_t = _scales(model, t), rho_hat
            x = alpha_t * y
        guess = _euler(model, x, t, (alpha_t, rho_t), (alpha_s, rho_s))
        # The first slope is the way to the guess: half of it is behind us, and the slope there brings the other half.
        middle = (0.5 * alpha_s / alpha_t) * x + 0.5 * guess
        return middle + (0.5 * alpha_s * (rho_s - rho_t)) * model.noise(guess, s), memory


@dataclass(frozen=True)
class AdaptiveODE(Sampler):
    """The ODE by Dormand and Prince's 5(4) pair in ln ρ, every sample with step sizes of its own.

    A stiff sample does not make the others wait: finished and easy samples drop out of the batch. The grid's times are only where the
    state is recorded; two are enough. No order is declared: it is the tolerance that is met, whatever the grid.

    Args:
        rtol, atol: tolerances of the local error, relative and absolute, in the units of x/α.

    Cost: what the tolerance needs; `Samples.evaluations` reports the mean.

    Raises:
        DivergedError: a step size that shrinks to nothing.
    """

    rtol: float = 1e-5
    atol: float = 1e-5

    def __post_init__(self) -> None:
        if not (self.rtol > 0 and self.atol > 0):
            raise ValueError(f"rtol and atol must be positive; received {self.rtol} and {self.atol}")

    def step(
        self,
        model: ScoreModel,
        x: State,
        t: Float[Tensor, ""],
        s: Float[Tensor, ""],
        memory: Float[Tensor, " b"] | None,
        noise: Noise,
    ) -> tuple[State, Float[Tensor, " b"]]:
        """Return x at s, and the evaluations each sample has used."""
        (alpha_t, rho_t), (alpha_s, rho_s) = _scales(model, t), _scales(model, s)
        y, used = integrate(
            probability_flow(model), x / alpha_t, math.log(rho_t), math.log(rho_s), rtol=self.rtol, atol=self.atol
        )
        return alpha_s * y, used if memory is None else memory + used

    def spent(self, memory: Float[Tensor, " b"], steps: int) -> float:
        """Return the mean over samples."""
        return memory.mean().item()


def _euler(
    model: ScoreModel, x: State, t: Float[Tensor, ""], start: tuple[float, float], stop: tuple[float, float]
) -> State:
    """Return x at the second (α, ρ), from x at time t and the first."""
    (alpha_t, rho_t), (alpha_s, rho_s) = start, stop
    r = rho_s / rho_t
    return (r * alpha_s / alpha_t) * x + (alpha_s * (1 - r)) * model.denoise(x, t)


def _scales(model: ScoreModel, t: Float[Tensor, ""]) -> tuple[float, float]:
    """Return (α_t, ρ_t) as numbers."""
    alpha, sigma = model.process.alpha_sigma(t)
    return alpha.item(), (sigma / alpha).item()
