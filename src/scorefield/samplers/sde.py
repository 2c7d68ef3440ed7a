r"""The reverse-time SDE  dx = [f x − g² ∇ log p_t(x)] dt + g dw̄  (Anderson 1982; Song et al. 2021, Eq. 6), discretised."""

from dataclasses import dataclass
from typing import ClassVar

from scorefield._noise import Noise
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler


@dataclass(frozen=True)
class EulerMaruyama(Sampler[None]):
    """Euler–Maruyama on the reverse SDE: x ← x + [f x − g² ∇ log p_t](s − t) + g √(t − s) z, coefficients at t.

    Weak order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        f, g = (c.item() for c in model.process.drift_diffusion(step.t))
        h = (step.t - step.s).item()
        mean = x - h * (f * x - g**2 * model.score(x, step.t))
        return mean + g * h**0.5 * noise.normal(), None
