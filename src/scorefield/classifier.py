r"""Classifiers of noisy states, p(label | x_t): what steers a score model towards a class, and what judges its samples.

∇ log p(x_t | label) = ∇ log p(x_t) + ∇ log p(label | x_t)                      (Song et al. 2021, section 5)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scorefield._checks import finite, positive, require
from scorefield._tensors import like, match_rows
from scorefield.errors import ConfigError
from scorefield.models import NoisyModel, State, Time, network_inputs
from scorefield.processes import Process

__all__ = ["Classifier"]


class Classifier(NoisyModel):
    """A network as a classifier of x_t at every noise level; its inputs have unit variance at each.

        logits = F((x/α − m)/√(ρ² + σ_d²), ¼ ln ρ),      ρ = σ/α

    Conditioned on labels (`condition`), it also knows their log probability. As a function (x, t) ↦ logits it is what
    `scorefield.ClassifierGuided` asks for.

    Args:
        net: (x, c_noise) ↦ logits, with ``features`` and ``classes``, such as `scorefield.networks.NoisyClassifier`.
        process: the forward process.
        sigma_data: standard deviation of the data over all examples and coordinates.
        mean_data: their mean.

    Cost: one evaluation.
    """

    def __init__(self, net: nn.Module, process: Process, sigma_data: float, mean_data: float = 0.0) -> None:
        super().__init__()
        require(nn.Module, net, "the network", "NoisyClassifier(...)")
        require(Process, process, "the process", "VP() or EDM()")
        positive(sigma_data=sigma_data)
        finite(mean_data=mean_data)
        self.net = net
        self.process = process
        self.classes = getattr(net, "classes", None)
        self.sigma_data = sigma_data
        self.mean_data = mean_data

    def forward(self, x: State, t: Time) -> Float[Tensor, "b k"]:
        """Return the logits of p(label | x_t = x)."""
        return self.net(*self._inputs(x, t))

    def features(self, x: State, t: Time) -> Float[Tensor, "b f"]:
        """Return the vector of each row from which the network reads the logits."""
        return self.net.features(*self._inputs(x, t))  # pyright: ignore[reportCallIssue]

    def log_prob(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return log p(label | x_t = x) of the label that each row is conditioned on; 0 for 'no label'.

        Raises:
            ConfigError: it is conditioned on none.
        """
        if self.labels is None or self.classes is None:
            raise ConfigError("a probability of labels needs the labels: call classifier.condition(labels) first")
        labels = match_rows(self.labels, x).expand(len(x)).to(x.device)
        return -F.cross_entropy(self(x, t).float(), labels, ignore_index=self.classes, reduction="none")

    def _inputs(self, x: State, t: Time) -> tuple[Tensor, ...]:
        t = self.process.at(t)
        alpha, _ = self.process.alpha_sigma(t)
        ratio = self.process.ratio(t)
        scale = like(torch.sqrt(ratio**2 + self.sigma_data**2), x)
        unlabelled = self.condition(None)  # it is the label that the network should say
        return network_inputs(unlabelled, (x / like(alpha, x) - self.mean_data) / scale, torch.log(ratio) / 4)
