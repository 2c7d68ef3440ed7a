r"""How accurate a classifier of noisy states is, and how well its confidence agrees with that, noise level by noise level.

A classifier is calibrated when, of the examples it is c sure of, it is right about a share c. With more noise no classifier can be right: a
calibrated classifier's confidence falls with its accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scorefield._checks import positive, reals, whole
from scorefield._noise import Noise
from scorefield._tensors import evaluating, home
from scorefield.classifier import Classifier
from scorefield.errors import ConfigError
from scorefield.metrics.estimate import Estimate, mean
from scorefield.models import label_rows

_CHUNK = 1000
_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """A classifier at one noise level.

    Attributes:
        ratio: σ/α.
        n: examples.
        accuracy: share of examples whose most probable label is theirs.
        confidence: mean probability of the most probable label; equal to the accuracy if calibrated.
        calibration_error: mean absolute difference of accuracy and confidence over bins of confidence, weighted by their examples
            (Naeini et al. 2015; 15 bins). It is positive for a calibrated classifier too, of the order √(15/n).
        nll: mean −log p(label | x_t), nats.
    """

    ratio: float
    n: int
    accuracy: Estimate
    confidence: Estimate
    calibration_error: float
    nll: Estimate


def calibration(
    classifier: Classifier,
    x0: Float[Tensor, "n *d"],
    labels: Int[Tensor, " n"],
    ratios: Sequence[float] = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0),
    *,
    seed: int = 0,
) -> list[Calibration]:
    """Return how good the classifier is at each noise level on examples it was not trained on.

    Args:
        classifier: of the process the noise comes from.
        x0: data.
        labels: the true ones.
        ratios: noise levels σ/α.
        seed: of the noise.

    Cost: one evaluation per example and level.
    """
    x0, labels = reals(x0, "x0"), label_rows(labels)
    if len(labels) != len(x0):
        raise ConfigError(f"labels must be one for each of {len(x0)} examples; received {len(labels)}")
    for ratio in ratios:
        positive(ratio=ratio)
    return [_at(classifier, x0, labels, ratio, seed) for ratio in ratios]


@torch.no_grad()
def _at(classifier: Classifier, x0: Tensor, labels: Tensor, ratio: float, seed: int) -> Calibration:
    process = classifier.process
    t = process.time(torch.tensor(ratio, dtype=torch.float64))
    noise = Noise(range(len(x0)), tuple(x0.shape[1:]), stream=f"calibration {whole(seed, 'seed')} {ratio}")
    x_t = process.perturb(classifier.standardise(x0), t, noise.normal().to(x0))
    device = home(classifier)
    with evaluating(classifier):
        logits = torch.cat([classifier(part.to(device), t).double().cpu() for part in x_t.split(_CHUNK)])
    confidence, guess = logits.softmax(dim=1).max(dim=1)
    return Calibration(
        ratio=ratio,
        n=len(x0),
        accuracy=mean(guess == labels),
        confidence=mean(confidence),
        calibration_error=_calibration_error(confidence, guess == labels),
        nll=mean(F.cross_entropy(logits, labels, reduction="none")),
    )


def _calibration_error(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"]) -> float:
    """Return Σ over bins of |Σ right − confidence|/n: each bin's gap between accuracy and confidence, weighted by its examples."""
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    gaps = confidence.new_zeros(_BINS).index_add(0, bins, right.to(confidence) - confidence)
    return gaps.abs().sum().item() / len(confidence)
