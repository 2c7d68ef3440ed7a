r"""D4: the strong order of samplers of the reverse SDE: along one Brownian path, ever finer, they approach one solution.

The paths are virtual Brownian trees: every grid asks for its own times, and gets the same path.

For Gaussian data of mean m and variance v per coordinate, with V = α²v + σ² and y = x − αm, the reverse SDE is linear, and

    y_s = (V_s/α_s) [ (α_t/V_t) y_t + ∫ (α_u/V_u) g_u dw̄_u ],    u from t down to s,

because f + g²/V = d ln(V/α)/du. The integral is a sum over the finest increments of the path; there is no sampler in it.
"""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from torch import Tensor

from scorefield import (
    VE,
    VP,
    Ancestral,
    EulerMaruyama,
    Exact,
    Gaussian,
    Karras,
    Noise,
    Process,
    ReverseDiffusion,
    Sampler,
)
from scorefield._brownian import BrownianTree
from turns import in_turn

from .altered import AlteredSampler
from .cases import normal
from .chains import follow, gaussian_law
from .statistics import fitted_order

MEAN = torch.tensor([1.0, -0.5], dtype=torch.float64)
VARIANCE = torch.tensor([0.3, 1.5], dtype=torch.float64)
FINEST, STEPS, PATHS = 2**12, (64, 128, 256), 60
PROCESSES: dict[str, Process] = {"VE": VE(sigma_min=0.3, sigma_max=2.0), "VP": VP()}
SAMPLERS: dict[str, Sampler] = {
    "EulerMaruyama": EulerMaruyama(),
    "ReverseDiffusion": ReverseDiffusion(),
    "Ancestral": Ancestral(),
}


class Brownian:
    """Stands in for noise: draw k is the path's increment over the k-th transition of a grid, in units of its standard deviation."""

    def __init__(self, path: Tensor, times: Tensor) -> None:
        self.draws = iter(path.diff(dim=0) / (-times.diff()).sqrt()[:, None, None])

    def normal(self) -> Tensor:
        return next(self.draws)


@cache
def along(process: str, steps: int, seed: int = 0) -> Tensor:
    """Return paths by their seed at the times of a grid, each asked for by itself."""
    times = Karras(steps).times(PROCESSES[process])
    tree = BrownianTree(Noise([seed] * len(times), (PATHS, 2)), 1.0, 1.0 + times[0].item())
    return tree(1.0 + times, torch.arange(len(times)))


def solution(process: Process, times: Tensor, x: Tensor, increments: Tensor) -> Tensor:
    """Return x at the last time: the formula above, its integrand taken in the middle of each of the finest intervals."""
    middle = (times[1:] + times[:-1]) / 2
    (alpha_u, _), (_, g) = process.alpha_sigma(middle), process.drift_diffusion(middle)
    _, V_u = gaussian_law(process, middle[:, None], MEAN, VARIANCE)
    integral = torch.einsum("kd,kpd->pd", (alpha_u * g)[:, None] / V_u, increments)
    ends = times[[0, -1], None]
    alpha, _ = process.alpha_sigma(ends)
    mean, V = gaussian_law(process, ends, MEAN, VARIANCE)
    return mean[1] + V[1] / alpha[1] * (alpha[0] / V[0] * (x - mean[0]) + integral)


def strong_errors(sampler: Sampler, name: str, seeds: Sequence[int] = (0, 0, 0)) -> list[float]:
    """Return E‖x − solution‖ at t_min for each number of steps, and the path it takes; the solution takes that of seed 0."""
    process = PROCESSES[name]
    finest = Karras(FINEST).times(process)
    mean, variance = gaussian_law(process, finest[0], MEAN, VARIANCE)
    x = mean + variance.sqrt() * normal(PATHS, 2, seed=2)
    exact = solution(process, finest, x, along(name, FINEST).diff(dim=0))
    errors = []
    for steps, seed in zip(STEPS, seeds, strict=True):
        times = Karras(steps).times(process)
        noise = Brownian(along(name, steps, seed), times)
        found = follow(Exact(Gaussian(MEAN, VARIANCE), process), sampler, times, x, noise)
        errors.append((found - exact).norm(dim=1).mean().item())
    return errors


@pytest.mark.promise("D4")
@pytest.mark.parametrize(("name", "process"), in_turn(SAMPLERS, PROCESSES))
def test_the_strong_order_on_a_common_brownian_path_is_one(name: str, process: str) -> None:
    """± 0.15, over 60 paths. The noise is additive, so Euler–Maruyama is Milstein's method, whose order is one and not a half."""
    assert fitted_order(STEPS, strong_errors(SAMPLERS[name], process)) == pytest.approx(1.0, abs=0.15)


MUTANTS: dict[str, Sampler] = {
    "noise 5 % too small": AlteredSampler(EulerMaruyama(), noise=lambda t, s: 0.95),
    "noise of the wrong sign": AlteredSampler(ReverseDiffusion(), noise=lambda t, s: -1.0),
    "the flow's ½": AlteredSampler(ReverseDiffusion(), score=lambda p, t: 0.5),
}


@pytest.mark.promise("D4")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_rejects(mutant: str) -> None:
    """Noise of the wrong sign leaves the law as it is, and its moments converge all the same: only a path tells."""
    assert fitted_order(STEPS, strong_errors(MUTANTS[mutant], "VE")) < 0.85


@pytest.mark.promise("D4")
def test_a_path_drawn_anew_for_every_grid_is_rejected() -> None:
    assert fitted_order(STEPS, strong_errors(EulerMaruyama(), "VE", (0, 1, 2))) < 0.85
