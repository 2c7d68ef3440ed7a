"""A midpoint rule on the probability flow."""

import math
from dataclasses import dataclass
from typing import ClassVar

from scorefield._tensors import Noise
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

__all__ = ["Midpoint"]


@dataclass(frozen=True)
class Midpoint(Sampler[None]):
    """The midpoint rule, in y = x/α and ρ = σ/α, through the geometric mean of the ratios.

    Order 2. Cost: two evaluations per step.
    """

    order: ClassVar[int | None] = 2
    evaluations: ClassVar[float] = 2

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        middle = step.starting_at(model.process, math.sqrt(step.rho_t * step.rho_s))
        y = x / step.alpha_t
        half = y + (middle.rho_t - step.rho_t) * model.noise(x, step.t)
        slope = model.noise(middle.alpha_t * half, middle.t)
        return step.alpha_s * (y + (step.rho_s - step.rho_t) * slope), None
