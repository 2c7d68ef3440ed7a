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

from scorefield._checks import Refused, as_number, positive
from scorefield._noise import Noise
from scorefield._ode import integrate
from scorefield.grids import Step
from scorefield.models import ScoreModel, State, probability_flow
from scorefield.sampling import Sampler


@dataclass(frozen=True)
class Euler(Sampler[None]):
    """Euler's method: y ← y + (ρ_s − ρ_t) ẑ(x, t) = r y + (1 − r) D with r = ρ_s/ρ_t. The same map as deterministic DDIM.

    Order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        r = step.rho_s / step.rho_t
        return (r * step.alpha_s / step.alpha_t) * x + step.alpha_s * (1 - r) * model.denoise(x, step.t), None


@dataclass(frozen=True)
class Heun(Sampler[None]):
    r"""Heun's method, with Karras et al.'s optional churn (2022, Algorithm 2).

        γ = min(churn/N, √2 − 1) where churn_min ≤ ρ_t ≤ churn_max, else 0     N transitions in the grid
        ρ̂ = (1 + γ) ρ_t,  y ← y + churn_noise √(ρ̂² − ρ_t²) z                   (only if γ > 0)
        y′ ← y + (ρ_s − ρ̂) ẑ(y, ρ̂)                                            an Euler step
        y  ← y + (ρ_s − ρ̂) ½ (ẑ(y, ρ̂) + ẑ(y′, ρ_s))                          the trapezoid

    Args:
        churn: S_churn; 0 integrates the ODE. Karras et al. count the last step, to σ = 0, which is the closing denoising here, and divide
            by N + 1: their S_churn is churn = S_churn N/(N + 1).
        churn_min, churn_max: the range of noise levels that are churned.
        churn_noise: S_noise.

    Order 2 (without churn). Cost: two evaluations per step.
    """

    order: ClassVar[int | None] = 2
    evaluations: ClassVar[float] = 2
    churn: float = 0.0
    churn_min: float = 0.0
    churn_max: float = math.inf
    churn_noise: float = 1.0

    def __post_init__(self) -> None:
        for name in ("churn", "churn_noise", "churn_min", "churn_max"):
            if not as_number(value := getattr(self, name)) >= 0:
                raise Refused(f"{name} must be a number of at least 0; received {value!r:.80}")
        if self.churn_min > self.churn_max:
            raise Refused(f"churn_min must be at most churn_max; received {self.churn_min} and {self.churn_max}")

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        gamma = min(self.churn / step.count, math.sqrt(2) - 1)
        if gamma > 0 and self.churn_min <= step.rho_t <= self.churn_max:
            rho = step.rho_t
            raised = step.starting_at(model.process, (1 + gamma) * rho)
            y = x / step.alpha_t + self.churn_noise * math.sqrt(raised.rho_t**2 - rho**2) * noise.normal()
            x, step = raised.alpha_t * y, raised
        y, h = x / step.alpha_t, step.rho_s - step.rho_t
        first = model.noise(x, step.t)
        second = model.noise(step.alpha_s * (y + h * first), step.s)
        return step.alpha_s * (y + h * 0.5 * (first + second)), None


@dataclass(frozen=True)
class AdaptiveODE(Sampler[Float[Tensor, " b"]]):
    """The ODE by Dormand and Prince's 5(4) pair in ln ρ, every sample with step sizes of its own.

    A stiff sample does not make the others wait: finished and easy samples drop out of the batch. The grid's times are only where the
    state is recorded; two are enough. No order is declared: it is the tolerance that is met, whatever the grid.

    Args:
        rtol, atol: tolerances of the local error, relative and absolute, in the units of x/α.

    Memory is the evaluations each sample has used. Cost: what the tolerance needs; `Samples.evaluations` reports the mean.

    Raises:
        DivergedError: a step size that shrinks to nothing.
    """

    rtol: float = 1e-5
    atol: float = 1e-5

    def __post_init__(self) -> None:
        positive(rtol=self.rtol, atol=self.atol)

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: Float[Tensor, " b"] | None, noise: Noise
    ) -> tuple[State, Float[Tensor, " b"]]:
        """Return x at s, and the evaluations each row has used so far."""
        ends = math.log(step.rho_t), math.log(step.rho_s)
        y, used = integrate(probability_flow(model), x / step.alpha_t, *ends, rtol=self.rtol, atol=self.atol)
        return step.alpha_s * y, used if memory is None else memory + used

    def counted(self, memory: Float[Tensor, " b"], steps: int) -> float:
        """Return the mean over samples."""
        return memory.mean().item()
