"""The judge of clean digits: what it reads, and that it reads well enough to judge."""

from pathlib import Path

import pytest
import torch

from scorefield import EDM, Classifier, NoisyClassifier
from scorefield.data import mnist
from scorefield.errors import ConfigError
from scorefield.metrics import Judge
from scorefield.pretrained import load_judge
from scorefield.units import Units


@pytest.mark.parametrize(
    ("n", "least"),
    [pytest.param(1000, 0.98, id="some"), pytest.param(10_000, 0.994, id="all", marks=pytest.mark.slow)],
)
def test_the_shipped_judge_reads_test_digits(n: int, least: float, mnist_dir: Path) -> None:
    """It reads 99.5 % of all: of 1000, as good a one reads fewer than 98 % with probability 1e-7."""
    test = mnist(train=False, data_dir=mnist_dir).subset(slice(n))
    probabilities = load_judge().probabilities(test.scaled())
    assert (probabilities.argmax(1) == test.labels).double().mean().item() >= least


def test_a_judge_sees_what_a_picture_would_show() -> None:
    """Values beyond [0, 1] are clipped; chunks and rows do not matter; probabilities are."""
    torch.manual_seed(0)
    judge = Judge(Classifier(NoisyClassifier(1, 8, 3, width=16), EDM(), 0.3))
    torch.nn.init.normal_(judge.classifier.net.head[1].weight)  # pyright: ignore
    x = torch.randn(5, 1, 8, 8)
    torch.testing.assert_close(judge.features(x), judge.features(x.clamp(0, 1)))
    torch.testing.assert_close(judge.probabilities(x)[3:], judge.probabilities(x[3:]))
    torch.testing.assert_close(judge.probabilities(x).sum(dim=1), torch.ones(5))
    assert judge.classifier.training  # as it was given
    with pytest.raises(AssertionError):
        torch.testing.assert_close(judge.features(x), judge.features(x / 2))


@pytest.mark.parametrize(("mean", "std"), [(128.0, 70.0), (-0.7, 0.6), (0.5, 0.6)])
def test_a_judge_of_other_data_says_what_is_black_and_white(mean: float, std: float) -> None:
    """All of 0 to 255 but its edge would be clipped to 1."""
    torch.manual_seed(0)
    classifier = Classifier(NoisyClassifier(1, 8, 3, width=16), EDM(), std, mean)
    with pytest.raises(ConfigError, match="which values are black and white"):
        Judge(classifier)
    torch.nn.init.normal_(classifier.net.head[1].weight)  # pyright: ignore
    x = mean + std * torch.randn(5, 1, 8, 8)
    whole = Judge(
        classifier.in_units(Units(torch.tensor(0.0), torch.tensor(1.0), ends=(mean - 9 * std, mean + 9 * std)))
    )
    torch.testing.assert_close(whole.features(x), classifier.features(x, EDM().t_min))
