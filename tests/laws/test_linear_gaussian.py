"""A linear score trained on Gaussian data is the closed form −(Σ + σ²I)⁻¹ x, whichever objective trains it.

Data, noise and projections are designed so that their joint second moments are exact: what is minimised is then the population's objective
on this family of models, and what is left to compare is the objective's formula alone.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from scorefield import (
    DAE,
    DSM,
    SSM,
    SSMVR,
    VE,
    FiniteDifferenceSSM,
    FisherDivergence,
    FromScore,
    Gaussian,
    ImplicitSM,
    Noise,
    Objective,
    OneLevel,
    unit_weight,
)

from .cases import normal

PROCESS = VE(sigma_min=0.5, sigma_max=5.0)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)
SIGMA = 0.7


class Designed(Noise):
    """Noise that is what it was told to be."""

    def __init__(self, z: Tensor) -> None:
        self.z = z

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.z.shape)

    def normal(self) -> Tensor:
        return self.z

    def uniform(self) -> Tensor:
        return torch.full((len(self.z),), 0.5, dtype=torch.float64)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(-torch.eye(2, dtype=torch.float64))
        self.bias = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


def white(z: Tensor) -> Tensor:
    """Return z with its empirical mean 0 and its empirical covariance I."""
    z = z - z.mean(0)
    return z @ torch.linalg.inv(torch.linalg.cholesky(z.T @ z / len(z))).T


def noised() -> tuple[Tensor, Tensor]:
    """Return data of covariance Σ and noise uncorrelated with it."""
    both = white(normal(64, 4))
    return both[:, :2] @ torch.linalg.cholesky(COVARIANCE).T, both[:, 2:]


def projected() -> tuple[Tensor, Tensor]:
    """Return data of covariance Σ, each under all four sign vectors of the plane."""
    x0 = white(normal(16, 2)) @ torch.linalg.cholesky(COVARIANCE).T
    signs = torch.cartesian_prod(torch.tensor([-1.0, 1.0]), torch.tensor([-1.0, 1.0])).double()
    return x0.repeat_interleave(4, dim=0), signs.repeat(16, 1)


NOISED = -torch.linalg.inv(COVARIANCE + SIGMA**2 * torch.eye(2, dtype=torch.float64))
CLEAN = -torch.linalg.inv(COVARIANCE)
CASES: dict[str, tuple[Objective, Callable[[], tuple[Tensor, Tensor]], Tensor]] = {
    "DSM": (DSM(OneLevel(SIGMA)), noised, NOISED),
    "DSM, unit weight": (DSM(OneLevel(SIGMA), unit_weight), noised, NOISED),
    "DAE": (DAE(SIGMA), noised, NOISED),
    "FisherDivergence": (FisherDivergence(Gaussian([0.0, 0.0], COVARIANCE), OneLevel(SIGMA)), noised, NOISED),
    "ImplicitSM": (ImplicitSM(), projected, CLEAN),
    "SSM": (SSM(), projected, CLEAN),
    "SSMVR": (SSMVR(), projected, CLEAN),
    "FiniteDifferenceSSM": (FiniteDifferenceSSM(), projected, CLEAN),
}


def learned(objective: Objective, x0: Tensor, z: Tensor) -> Linear:
    """Return the linear score that minimises the objective."""
    net = Linear()
    model = FromScore(net, PROCESS)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(model, x0, Designed(z)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return net


@pytest.mark.promise("D9")
@pytest.mark.parametrize("name", CASES)
def test_the_learned_weights_are_the_closed_form(name: str) -> None:
    objective, design, expected = CASES[name]
    net = learned(objective, *design())
    torch.testing.assert_close(net.weight.detach(), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(net.bias.detach(), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-3)


def test_another_noise_level_gives_other_weights() -> None:
    net = learned(DSM(OneLevel(1.1 * SIGMA)), *noised())
    assert (net.weight.detach() - NOISED).abs().max() > 0.01
