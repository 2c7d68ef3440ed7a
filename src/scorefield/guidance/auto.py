r"""Guiding a model by a weaker version of itself (Karras et al. 2024, "Guiding a diffusion model with a bad version of itself").

    D_w(x, t) = D(x, t) + w (D(x, t) − D_weak(x, t))

The two err in the same places, the weaker one more: their difference points from where the model puts mass that it should not towards the
data. Samples become cleaner, and at large w less diverse. Unlike classifier-free guidance it needs no labels.

At the noise levels where an image takes its form guidance improves samples; at higher ones it costs diversity, and at lower ones it has
little effect (Kynkäänniemi et al. 2024, "Applying guidance in a limited interval improves sample and distribution quality"). So it can be
given an interval.
"""

import math

from scorefield._checks import ascending, finite, require
from scorefield.grids import Step
from scorefield.guidance.guided import Guided
from scorefield.models import ScoreModel, State, Time, require_same_units


class AutoGuided(Guided):
    """D + w (D − D_weak) (Karras et al. 2024, Eq. 3, where their weight is 1 + w).

    Unless w = 0 it is not the score of a noised distribution: draw from it, but use the model itself for likelihoods and posteriors.

    Args:
        model: the one to be improved.
        weak: of the same data and process, with fewer weights or less training; `scorefield train` keeps one (``guide.step``).
        weight: w; 0 is the model itself.
        interval: of noise-to-signal ratios ρ. `scorefield.sample` guides the transitions that begin in it, and takes the others with the
            model alone, also inside other guidance, such as an `Inpaint` of this model.

    Cost: both models' evaluations; in `scorefield.sample` only within the interval.

    Raises:
        ConfigError: a weight that is not finite, an interval whose ends do not ascend, or a weaker model of another process or of data in
            other units.
    """

    def __init__(
        self, model: ScoreModel, weak: ScoreModel, weight: float, interval: tuple[float, float] = (0.0, math.inf)
    ) -> None:
        super().__init__(model)
        finite(weight=weight)
        require(ScoreModel, weak, "the weaker model", "an earlier state of the model")
        require_same_units(model, "the weaker model", weak)
        self.weak = weak
        self.weight = weight
        self.interval = ascending(interval, "interval", "noise-to-signal ratios", 0, math.inf)

    @property
    def beside(self) -> int:
        """Evaluations of the weaker model."""
        return self.weak.evaluations

    def during(self, step: Step) -> ScoreModel:
        """Return this model where the step begins in the interval, the one it guides elsewhere."""
        low, high = self.interval
        return super().during(step) if low <= step.rho_t <= high else self.model.during(step)

    def denoise(self, x: State, t: Time) -> State:
        """Return D + w (D − D_weak)."""
        denoised = self.model.denoise(x, t)
        return self.certain(denoised + self.weight * (denoised - self.weak.denoise(x, t)))
