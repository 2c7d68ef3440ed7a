r"""D17: schedules and samplers beside the formulas of the papers, written here as the papers print them and in their notation.

The discrete chains of DDPM and SMLD are processes like any other: a `Schedule` knows α and σ at their steps, and nothing between.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scorefield import (
    DDIM,
    EDM,
    VE,
    VP,
    Ancestral,
    DPMpp2M,
    EulerMaruyama,
    Exact,
    GaussianMixture,
    Heun,
    Karras,
    Ladder,
    LangevinCorrector,
    Noise,
    Process,
    ReverseDiffusion,
    Sampler,
    Uniform,
    geometric,
    sample,
)
from scorefield.grids import steps_of

N = 1000
DATA = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.3, 0.5], [0.4, 0.6])
BETA = torch.linspace(0.1 / N, 20 / N, N, dtype=torch.float64)
ABAR = torch.cumprod(1 - BETA, 0)
SIGMAS = torch.exp(torch.linspace(math.log(0.01), math.log(50), N, dtype=torch.float64))


@dataclass(frozen=True)
class Schedule(Process):
    """A chain of N steps: time i + 1 is its step i, and time 0 would be the data."""

    alphas: Tensor = field(repr=False)
    sigmas: Tensor = field(repr=False)
    t_min: float = 1.0
    t_max: float = float(N)

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        step = t.round().long() - 1
        return self.alphas[step], self.sigmas[step]

    def time(self, ratio: Tensor) -> Tensor:
        return 1.0 + torch.bucketize(ratio, self.sigmas / self.alphas)


DDPM = Schedule(ABAR.sqrt(), (1 - ABAR).sqrt())
SMLD = Schedule(torch.ones(N, dtype=torch.float64), SIGMAS)


class Dice:
    """Stands in for noise, and tells it to the formula as well."""

    def __init__(self, z: Tensor) -> None:
        self.z = z

    def normal(self) -> Tensor:
        return self.z


def normal(seed: int) -> Tensor:
    return torch.randn(16, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def step(sampler: Sampler, process: Process, t: float, s: float, x: Tensor, z: Tensor) -> Tensor:
    """Return the sampler's transition of x."""
    (one,) = steps_of(torch.tensor([t, s], dtype=torch.float64), process)
    dice: Any = Dice(z)
    return sampler.step(Exact(DATA, process), x, one, None, dice)[0]


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


# --- schedules ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("D17")
def test_golden_numbers_of_the_discrete_ve_chain() -> None:
    """σ_i of N = 1000 levels from 0.01 to 50, and G_i = √(σ_i² − σ_{i−1}²) with G_0 = σ_0: what the last denoising removes."""
    levels = geometric(50.0, 0.01, N)
    same(levels.flip(0), SIGMAS)
    steps = steps_of(Ladder(levels).times(VE(0.01, 50.0)), VE(0.01, 50.0))
    at_500 = steps[N - 1 - 500]
    assert at_500.sigma_t == pytest.approx(0.71012751, abs=5e-9)
    assert at_500.variance**0.5 == pytest.approx(0.09233538, abs=5e-9)
    assert steps[-1].sigma_s == pytest.approx(0.01, abs=1e-12)
    assert steps[-1].variance == 0


@pytest.mark.promise("D17")
def test_golden_numbers_of_the_discrete_vp_chain() -> None:
    """ᾱ of DDPM's N = 1000 steps, which `VP` is the continuum of: at t = (i + 1)/N its α² is at most 8 % more."""
    for i, golden in ((0, 0.9999), (499, 0.07858724), (999, 4.0358298e-5)):
        assert ABAR[i].item() == pytest.approx(golden, rel=1e-7, abs=5e-9)
    alpha, _ = VP().alpha_sigma(torch.arange(1, N + 1, dtype=torch.float64) / N)
    # −ln(1 − β) is β + β²/2, which adds up to 0.07; the sum of β is its integral's trapezoid but for the ends, 0.01.
    gap = 2 * torch.log(alpha) - torch.log(ABAR)
    assert 0 < gap.max().item() < 0.08
    (one,) = steps_of(torch.tensor([500.0, 499.0], dtype=torch.float64), DDPM)
    assert one.shrink == pytest.approx(math.sqrt(1 - BETA[499].item()), rel=1e-12)
    assert one.variance == pytest.approx(BETA[499].item(), rel=1e-9)


