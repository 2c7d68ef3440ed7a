"""The list of measures: what is in it, what it is compared with, what it sees."""

import pytest
import torch
from torch import Tensor

from laws.cases import normal
from scorefield.metrics import Measure, evaluate

JUDGED = ["confidence", "sure", "frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"]
VECTORS = ["mmd", "energy_distance", "sliced_wasserstein", "c2st"]


class Halves:
    """Reads a point as its features, and tells on which side of 0 its first coordinate lies."""

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def probabilities(self, x: Tensor) -> Tensor:
        p = torch.sigmoid(8 * x.flatten(1)[:, 0])
        return torch.stack([p, 1 - p], dim=1)


def by_name(measures: list[Measure]) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


@pytest.mark.parametrize(("judge", "names"), [(Halves(), JUDGED), (None, VECTORS)])
def test_samples_of_the_law_measure_like_data_and_others_do_not(judge, names) -> None:
    reference, real = normal(300, 2, 2, seed=1), normal(300, 2, 2, seed=2)
    good = by_name(list(evaluate(normal(300, 2, 2, seed=3), reference, real, judge=judge)))
    bad = by_name(list(evaluate(0.3 * normal(300, 2, 2, seed=3) + 2.5, reference, real, judge=judge)))
    assert sorted(good) == sorted(names)
    for name in names:
        ours, floor = good[name].samples, good[name].real
        assert abs(ours.value - floor.value) < 5 * (ours.error**2 + floor.error**2) ** 0.5, name
        assert bad[name].real == floor
        gap = abs(bad[name].samples.value - floor.value)
        assert gap > 5 * (bad[name].samples.error ** 2 + floor.error**2) ** 0.5, name


def test_data_stand_beside_samples_against_the_same_reference() -> None:
    """Real data of another law than the reference show in the second column alone."""
    reference, samples = normal(200, 3, seed=1), normal(200, 3, seed=2)
    found = by_name(list(evaluate(samples, reference, normal(200, 3, seed=3) + 4, judge=Halves())))
    assert found["frechet_distance"].real.value > 10 > 1 > found["frechet_distance"].samples.value
    assert found["recall"].real.value < 0.1 < 0.6 < found["recall"].samples.value
    assert found["confidence"].real.value == pytest.approx(found["confidence"].samples.value, abs=0.05)
