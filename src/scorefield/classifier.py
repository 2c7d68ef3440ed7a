r"""Classifiers of noisy states, p(label | x_t): what steers a score model towards a class, and what judges its samples.

∇ log p(x_t | label) = ∇ log p(x_t) + ∇ log p(label | x_t)                          (Song et al. 2021, section 5)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield._tensors import like
from scorefield.models import State, Time
from scorefield.processes import Process

__all__ = ["Classifier", "LabelLikelihood"]


class Classifier(nn.Module):
    """A network as a classifier of x_t at every noise level; its inputs have unit variance at each.

        logits = F((x/α − m)/√(ρ² + σ_d²), ¼ ln ρ),      ρ = σ/α

    Args:
        net: (x, c_noise) ↦ logits, such as `scorefield.NoisyClassifier`.
        process: the forward process.
        sigma_data: standard deviation of the data over all examples and coordinates.
        mean_data: their mean.
    """

    def __init__(self, net: nn.Module, process: Process, sigma_data: float, mean_data: float = 0.0) -> None:
        super().__init__()
        if not sigma_data > 0:
            raise ValueError(f"sigma_data must be positive: the standard deviation of the data; received {sigma_data}")
        self.net = net
        self.process = process
        self.sigma_data = sigma_data
        self.mean_data = mean_data

    def forward(self, x: State, t: Time) -> Float[Tensor, "b k"]:
        """Return the logits of p(label | x_t = x)."""
        alpha, _ = self.process.alpha_sigma(t)
        ratio = self.process.ratio(t)
        scale = torch.sqrt(ratio**2 + self.sigma_data**2)
        return self.net((x / like(alpha, x) - self.mean_data) / like(scale, x), torch.log(ratio) / 4)

    def condition(self, labels: Int[Tensor, " b"]) -> "LabelLikelihood":
        """Return log p(labels | x_t) as a function of x_t."""
        return LabelLikelihood(self, labels)


class LabelLikelihood(nn.Module):
    """(x, t) ↦ log p(label of each row | x_t = x)."""

    def __init__(self, classifier: Classifier, labels: Int[Tensor, " b"]) -> None:
        super().__init__()
        self.classifier = classifier
        self.labels = labels

    @property
    def process(self) -> Process:
        """The forward process."""
        return self.classifier.process

    def forward(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return the log probability of each row's label."""
        return -F.cross_entropy(self.classifier(x, t).float(), self.labels.to(x.device), reduction="none")
