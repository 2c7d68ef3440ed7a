"""The law of a classifier's objective: its least value is at the true posterior of the label, and there it is that posterior's entropy."""

import torch
from torch import Tensor, nn

from scorefield import VE, Classifier, CrossEntropy
from scorefield.objectives import OneLevel

from .cases import seeded
from .guided import CLASSES, MEANS, SHARES, VARIANCES
from .statistics import LEVEL, accept, mean_p

PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
RATIO = 0.8


class Posterior(nn.Module):
    """The logits of p(label | x_t) to the power ``sure``: the network of a `Classifier` of data of deviation 1."""

    classes = 3

    def __init__(self, sure: float) -> None:
        super().__init__()
        self.sure = sure

    def forward(self, y: Tensor, condition: Tensor) -> Tensor:
        x = y * torch.sqrt(torch.exp(8 * condition) + 1)[:, None].to(y)
        return self.sure * CLASSES.diffuse(1.0, torch.exp(4 * condition).double()).responsibilities(x).log()


def losses(sure: float, n: int = 20_000) -> tuple[Tensor, Tensor]:
    """Return the loss of each example, and the entropy of the true posterior at as many states of the same law."""
    labels = torch.multinomial(SHARES, n, replacement=True, generator=seeded(1))
    x0 = MEANS[labels] + VARIANCES[labels].sqrt()[:, None] * torch.randn(n, 2, generator=seeded(2), dtype=torch.float64)
    model = Classifier(Posterior(sure), PROCESS, 1.0).condition(labels)
    noised = CLASSES.diffuse(1.0, RATIO)
    p = noised.responsibilities(noised.sample(n, seeded(3)).double())
    return CrossEntropy(OneLevel(RATIO))(model, x0, seeded(4)).double(), -torch.special.xlogy(p, p).sum(1)


def test_the_loss_of_the_true_posterior_is_its_entropy_and_no_other_is_less() -> None:
    """z-tests at level 1e-3 each; a posterior too sure or too timid is rejected."""
    (low, _), (here, entropy), (high, _) = (losses(sure) for sure in (0.95, 1.0, 1.05))
    accept(mean_p(here - entropy), LEVEL)
    accept(mean_p((high - low) / 0.1), LEVEL)
    assert (low + high - 2 * here).mean() > 0
    for sure in (0.6, 1.8):
        assert mean_p(losses(sure)[0] - here)[0] < LEVEL
        assert (losses(sure)[0] - here).mean() > 0
