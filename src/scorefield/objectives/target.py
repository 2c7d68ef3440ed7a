r"""Target score matching: where ∇ log p of the data is known, it is regressed on, and no noise is divided by.

    ∇ log p_t(x_t) = E[∇ log p(x_0) | x_t]/α        (De Bortoli, Hutchinson, Wirnsberger & Doucet 2024)

The target's variance vanishes with the noise, where that of denoising score matching is largest.
"""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Source, like, standard_normal, sum_event, uniform_like
from scorefield.densities import Density
from scorefield.models import ScoreModel, State
from scorefield.objectives.levels import TimeLaw, UniformTime
from scorefield.objectives.weights import Weight, sigma_weight

__all__ = ["TSM"]


@dataclass(frozen=True)
class TSM:
    """Target score matching: ½ w(t) ‖(σ²/α) (s(x_t, t) − ∇ log p(x_0)/α)‖², which weighs scores as `DSM` does.

    Args:
        density: p, the distribution of x_0, in closed form.
        times: the law of t, by default uniform.
        weight: w(t), by default λ = σ² on the score.

    Cost: one evaluation, and one of the data's score.
    """

    density: Density
    times: TimeLaw = field(default_factory=UniformTime)
    weight: Weight = sigma_weight

    def __call__(self, model: ScoreModel, x0: State, noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        t = self.times(model.process, uniform_like(x0, noise))
        alpha, sigma = model.process.alpha_sigma(t)
        x_t = model.process.perturb(x0, t, standard_normal(x0, noise))
        gap = model.score(x_t, t) - self.density.score(x0) / like(alpha, x0)
        return 0.5 * self.weight(model.process, t).to(gap) * sum_event((like(sigma**2 / alpha, gap) * gap) ** 2)
