"""Predictor-corrector sampling (Song et al. 2021, Algorithm 1)."""

from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from scorefield._checks import require
from scorefield._noise import Noise
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

Corrected = TypeVar("Corrected", default=Any)
Predicted = TypeVar("Predicted", default=Any)


@dataclass(frozen=True)
class PredictorCorrector(Sampler[tuple[Corrected, Predicted]], Generic[Predicted, Corrected]):
    """Correct at t, then predict from t to s: any two samplers, in the order of the published code.

    The corrector is a chain that leaves p_t invariant; it repairs the distribution after the predictor's error, before the next
    step.

    Args:
        predictor: the sampler that goes from t to s.
        corrector: the chain at t.

    Memory is what corrector and predictor remember. Cost: the sum of the two.
    """

    predictor: Sampler[Predicted]
    corrector: Sampler[Corrected]

    def __post_init__(self) -> None:
        require(Sampler, self.predictor, "the predictor", "ReverseDiffusion()")
        require(Sampler, self.corrector, "the corrector", "LangevinCorrector()")

    @property
    def evaluations(self) -> float:
        """The sum of the two."""
        return self.predictor.evaluations + self.corrector.evaluations

    def counted(self, memory: tuple[Corrected, Predicted], steps: int) -> float:
        """Return what the two have spent."""
        corrected, predicted = memory
        return self.corrector.spent(corrected, steps) + self.predictor.spent(predicted, steps)

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: tuple[Corrected, Predicted] | None, noise: Noise
    ) -> tuple[State, tuple[Corrected, Predicted]]:
        """Return the corrected, then predicted state."""
        corrected, predicted = memory or (None, None)
        x, corrected = self.corrector.step(model, x, step.stay, corrected, noise)
        x, predicted = self.predictor.step(model, x, step, predicted, noise)
        return x, (corrected, predicted)
