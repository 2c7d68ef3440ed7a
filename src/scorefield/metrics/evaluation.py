"""The quality of samples in a list of numbers, each with its error, and beside each what real data get.

A distance between two samples is not 0 when their distributions agree, and a share is not 1: how far from it depends on n, on features and
on the data. The number that real data get at the same n says how far, and is the one to aim for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor

from scorefield.metrics.estimate import Estimate, mean
from scorefield.metrics.features import frechet_distance, kernel_distance
from scorefield.metrics.neighbourhoods import density_coverage, precision_recall
from scorefield.metrics.resampling import half_sampling
from scorefield.metrics.two_sample import c2st, energy_distance, mmd, sliced_wasserstein

SURE = 0.9
"""Confidence from which a judge counts as sure."""

_Metric = Callable[[Tensor, Tensor, int], Mapping[str, Estimate]]

_OF_FEATURES: tuple[_Metric, ...] = (
    lambda x, y, seed: {"frechet_distance": frechet_distance(x, y, seed=seed)},
    lambda x, y, seed: {"kernel_distance": kernel_distance(x, y)},
    lambda x, y, seed: precision_recall(x, y, seed=seed)._asdict(),
    lambda x, y, seed: density_coverage(x, y, seed=seed)._asdict(),
)
_OF_VECTORS: tuple[_Metric, ...] = (
    lambda x, y, seed: {"mmd": mmd(x, y)},
    lambda x, y, seed: {"energy_distance": energy_distance(x, y)},
    lambda x, y, seed: {"sliced_wasserstein": half_sampling(_sliced, x, y, seed=seed)[0]},
    lambda x, y, seed: {"c2st": c2st(x, y, seed=seed)[0]},
)


class ImageJudge(Protocol):
    """What `evaluate` asks of a judge; `scorefield.metrics.Judge` is one."""

    def features(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b f"]:
        """Return what it sees in each sample."""
        ...

    def probabilities(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b k"]:
        """Return the probability of each class."""
        ...


class Measure(NamedTuple):
    """One number about samples.

    Attributes:
        name: that of the function that computes it, or of what the function returns.
        samples: the measure of the samples.
        real: the same measure of real data.
    """

    name: str
    samples: Estimate
    real: Estimate


def evaluate(
    samples: Float[Tensor, "n *d"],
    reference: Float[Tensor, "m *d"],
    real: Float[Tensor, "k *d"],
    *,
    judge: ImageJudge | None = None,
    seed: int = 0,
) -> Iterator[Measure]:
    """Yield measures of samples one by one, since some take minutes.

    With a judge: ``frechet_distance``, ``kernel_distance``, ``precision``, ``recall``, ``density`` and ``coverage`` of its features, of
    samples and of ``real``, each against ``reference``; the judge's mean ``confidence`` and the share ``sure`` above 0.9, of samples and of
    the reference. Without: ``mmd``, ``energy_distance``, ``sliced_wasserstein`` and the accuracy ``c2st`` of the raw vectors.

    Args:
        samples: to be evaluated.
        reference: data the model was not trained on, such as test images.
        real: more data of the same distribution, such as training images; as many as samples, so that their numbers can be compared.
        judge: reads features and classes.
        seed: of the halves behind the errors.

    Cost: quadratic in the sizes, in bounded memory; a minute or two for 10 000 images each. Needs the ``metrics`` extra.
    """
    if judge is None:
        yield from _compare(_OF_VECTORS, samples, reference, real, seed)
        return
    yield from _confidence(judge.probabilities(samples), judge.probabilities(reference))
    seen = [judge.features(x) for x in (samples, reference, real)]
    yield from _compare(_OF_FEATURES, seen[0], seen[1], seen[2], seed)


def _compare(metrics: tuple[_Metric, ...], x: Tensor, reference: Tensor, real: Tensor, seed: int) -> Iterator[Measure]:
    """Yield each metric of x and of real data, both against the reference."""
    for metric in metrics:
        ours, floor = metric(x, reference, seed), metric(real, reference, seed)
        for name, value in ours.items():
            yield Measure(name, value, floor[name])


def _confidence(ours: Float[Tensor, "n k"], theirs: Float[Tensor, "m k"]) -> Iterator[Measure]:
    """Yield how confident the judge is on average, and how often it is sure."""
    a, b = ours.max(dim=1).values, theirs.max(dim=1).values
    yield Measure("confidence", mean(a), mean(b))
    yield Measure("sure", mean(a > SURE), mean(b > SURE))


def _sliced(x: Tensor, y: Tensor) -> tuple[float]:
    """Return sliced W₂."""
    return (sliced_wasserstein(x, y),)
