"""Laws of DiffPIR: its estimate is the minimiser of its objective, and the posterior's where little noise is left; its bias elsewhere."""

import pytest
import torch

from scorefield import VE, VP, Exact, Gaussian, LinearGaussian, LogSNR, Process, Project
from scorefield.guidance import DiffPIR
from scorefield.samplers import Heun

from .cases import PROCESSES, normal, times_inside
from .guided import OPERATORS, Moments, dense, posterior

STD, NOISE = 0.8, 0.3
A = Project(torch.tensor([[0.6, 0.9]], dtype=torch.float64))
Y = torch.tensor([[1.4]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -0.5], dtype=torch.float64)
POSTERIOR = Moments(*posterior(MEAN, STD**2 * torch.eye(2, dtype=torch.float64), A.matrix, Y[0], NOISE))
ROUTES: dict[str, Process] = {"VE": VE(sigma_min=0.05, sigma_max=10.0), "VP": VP()}


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_estimate_is_the_minimiser(name: str, process: str) -> None:
    """(Aᵀ A/ς² + I/r²) x̂ = Aᵀ y/ς² + D/r², by the matrix of A."""
    (operator, event), p, trust = OPERATORS[name], PROCESSES[process], 3.0
    matrix, y, base = (
        dense(operator, event),
        operator.apply(normal(1, *event, seed=5)),
        Exact(Gaussian(normal(*event)), p),
    )
    x, times = 2 * normal(6, *event, seed=6), times_inside(p, 6)
    prior = trust / p.ratio(times) ** 2
    left = matrix.T @ matrix / NOISE**2 + prior[:, None, None] * torch.eye(matrix.shape[1], dtype=torch.float64)
    right = y.flatten() @ matrix / NOISE**2 + prior[:, None] * base.denoise(x, times).flatten(1)
    expected = torch.linalg.solve(left, right).reshape(x.shape)
    found = DiffPIR(base, operator, y, NOISE, trust).denoise(x, times)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def bias(trust: float, process: Process) -> float:
    """Return the relative error of mean and covariance of what Heun reaches in 256 steps, by the exact recursion."""
    times = LogSNR(256).times(process)
    begin, end = (POSTERIOR.noised(process, t) for t in (times[0], times[-1]))
    model = DiffPIR(Exact(Gaussian(MEAN, STD**2), process), A, Y, NOISE, trust)
    return begin.through(model, Heun(), times, 0, (2,)).error(end)


@pytest.mark.parametrize("process", ROUTES)
def test_where_little_noise_is_left_it_is_the_posterior(process: str) -> None:
    """r² = ρ² is right to a part in 1 + σ_d²/ρ², and no other λ is."""
    p = ROUTES[process]
    base, exact = Exact(Gaussian(MEAN, STD**2), p), Exact(Gaussian(POSTERIOR.mean, POSTERIOR.covariance), p)
    t = p.time(torch.tensor(0.05, dtype=torch.float64))
    x = exact.marginal(t).mean + 0.3 * normal(6, 2)
    pull = exact.denoise(x, t) - base.denoise(x, t)

    def gap(trust: float) -> float:
        found = DiffPIR(base, A, Y, NOISE, trust).denoise(x, t) - base.denoise(x, t)
        return ((found - pull).norm() / pull.norm()).item()

    assert gap(1.0) < 0.01
    assert gap(1.1) > 0.05
    assert gap(0.9) > 0.05


@pytest.mark.parametrize("process", ROUTES)
def test_its_bias_on_a_gaussian_is_what_it_was_measured_to_be(process: str) -> None:
    """5 % at λ = 1, which it leaves in both directions."""
    assert bias(1.0, ROUTES[process]) == pytest.approx(0.048, abs=0.004)
    assert min(bias(0.5, ROUTES[process]), bias(3.0, ROUTES[process])) > 0.08


def test_bad_settings_are_refused_with_a_reason() -> None:
    base = Exact(Gaussian(MEAN), VE())
    with pytest.raises(ValueError, match="trust must be a finite positive number; received 0"):
        DiffPIR(base, A, Y, 0.1, trust=0.0)
    with pytest.raises(ValueError, match="standard deviation ≥ 0"):
        DiffPIR(base, A, Y, -0.1)
    assert LinearGaussian(base, A, Y, 0.1).evaluations == 2 * DiffPIR(base, A, Y, 0.1).evaluations
