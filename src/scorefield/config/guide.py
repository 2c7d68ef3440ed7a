"""How a model is guided by a weaker version of itself: the section ``guide`` of its configuration."""

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from scorefield.config.base import Section
from scorefield.guidance import AutoGuided
from scorefield.models import ScoreModel


class GuideConfig(Section):
    """Autoguidance (`scorefield.AutoGuided`): when samples are drawn, the difference to a weaker version of the model is added.

    Attributes:
        step: the optimiser step whose averaged weights are kept as the weaker version (Karras et al. 2024); none is kept when absent.
        weight: how many times the difference is added; 0 draws without it.
        interval: the noise-to-signal ratios σ/α between which it is added; at all of them when absent.
    """

    step: PositiveInt | None = None
    weight: NonNegativeFloat = 1.0
    interval: tuple[NonNegativeFloat, PositiveFloat] | None = None

    @field_validator("interval")
    @classmethod
    def _ascends(cls, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        # Refused when it is read: the first to build it is the first picture, hours into a run.
        if interval is not None and not interval[0] < interval[1]:
            raise ValueError("the interval's ends must ascend, such as [0.2, 4.0]")
        return interval

    def build(self, model: ScoreModel, weak: ScoreModel) -> ScoreModel:
        """Return the guided model."""
        return AutoGuided(model, weak, self.weight, *([] if self.interval is None else [self.interval]))
