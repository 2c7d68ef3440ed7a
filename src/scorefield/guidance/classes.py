r"""Class conditions: p(x | label) from a classifier, or from a network that is given the labels.

    ∇ log p(x_t | label) = ∇ log p(x_t) + ∇ log p(label | x_t)

Either term on the right can be weighted more: with a classifier by ``scale`` (Dhariwal & Nichol 2021, Algorithm 1), without one by writing
the classifier as a ratio of two scores (Ho & Salimans 2022). Only the plain sum is the score of a noised distribution.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import called, finite
from scorefield._tensors import gradient, like, match_rows
from scorefield.errors import ConfigError
from scorefield.guidance.guided import Guided
from scorefield.models import Labels, NoisyModel, ScoreModel, State, Time, label_rows, require_same_units


class ClassifierFree(Guided):
    """(1 + w) conditional − w unconditional, in any view: noise, score, denoised (Ho & Salimans 2022, Eq. 6).

    The weight is theirs: w = 0 is the conditional model, w = −1 the unconditional one. Others write s = 1 + w.

    Args:
        model: one with `condition`, whose network was trained with some labels dropped.
        labels: a class for all samples, or one per sample.
        weight: w, how many more times the difference to the unconditional model is added.

    Cost: two evaluations.
    """

    calls = 2

    def __init__(self, model: ScoreModel, labels: Labels, weight: float) -> None:
        super().__init__(model)
        finite(weight=weight)
        self.labels = label_rows(labels)
        self.weight = weight
        model.condition(self.labels)  # refuses labels that it does not know

    def denoise(self, x: State, t: Time) -> State:
        """Return (1 + w) D(x, t | label) − w D(x, t)."""
        conditional, free = self.model.condition(self.labels), self.model.condition(None)
        return self.certain((1 + self.weight) * conditional.denoise(x, t) - self.weight * free.denoise(x, t))


class ClassifierGuided(Guided):
    """score + scale · ∇ log p(label | x_t)  (Dhariwal & Nichol 2021, Algorithm 1).

    With the exact classifier and scale 1 it is the score of the class. A larger scale raises the classifier's probabilities to that power
    at every level, which is not the noised distribution of any data: samples become more typical of the class and less diverse.

    Args:
        model: the score model of all classes together.
        classifier: (x, t) ↦ logits of p(label | x_t = x), shape (b, classes).
        labels: a class for all samples, or one per sample.
        scale: of the classifier's gradient.

    A function gets states in the model's own coordinates. A `NoisyModel`, such as `scorefield.Classifier`, must be in the model's units.

    Raises:
        ConfigError: a scale that is not finite, or a classifier of another process or of data in other units than the model's.

    Cost: two evaluations more, for the classifier and its gradient.
    """

    beside = 2

    def __init__(
        self,
        model: ScoreModel,
        classifier: Callable[[State, Time], Float[Tensor, "b classes"]],
        labels: Labels,
        scale: float = 1.0,
    ) -> None:
        super().__init__(model)
        finite(scale=scale)
        called(classifier, "the classifier", "Classifier(...) or lambda x, t: logits")
        if isinstance(classifier, NoisyModel):
            require_same_units(model, "the classifier", classifier)
        self.classifier = classifier
        self.labels = label_rows(labels)
        self.scale = scale
        self._top = int(self.labels.max())  # a number of the host: checking it waits for no device

    def denoise(self, x: State, t: Time) -> State:
        """Return D + (σ²/α) scale ∇ log p(label | x)."""
        alpha, sigma = self.process.alpha_sigma(self.process.at(t))
        uphill = gradient(lambda x: self.log_probability(x, t), x, create_graph=torch.is_grad_enabled())
        return self.certain(self.model.denoise(x, t) + like(self.scale * sigma**2 / alpha, x) * uphill)

    def log_probability(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return log p(label | x_t = x) of each row's label."""
        logits = self.classifier(x, t)
        if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] <= self._top:
            raise ConfigError(
                f"the classifier must return logits of shape ({len(x)}, classes), classes > {self._top}, the largest label asked for; "
                f"received {tuple(logits.shape)}"
            )
        assert self.labels is not None  # noqa: S101 for the type checker: it was built with them
        labels = match_rows(self.labels, x).expand(len(x))
        return torch.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
