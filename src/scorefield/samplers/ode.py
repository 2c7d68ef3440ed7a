r"""The probability-flow ODE, in the variables in which it is simplest.

With ρ = σ/α and y = x/α, the ODE dx/dt = f x − ½ g² ∇ log p_t(x) (Song et al. 2021, Eq. 13) reads

    dy/dρ = (y − D)/ρ = ẑ(x, t)

for every process, whatever its clock: Karras et al. (2022), Eq. 1, for VE; DDIM's ODE (Song, Meng & Ermon 2021, Eq. 14) for VP.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Noise
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

__all__ = ["Euler", "Heun"]


@dataclass(frozen=True)
class Euler(Sampler):
    """Euler's method: y ← y + (ρ_s − ρ_t) ẑ(x, t). The same map as deterministic DDIM.

    Order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None, noise: Noise
    ) -> tuple[State, None]:
        """Return x at s."""
        (alpha_t, rho_t), (alpha_s, rho_s) = _scales(model, t), _scales(model, s)
        return alpha_s * (x / alpha_t + (rho_s - rho_t) * model.noise(x, t)), None


@dataclass(frozen=True)
class Heun(Sampler):
    """Heun's method (Karras et al. 2022, Algorithm 1): an Euler step, then the trapezoid through both slopes.

    Order 2. Cost: two evaluations per step.
    """

    order: ClassVar[int | None] = 2

    @property
    def evaluations(self) -> int:
        """Two slopes."""
        return 2

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None, noise: Noise
    ) -> tuple[State, None]:
        """Return x at s."""
        (alpha_t, rho_t), (alpha_s, rho_s) = _scales(model, t), _scales(model, s)
        y, slope = x / alpha_t, model.noise(x, t)
        guess = alpha_s * (y + (rho_s - rho_t) * slope)
        slope = 0.5 * (slope + model.noise(guess, s))
        return alpha_s * (y + (rho_s - rho_t) * slope), None


def _scales(model: ScoreModel, t: Float[Tensor, ""]) -> tuple[float, float]:
    """Return (α_t, ρ_t) as numbers."""
    alpha, sigma = model.process.alpha_sigma(t)
    return alpha.item(), (sigma / alpha).item()
