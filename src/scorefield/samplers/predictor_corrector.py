"""Predictor-corrector sampling (Song et al. 2021, Algorithm 1)."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Noise
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

__all__ = ["PredictorCorrector"]


@dataclass(frozen=True)
class PredictorCorrector(Sampler):
    """Correct at t, then predict from t to s: any two samplers, in the order of the published code.

    The corrector is a chain that leaves p_t invariant; it repairs the law, where the predictor's error drifted, before the next step.

    Cost: the sum of the two.
    """

    predictor: Sampler
    corrector: Sampler

    @property
    def evaluations(self) -> int:
        """The sum of the two."""
        return self.predictor.evaluations + self.corrector.evaluations

    def start(self, model: ScoreModel, times: Float[Tensor, " n"]) -> tuple[Any, Any]:
        """Return the memories of corrector and predictor."""
        return self.corrector.start(model, times), self.predictor.start(model, times)

    def spent(self, memory: tuple[Any, Any], steps: int) -> float:
        """Return what the two have spent."""
        corrected, predicted = memory
        return self.corrector.spent(corrected, steps) + self.predictor.spent(predicted, steps)

    def step(
        self,
        model: ScoreModel,
        x: State,
        t: Float[Tensor, ""],
        s: Float[Tensor, ""],
        memory: tuple[Any, Any],
        noise: Noise,
    ) -> tuple[State, tuple[Any, Any]]:
        """Return the corrected, then predicted state."""
        corrected, predicted = memory
        x, corrected = self.corrector.step(model, x, t, t, corrected, noise)
        x, predicted = self.predictor.step(model, x, t, s, predicted, noise)
        return x, (corrected, predicted)
