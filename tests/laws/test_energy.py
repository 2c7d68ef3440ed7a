"""Laws of energy models: the score is minus the gradient, training reaches it, and MALA leaves its law invariant."""

import torch
from torch import Tensor, nn

from scorefield import DSM, MALA, VE, VP, Constant, Energy, sample

from .cases import normal, seeded
from .nets import Wave
from .statistics import LEVEL, accept, variance_p


class Line(nn.Module):
    """F(y) = a y: an energy that is a Gaussian's."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.slope * x


def test_the_score_is_minus_the_gradient_of_the_energy() -> None:
    model, x, t = Energy(Wave(), VP()), normal(3, 1, 4, 4), torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    step, direction = 1e-5, normal(3, 1, 4, 4, seed=1)
    slope = (model.energy(x + step * direction, t) - model.energy(x - step * direction, t)) / (2 * step)
    torch.testing.assert_close(slope, -(model.score(x, t) * direction).flatten(1).sum(1), rtol=1e-6, atol=1e-6)


def test_a_line_is_the_gaussian_it_says_and_a_new_network_is_the_unit_one() -> None:
    process, x = VE(), normal(4, 2)
    t = process.time(torch.tensor(0.5, dtype=torch.float64))
    c = torch.tensor(1.25, dtype=torch.float64).sqrt()
    precision = (1 + 2 * 0.3 * c / 0.5) / c**2
    torch.testing.assert_close(Energy(Line(0.3), process).score(x, t), -precision * x)
    torch.testing.assert_close(Energy(Line(0.0), process).score(x, t), -x / c**2)


def test_training_differentiates_through_the_score() -> None:
    model = Energy(Line(0.3), VE())
    DSM()(model, normal(8, 2), seeded(0)).mean().backward()
    net = model.net
    assert isinstance(net, Line)
    assert net.slope.grad is not None
    assert net.slope.grad.abs() > 0


def test_mala_leaves_its_law_invariant_and_another_energy_does_not() -> None:
    process = VE()
    t = process.time(torch.tensor(0.5, dtype=torch.float64)).item()
    model, wrong = Energy(Line(0.3), process), Energy(Line(0.0), process)
    precision = (1 + 2 * 0.3 * 1.25**0.5 / 0.5) / 1.25
    init = normal(20_000, 1) / precision**0.5

    def chain(energy: Energy) -> Tensor:
        sampler = MALA(0.8, lambda x, s: -energy.energy(x, s))
        return sample(model, sampler, init=init, grid=Constant(t, 15), denoise=False).x

    accept(variance_p(chain(model), 1 / precision), LEVEL)
    assert variance_p(chain(wrong), 1 / precision) < LEVEL
