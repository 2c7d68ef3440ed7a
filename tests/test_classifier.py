"""The classifier of noisy states: what it learns is the posterior of the label, and what it says of it is consistent."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorefield import EDM, VP, Classifier, ConfigError, CrossEntropy, NoisyClassifier, Process
from scorefield.metrics import calibration
from scorefield.metrics.calibration import _calibration_error
from scorefield.objectives import OneLevel

pytestmark = pytest.mark.usefixtures("seeded")  # initial weights are drawn from the global generator

MEAN, STD, RATIO = 1.0, 0.5, 0.8


class Linear(nn.Module):
    """Two logits, linear in a number."""

    classes = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2, dtype=torch.float64)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return self.layer(x)


def two_gaussians(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(2, (n,), generator=generator)
    x = MEAN * (2 * labels[:, None] - 1) + STD * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return x, labels


def slope_learned(process: Process, objective: CrossEntropy, n: int = 100_000) -> float:
    """Return the slope of the log odds in x_t that minimises the objective."""
    generator = torch.Generator().manual_seed(0)
    x0, labels = two_gaussians(n, generator)
    model = Classifier(Linear(), process, sigma_data=1.0)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, tolerance_grad=1e-8)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(model.condition(labels), x0, torch.Generator().manual_seed(1)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    t = process.time(torch.tensor(RATIO, dtype=torch.float64))
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    logits = model(x, t)
    odds = logits[:, 1] - logits[:, 0]
    return (odds[1] - odds[0]).item()


@pytest.mark.parametrize("process", [EDM(), VP()], ids=["edm", "vp"])
def test_cross_entropy_learns_the_posterior_of_the_label(process: Process) -> None:
    # log odds of x_t are 2 α m x_t / (α² s² + σ²). Logistic regression's slope on n = 10⁵ is within 2.5 % at level 1e-3 (measured
    # standard error 0.7 %).
    alpha, sigma = (v.item() for v in process.alpha_sigma(process.time(torch.tensor(RATIO, dtype=torch.float64))))
    exact = 2 * alpha * MEAN / (alpha**2 * STD**2 + sigma**2)
    assert slope_learned(process, CrossEntropy(OneLevel(RATIO))) == pytest.approx(exact, rel=0.025)


def test_the_mutant_that_forgets_the_noise_is_rejected() -> None:
    process = EDM()
    exact = 2 * MEAN / (STD**2 + RATIO**2)
    assert slope_learned(process, CrossEntropy(OneLevel(0.5 * RATIO))) != pytest.approx(exact, rel=0.025)


def test_log_prob_is_that_of_the_labels_told_and_no_label_is_certain() -> None:
    model = Classifier(NoisyClassifier(1, 8, 3, width=16), EDM(), 0.3).eval()
    nn.init.normal_(model.net.head[1].weight)  # pyright: ignore
    x, t = torch.randn(4, 1, 8, 8), torch.tensor(0.5, dtype=torch.float64)
    logits = model(x, t)
    told = model.condition(torch.tensor([0, 2, 1, 3])).log_prob(x, t)
    expected = F.log_softmax(logits, dim=1)[torch.arange(3), torch.tensor([0, 2, 1])]
    torch.testing.assert_close(told[:3], expected)
    assert told[3] == 0
    rows = model.condition(torch.tensor([0, 2, 1, 3])).rows(torch.tensor([1]))
    torch.testing.assert_close(rows.log_prob(x[1:2], t), told[1:2])


def test_times_of_rows_and_one_time_agree() -> None:
    model = Classifier(NoisyClassifier(1, 8, 3, width=16), VP(), 0.3).eval()
    x, t = torch.randn(4, 1, 8, 8), torch.tensor(0.5, dtype=torch.float64)
    torch.testing.assert_close(model(x, t), model(x, t.expand(4)))
    assert model.features(x, t).shape == (4, 16)


def test_a_classifier_refuses_what_it_cannot_know() -> None:
    model = Classifier(NoisyClassifier(1, 8, 3, width=16), EDM(), 0.3)
    x, t = torch.randn(2, 1, 8, 8), torch.tensor(0.5, dtype=torch.float64)
    with pytest.raises(ConfigError, match="needs the labels"):
        model.log_prob(x, t)
    with pytest.raises(ConfigError, match="between 0 and 2"):
        model.condition(torch.tensor([0, 4]))
    with pytest.raises(ConfigError, match=r"shape \(1, 9, 9\)"):
        model(torch.randn(2, 1, 9, 9), t)
    with pytest.raises(ConfigError, match="classes must be a whole number of at least 2"):
        NoisyClassifier(1, 8, 1)
    with pytest.raises(ValueError, match="sigma_data must be a finite positive"):
        Classifier(NoisyClassifier(1, 8, 3), EDM(), 0.0)


class Oracle(nn.Module):
    """The exact log odds of the two Gaussians under EDM noise, sharpened by a factor."""

    classes = 2

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(sharpness, dtype=torch.float64))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        ratio = torch.exp(4 * noise)[:, None]
        unscaled = x * torch.sqrt(ratio**2 + 1)
        odds = self.sharpness * 2 * MEAN * unscaled / (STD**2 + ratio**2)
        return torch.cat([torch.zeros_like(odds), odds], dim=1)


def test_calibration_of_the_exact_posterior_and_of_one_that_is_too_sure() -> None:
    # Level 1e-4: |accuracy − confidence| is a mean of 20 000 independent terms, compared at four standard errors.
    x0, labels = two_gaussians(20_000, torch.Generator().manual_seed(2))
    exact = calibration(Classifier(Oracle(1.0), EDM(), 1.0), x0, labels, (0.1, 1.0, 5.0))
    too_sure = calibration(Classifier(Oracle(2.0), EDM(), 1.0), x0, labels, (0.1, 1.0, 5.0))
    for row in exact:
        assert abs(row.accuracy.value - row.confidence.value) < 4 * row.accuracy.error
        assert row.calibration_error < (15 / row.n) ** 0.5
    assert exact[0].accuracy.value > exact[1].accuracy.value > exact[2].accuracy.value
    assert too_sure[1].confidence.value - too_sure[1].accuracy.value > 4 * too_sure[1].accuracy.error
    assert too_sure[1].calibration_error > (15 / too_sure[1].n) ** 0.5
    assert too_sure[1].nll.value > exact[1].nll.value


def test_the_calibration_error_is_torchmetrics() -> None:
    from torchmetrics.functional.classification import multiclass_calibration_error

    shares = (2 * torch.randn(3000, 10, generator=torch.Generator().manual_seed(0))).softmax(1)
    labels = torch.randint(0, 10, (3000,), generator=torch.Generator().manual_seed(1))
    confidence, guess = shares.max(1)
    expected = multiclass_calibration_error(shares, labels, num_classes=10, n_bins=15).item()
    assert _calibration_error(confidence, guess == labels) == pytest.approx(expected, rel=1e-5)


class Listening(nn.Module):
    """Keeps what it is given."""

    classes = 2

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        self.heard = x, noise
        return x


def test_the_network_hears_unit_variance_at_every_level() -> None:
    # Data of mean 3 and standard deviation 0.5; the sample variance of 40 000 normals is within 4 % of 1 at level 1e-8.
    process, net = VP(), Listening()
    model = Classifier(net, process, 0.5, 3.0)
    generator = torch.Generator().manual_seed(0)
    for t in torch.tensor([0.01, 0.3, 0.9], dtype=torch.float64):
        alpha, sigma = process.alpha_sigma(t)
        x0, z = torch.randn(2, 20_000, 2, generator=generator, dtype=torch.float64)
        model(alpha * (3 + 0.5 * x0) + sigma * z, t)
        x, noise = net.heard
        assert x.var().item() == pytest.approx(1, rel=0.04)
        assert abs(x.mean().item()) < 0.03
        assert noise.unique().item() == pytest.approx(torch.log(sigma / alpha).item() / 4)
