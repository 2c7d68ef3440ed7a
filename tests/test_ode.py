"""The adaptive integrator: against exact solutions, against a library, row by row."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from scorefield import EDM, Exact, GaussianMixture
from scorefield._ode import A, C, E, integrate
from scorefield.errors import DivergedError
from scorefield.models import probability_flow


def pendulum(y: torch.Tensor, u: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return torch.stack([y[:, 1], -torch.sin(y[:, 0]) - 0.1 * u.to(y) * y[:, 1]], dim=1)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 6.0), (6.0, 0.0)])
def test_against_scipy(start: float, stop: float):
    y0 = torch.tensor([[1.0, 0.0], [0.2, -0.5], [2.5, 0.1]], dtype=torch.float64)
    ours, _ = integrate(pendulum, y0, start, stop, rtol=1e-9, atol=1e-9)
    for row, first in zip(ours, y0, strict=True):
        theirs = solve_ivp(
            lambda u, y: [y[1], -np.sin(y[0]) - 0.1 * u * y[1]], (start, stop), first.numpy(), rtol=1e-11, atol=1e-11
        ).y[:, -1]
        np.testing.assert_allclose(row.numpy(), theirs, rtol=0, atol=1e-7)


def test_the_tableau_is_consistent():
    """Row sums are the nodes, the error weights sum to zero, and the order conditions hold to fourth order."""
    for c, row in zip(C, A, strict=True):
        assert sum(row) == pytest.approx(c)
    assert sum(E) == pytest.approx(0)
    b, c = (*A[-1], 0.0), (0.0, *C)
    for power in range(5):
        assert sum(w * node**power for w, node in zip(b, c, strict=True)) == pytest.approx(1 / (power + 1))
    lower = [w - e for w, e in zip(b, E, strict=True)]
    for power in range(4):
        assert sum(w * node**power for w, node in zip(lower, c, strict=True)) == pytest.approx(1 / (power + 1))


def test_a_stiff_row_does_not_make_the_others_work():
    rates = torch.tensor([1.0, 1.0, 500.0], dtype=torch.float64)
    calls: list[int] = []

    def decay(y: torch.Tensor, u: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        calls.append(len(y))
        assert torch.equal(y[:, 1], rates[rows])
        return -y * y[:, 1:] * torch.tensor([1.0, 0.0], dtype=y.dtype)

    y0 = torch.stack([torch.ones(3, dtype=torch.float64), rates], dim=1)
    y, used = integrate(decay, y0, 0.0, 1.0, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(y[:2, 0], torch.full((2,), math.exp(-1), dtype=torch.float64), rtol=1e-5, atol=0)
    assert used[2] > 5 * used[0]
    assert sum(calls) == used.sum()
    alone, _ = integrate(decay, y0[:1], 0.0, 1.0, rtol=1e-6, atol=1e-9)
    assert torch.equal(alone[0], y[0])


def test_step_sizes_mind_the_last_error_so_that_few_trials_are_in_vain():
    law = GaussianMixture.ring()
    x = law.sample(200, torch.Generator().manual_seed(0)).double()
    slope = probability_flow(Exact(law, EDM(0.01, 20.0)))
    _, used = integrate(slope, x, math.log(0.01), math.log(20.0), rtol=1e-4, atol=1e-4)
    assert used.mean() < 80  # 75; from the error of one step alone 85


def test_a_slope_that_is_not_finite_is_reported():
    with pytest.raises(DivergedError, match="shrank to nothing"):
        integrate(
            lambda y, u, _: y / (u - 0.5)[:, None] ** 2 * math.nan, torch.ones(2, 1), 0.0, 1.0, rtol=1e-3, atol=1e-3
        )
