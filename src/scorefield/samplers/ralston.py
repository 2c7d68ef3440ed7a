r"""A third-order method for the probability-flow ODE, for smooth scores and tight tolerances.

Ralston (1962), "Runge-Kutta methods with minimum error bounds", Eq. 4.5, for dy/dρ = ẑ (`scorefield.samplers.ode`), with h = ρ_s − ρ_t:

    k₁ = ẑ(y, ρ_t)
    k₂ = ẑ(y + ½ h k₁, ρ_t + ½ h)
    k₃ = ẑ(y + ¾ h k₂, ρ_t + ¾ h)
    y ← y + h (2 k₁ + 3 k₂ + 4 k₃)/9
"""

from dataclasses import dataclass
from typing import ClassVar

from scorefield._tensors import Noise
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

__all__ = ["Ralston"]


@dataclass(frozen=True)
class Ralston(Sampler[None]):
    """Ralston's third-order method.

    Order 3. Cost: three evaluations per step.
    """

    order: ClassVar[int | None] = 3
    evaluations: ClassVar[float] = 3

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        y, h = x / step.alpha_t, step.rho_s - step.rho_t
        k1 = model.noise(x, step.t)
        half = step.starting_at(model.process, step.rho_t + h / 2)
        k2 = model.noise(half.alpha_t * (y + h / 2 * k1), half.t)
        later = step.starting_at(model.process, step.rho_t + 3 * h / 4)
        k3 = model.noise(later.alpha_t * (y + 3 * h / 4 * k2), later.t)
        return step.alpha_s * (y + h * (2 * k1 + 3 * k2 + 4 * k3) / 9), None
