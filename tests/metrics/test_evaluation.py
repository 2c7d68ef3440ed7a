"""The list of measures: what is in it, what it is compared with, what it sees."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laws.cases import normal
from scorefield import VE, Exact, Gaussian, log_likelihood
from scorefield._noise import derive_seed
from scorefield.config.run import DataConfig
from scorefield.data import Dataset, digits
from scorefield.evaluation import evaluate_samples, labelled_examples, likelihood, measures
from scorefield.evaluation.data import RealData, real_data
from scorefield.evaluation.likelihood import nats
from scorefield.evaluation.tuning import halves
from scorefield.metrics import Estimate, Measure, classifier_test, evaluate
from scorefield.models import Scored

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


@pytest.mark.slow
def test_values_are_in_range_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes: what rounds to one. Images of other numbers: between the model's ends, or the data's where it knows none. Vectors: nowhere."""
    monkeypatch.setattr(classifier_test, "_PASSES", 1)  # what networks can tell apart is not asked

    def in_range(data: Tensor, x: Tensor, ends: tuple[float, float] | None = None) -> float | None:
        given = Dataset(data, None, "x")
        found = evaluate_samples(x, RealData(given, given, given, held_out=False), ends=ends)
        return found["soundness"]["samples"]["in_range"]

    noise = torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = noise.clamp(-1, 1)
    seen = torch.cat([images[:20], 2 * torch.ones(20, 1, 4, 4)])
    assert in_range((127.5 * (images + 1)).byte(), images * 0 - torch.linspace(0, 0.0019, 40)[:, None, None, None]) == 1
    assert in_range((127.5 * (images + 1)).byte(), seen.abs() + 1.01) == 0
    assert in_range(images, seen) == 0.5
    assert in_range(images, seen, (-1, 3)) == 1
    assert in_range(images.flatten(1), seen.flatten(1)) is None


def test_halves_of_a_data_set_have_nothing_in_common(tmp_path: Path) -> None:
    """Nor have test and training examples: what stands for good samples is not what they are compared with."""
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32)[:, None])
    found = real_data(DataConfig(kind="path", path=str(tmp_path / "x.npy")), (1,), 20)
    assert sorted(torch.cat([found.reference.x, found.real.x]).flatten().tolist()) == list(range(40))
    test = {image.tobytes() for image in digits(train=False).x.numpy()}
    given = labelled_examples(DataConfig(kind="digits"), (1, 8, 8), 100)
    assert all(image.tobytes() in test for image in given.x.numpy())


def test_the_error_of_traces_is_that_of_the_mean() -> None:
    """√(Σ e²)/n of the errors e of n examples, which are independent."""
    size = 70  # too many coordinates for an exact trace
    root = torch.eye(size) + 0.3 * torch.randn(size, size, generator=torch.Generator().manual_seed(0)) / size**0.5
    data = Dataset(torch.randn(4, size, generator=torch.Generator().manual_seed(1)) @ root.T, None, "x")
    model = Scaled(Exact(Gaussian(torch.zeros(size), root @ root.T), VE(0.1, 5.0)))
    found = nats(model, RealData(data, data, data, held_out=True), 4, seed=0)
    errors = log_likelihood(model, data.x, seed=derive_seed(0, "likelihood", 0)).standard_error
    assert found["nats"]["error_of_trace"] == pytest.approx(errors.square().sum().sqrt().item() / 4, rel=1e-5)


class Scaled(Scored):
    """A model with a parameter, which tells where it lives."""

    def __init__(self, model: Exact) -> None:
        super().__init__()
        self.model, self.process = model, model.process
        self.one = torch.nn.Parameter(torch.ones(()))

    def score(self, x: Tensor, t: Any) -> Tensor:
        return self.one * self.model.score(x, t)


def test_every_part_of_the_images_counts_once_in_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    def ink(_: Any, x: Tensor, *__: Any, **___: Any) -> Tensor:
        return x.double().flatten(1).mean(1)

    monkeypatch.setattr(likelihood, "_AT_ONCE", 4)
    monkeypatch.setattr(likelihood, "bits_per_dim", lambda *a, **k: (ink(*a, **k), torch.zeros(len(a[1]))))
    monkeypatch.setattr(likelihood, "variational_bound", ink)
    data = digits(train=False).subset(torch.arange(10))
    model = Scaled(Exact(Gaussian(torch.zeros(1), torch.eye(1)), VE(0.1, 5.0)))
    decoder = SimpleNamespace(ratio=0.03)
    found = likelihood.bits(model, RealData(data, data, data, held_out=True), 10, 0, decoder=decoder)
    for name in ("uniform", "gaussian", "variational"):
        assert found[name]["value"] == pytest.approx(data.x.double().mean().item())


def test_samples_are_compared_on_the_scale_of_their_data() -> None:
    """Bytes as a picture would show them, columns of a table in standard deviations, but for one that says nothing."""
    images = digits(train=False).subset(torch.arange(3))
    shown = RealData(images, images, images, held_out=True).on_scale(torch.tensor([0.5003, 1.2]))
    assert shown.tolist() == pytest.approx([128 / 255, 1.0])
    x = torch.tensor([[1.0, 1e4, 7.0], [3.0, 5e4, 7.0], [5.0, 9e4, 7.0]])
    table = Dataset(x, None, "x")
    found = RealData(table, table, table, held_out=True).compared(x)
    assert found.std(dim=0).tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert found[:, 2].tolist() == [7.0] * 3


def test_who_is_recognised_comes_before_who_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.linspace(0, 1, 30)[torch.randperm(30, generator=torch.Generator().manual_seed(0))]
    monkeypatch.setattr(measures, "image_views", lambda x, _: {"as they are": x})
    monkeypatch.setattr(
        measures, "classifier_two_sample", lambda *_, **__: SimpleNamespace(drawn=drawn, accuracy=Estimate(0.5, 0.1))
    )
    (found,) = measures._classified(*(torch.zeros(30, 1, 2, 2) for _ in range(3)), (0.0, 1.0), 0).values()
    assert found["recognised"][0] == drawn.argmax()
    assert found["passed"][0] == drawn.argmin()


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.slow
def test_every_column_of_a_table_counts_whatever_its_unit(wrong: int) -> None:
    """Metres beside grams: a column that is drawn wrongly is seen, also where another is ten thousand times as large."""
    unit, off = torch.tensor([0.1, 1e4]), 4.0 * torch.nn.functional.one_hot(torch.tensor(wrong), 2)
    good, rows, more = ((normal(200, 2, seed=k).float() + 5) * unit for k in range(3))
    reference, real = (Dataset(x, None, "x") for x in (rows, more))
    data = RealData(real, reference, real, held_out=False)
    near, far = (evaluate_samples(x, data)["measures"] for x in (good, good + off * unit))
    for name in VECTORS:
        assert far[name]["samples"]["low"] > near[name]["samples"]["high"], name
    assert halves(good + off * unit, data, None)[0].value > 1 > halves(good, data, None)[0].value
    constant = Dataset(rows * torch.tensor([1.0, 0.0]), None, "x")  # a column that says nothing
    assert evaluate_samples(constant.x, RealData(constant, constant, constant, held_out=False))["measures"]["c2st"]
