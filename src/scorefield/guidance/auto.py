r"""Guiding a model by a weaker version of itself (Karras et al. 2024, "Guiding a diffusion model with a bad version of itself").

    D_w(x, t) = D(x, t) + w (D(x, t) − D_weak(x, t))

The two err in the same places, the weaker one more: their difference points from where the model puts mass it should not towards where the
data is. Samples become likelier to be clean, and at large w less diverse. Unlike classifier-free guidance it needs no labels.
"""

from jaxtyping import Int
from torch import Tensor

from scorefield._errors import require_finite
from scorefield.models import ScoreModel, State, Time

__all__ = ["AutoGuided"]


class AutoGuided(ScoreModel):
    """D + w (D − D_weak) (Karras et al. 2024, Eq. 3, where their weight is 1 + w).

    It is the score of no noised law unless w = 0: draw from it, but ask the model itself for likelihoods and posteriors.

    Args:
        model: the one to be improved.
        weak: of the same data and process, with fewer weights or less training; `scorefield train` keeps one (``guide.step``).
        weight: w; 0 is the model itself.

    Cost: both models' evaluations.

    Raises:
        ConfigError: a weight that is not finite.
    """

    def __init__(self, model: ScoreModel, weak: ScoreModel, weight: float) -> None:
        super().__init__()
        require_finite("weight", weight)
        self.model = model
        self.weak = weak
        self.process = model.process
        self.evaluations = model.evaluations + weak.evaluations
        self.weight = weight

    def rows(self, index: Int[Tensor, " k"]) -> "AutoGuided":
        """Return the model of the rows ``index``."""
        return AutoGuided(self.model.rows(index), self.weak.rows(index), self.weight)

    def denoise(self, x: State, t: Time) -> State:
        """Return D + w (D − D_weak)."""
        denoised = self.model.denoise(x, t)
        return denoised + self.weight * (denoised - self.weak.denoise(x, t))