@pytest.mark.promise("D17")
@pytest.mark.parametrize(("n", "eps"), [(1000, 1e-5), (1000, 1e-3), (2000, 1e-3)])
def test_every_level_is_visited_once_where_the_references_index_drifts(n: int, eps: float) -> None:
    """Their time ⌊t(N − 1)⌋ repeats level 1000 of 2000 and never comes to level 0; a grid of ours is of levels, with no index to round."""
    index = (torch.linspace(1, eps, n) * (n - 1)).long()
    drifts = n == 2000
    assert (sorted(index.tolist()) != list(range(n))) == drifts
    if drifts:
        assert torch.bincount(index, minlength=n)[[0, 1000]].tolist() == [0, 2]
    process = VE(0.01, 50.0)
    visited = [one.sigma_t for one in steps_of(Ladder(geometric(50.0, 0.01, n)).times(process), process)]
    assert len(set(visited)) == n
    assert visited == pytest.approx(geometric(50.0, 0.01, n).tolist(), rel=1e-9)


# --- one transition of each sampler -------------------------------------------------------------------------------------------------

X, Z = 2 * normal(0), normal(1)


@pytest.mark.promise("D17")
@pytest.mark.parametrize("i", [1, 2, 500, 999])
@pytest.mark.parametrize("variance", ["posterior", "forward"])
def test_ddpm(variance: str, i: int) -> None:
    """Ho et al. (2020), Algorithm 2: x_{t−1} = (x_t − (1 − α_t)/√(1 − ᾱ_t) ε_θ)/√α_t + σ_t z, σ_t² = β̃_t or β_t."""
    alpha, abar, before = 1 - BETA[i], ABAR[i], ABAR[i - 1]
    epsilon = -torch.sqrt(1 - abar) * Exact(DATA, DDPM).score(X, i + 1.0)
    sigma2 = BETA[i] * (1 - before) / (1 - abar) if variance == "posterior" else BETA[i]
    expected = (X - (1 - alpha) / torch.sqrt(1 - abar) * epsilon) / torch.sqrt(alpha) + torch.sqrt(sigma2) * Z
    same(step(Ancestral(variance), DDPM, i + 1, i, X, Z), expected)  # pyright: ignore[reportArgumentType]


@pytest.mark.promise("D17")
@pytest.mark.parametrize(("i", "j"), [(999, 979), (500, 480), (20, 0)])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim(eta: float, i: int, j: int) -> None:
    """Song, Meng & Ermon (2021), Eq. 12 and 16, their α being ᾱ."""
    a, b = ABAR[i], ABAR[j]
    epsilon = -torch.sqrt(1 - a) * Exact(DATA, DDPM).score(X, i + 1.0)
    sigma = eta * torch.sqrt((1 - b) / (1 - a)) * torch.sqrt(1 - a / b)
    predicted = (X - torch.sqrt(1 - a) * epsilon) / torch.sqrt(a)
    expected = torch.sqrt(b) * predicted + torch.sqrt(1 - b - sigma**2) * epsilon + sigma * Z
    same(step(DDIM(eta), DDPM, i + 1, j + 1, X, Z), expected)


@pytest.mark.promise("D17")
@pytest.mark.parametrize("i", [1, 500, 999])
def test_reverse_diffusion_and_ancestral_sampling_of_the_score_sde_code(i: int) -> None:
    """Song et al. (2021), Eq. 46, 47 and appendix F: x − f_i + G_i² s + G_i z with f = √(1 − β) x − x, G = √β (VP), or f = 0 (VE)."""
    vp, ve = (Exact(DATA, schedule).score(X, i + 1.0) for schedule in (DDPM, SMLD))
    beta, gap = BETA[i], SIGMAS[i] ** 2 - SIGMAS[i - 1] ** 2
    f = torch.sqrt(1 - beta) * X - X
    same(step(ReverseDiffusion(), DDPM, i + 1, i, X, Z), X - f + beta * vp + torch.sqrt(beta) * Z)
    same(step(ReverseDiffusion(), SMLD, i + 1, i, X, Z), X + gap * ve + torch.sqrt(gap) * Z)
    std = torch.sqrt(SIGMAS[i - 1] ** 2 * gap / SIGMAS[i] ** 2)
    same(step(Ancestral(), SMLD, i + 1, i, X, Z), X + gap * ve + std * Z)
    same(
        step(Ancestral("forward"), DDPM, i + 1, i, X, Z),
        (X + beta * vp) / torch.sqrt(1 - beta) + torch.sqrt(beta) * Z,
    )


@pytest.mark.promise("D17")
@pytest.mark.parametrize("t", [0.9, 0.3])
def test_euler_maruyama_and_the_corrector_of_the_score_sde_code(t: float) -> None:
    """x + [f − g² s] Δt + g √−Δt z on N equal steps; the "ald" corrector x + ε s + √(2ε) z with ε = 2 α (r σ)², α = 1 for VE."""
    process = VP()
    grid = Uniform(N).times(process)
    k = int(((grid - t).abs()).argmin())
    t, s = grid[k].item(), grid[k + 1].item()
    beta, dt = 0.1 + t * 19.9, s - t
    drift = -0.5 * beta * X - beta * Exact(DATA, process).score(X, t)
    same(step(EulerMaruyama(), process, t, s, X, Z), X + drift * dt + math.sqrt(beta * -dt) * Z)
    ve = VE(0.01, 50.0)
    sigma = 0.01 * 5000**t
    epsilon = 2 * (0.16 * sigma) ** 2
    expected = X + epsilon * Exact(DATA, ve).score(X, t) + math.sqrt(2 * epsilon) * Z
    same(step(LangevinCorrector(0.16), ve, t, t, X, Z), expected)


# --- whole runs ---------------------------------------------------------------------------------------------------------------------


def edm(x: Tensor, z: list[Tensor], churn: float, s_noise: float, n: int = 18) -> Tensor:
    """Karras et al. (2022), Algorithm 2, with t_i = σ_i, S_tmin = 0.05 and S_tmax = 50; the last step, to 0, is Euler's."""
    i = np.arange(n)
    ts = [*((80 ** (1 / 7) + i / (n - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7), 0.0]

    def D(x: Tensor, t: float) -> Tensor:
        return Exact(DATA, EDM()).denoise(x, t)

    for (t, t_next), epsilon in zip(pairwise(ts), z, strict=True):
        gamma = min(churn / n, math.sqrt(2) - 1) if 0.05 <= t <= 50 else 0.0
        t_hat = t + gamma * t
        x_hat = x + math.sqrt(t_hat**2 - t**2) * s_noise * epsilon
        d = (x_hat - D(x_hat, t_hat)) / t_hat
        x = x_hat + (t_next - t_hat) * d
        if t_next != 0:
            d_next = (x - D(x, t_next)) / t_next
            x = x_hat + (t_next - t_hat) * (0.5 * d + 0.5 * d_next)
    return x


@pytest.mark.promise("D17")
def test_heun_is_algorithm_2_of_edm() -> None:
    """35 evaluations from 80 to 0, to 1e-9."""
    init = 80 * normal(2)
    found = sample(Exact(DATA, EDM()), Heun(), init=init, grid=Karras(17))
    assert found.evaluations == 35
    same(found.x, edm(init, [torch.zeros_like(init)] * 18, 0.0, 1.0))


@pytest.mark.promise("D17")
def test_churned_heun_is_algorithm_2_of_edm() -> None:
    """With the same noise, drawn where γ > 0 alone; γ there is S_churn over the 18 steps of theirs, of which we count 17."""
    init, churn = 80 * normal(2), 5.0
    noise = Noise(range(16), (2,), stream="seed 3", dtype=torch.float64)
    grid = Karras(17).times(EDM())
    z = [noise.normal() if 0.05 <= t <= 50 else torch.zeros_like(init) for t in grid.tolist()]
    sampler = Heun(churn * 17 / 18, churn_min=0.05, churn_max=50, churn_noise=1.007)
    found = sample(Exact(DATA, EDM()), sampler, init=init, grid=grid, seed=3)
    same(found.x, edm(init, z, churn, 1.007))


@pytest.mark.promise("D17")
def test_dpm_solver_2m_of_k_diffusion() -> None:
    """sample_dpmpp_2m: t = −ln σ, first order in the first step and to σ = 0."""
    init, model = 80 * normal(2), Exact(DATA, EDM())
    sigmas = [*Karras(17).times(EDM()).tolist(), 0.0]
    x, old = init, None
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = model.denoise(x, sigma)
        if following == 0:
            x = denoised
            break
        h = math.log(sigma) - math.log(following)
        mixed = denoised
        if old is not None:
            r = (math.log(sigmas[i - 1]) - math.log(sigma)) / h
            mixed = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * old
        x = following / sigma * x - math.expm1(-h) * mixed
        old = denoised
    same(sample(model, DPMpp2M(), init=init, grid=Karras(17)).x, x)


# --- and with one thing wrong they are not -------------------------------------------------------------------------------------------


@pytest.mark.promise("D17")
@pytest.mark.parametrize("factor", [1 + 1e-6, 2**0.5])
def test_rejects_a_transition_that_is_off_by_little(factor: float) -> None:
    """A millionth of the noise too much, or √2 of it."""
    right = step(ReverseDiffusion(), SMLD, 501, 500, X, Z)
    with pytest.raises(AssertionError):
        same(step(ReverseDiffusion(), SMLD, 501, 500, X, factor * Z), right)
