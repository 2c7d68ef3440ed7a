"""Laws of processes: scales, their inverse, the SDE they come from, and numbers to agree with."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scorefield import EDM, VE, VP, PowerVE, Process, SubVP
from scorefield.errors import ConfigError
from scorefield.processes import DDPM, RectifiedFlow

from .cases import PROCESSES, seeded, times_inside
from .statistics import LEVEL, accept, mean_p, variance_p

every = pytest.mark.parametrize("name", PROCESSES)


def number(x: float) -> Tensor:
    return torch.tensor(x, dtype=torch.float64)


@every
def test_times_and_noise_levels_may_be_numbers(name: str) -> None:
    process: Any = PROCESSES[name]
    t = 0.5 * (process.t_min + process.t_max)
    for made in (process.alpha_sigma, process.drift_diffusion, process.ratio, process.prior_std):
        assert made(t) == made(number(t))
    assert process.time(process.ratio(t).item()) == process.time(process.ratio(number(t)))
    for level in (-1.0, 0.0, math.nan, "a"):
        with pytest.raises(ConfigError, match="noise level"):
            process.time(level)
    for past in (-1.0, 2 * process.t_max, math.nan):
        with pytest.raises(ConfigError, match="must lie between"):
            process.ratio(past)


def _beta(p: VP | SubVP, t: Tensor) -> Tensor:
    return p.beta_min + t * (p.beta_max - p.beta_min)


def _integral(p: VP | SubVP, t: Tensor) -> Tensor:
    return p.beta_min * t + (p.beta_max - p.beta_min) * t**2 / 2


# (f, g) as the papers print them: Song et al. (2021), appendix C; Karras et al. (2022), Table 1; the tutorial's σ^t.
TEXTBOOK: dict[type[Process], Callable[..., tuple[Tensor, Tensor]]] = {
    VE: lambda p, t: (0 * t, p.alpha_sigma(t)[1] * math.sqrt(2 * math.log(p.sigma_max / p.sigma_min))),
    VP: lambda p, t: (-_beta(p, t) / 2, _beta(p, t).sqrt()),
    SubVP: lambda p, t: (-_beta(p, t) / 2, (_beta(p, t) * (1 - torch.exp(-2 * _integral(p, t)))).sqrt()),
    PowerVE: lambda p, t: (0 * t, p.base**t),
    EDM: lambda p, t: (0 * t, (2 * t).sqrt()),
    RectifiedFlow: lambda p, t: (-1 / (1 - t), (2 * t / (1 - t)).sqrt()),
    DDPM: lambda p, t: (-(p.alpha_sigma(t)[1] ** 2) * _slope(p, t), p.alpha_sigma(t)[1] * (2 * _slope(p, t)).sqrt()),
}


def _slope(p: DDPM, t: Tensor) -> Tensor:
    """d ln ρ / dt between two levels: α = (1 + ρ²)^{−½}, so that f = −σ² of it."""
    steps = p.log_ratios.diff() * (len(p.log_ratios) - 1)
    return steps[(t * (len(p.log_ratios) - 1)).long()]


SCHEDULES = {
    "linear": (DDPM(), 1e-4 + (0.02 - 1e-4) * torch.arange(1000, dtype=torch.float64) / 999),
    "scaled_linear": (
        DDPM(beta_min=0.00085, beta_max=0.012, schedule="scaled_linear"),
        (0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * torch.arange(1000, dtype=torch.float64) / 999) ** 2,
    ),
    "listed": (DDPM(betas=(0.1, 0.3, 0.2)), torch.tensor([0.1, 0.3, 0.2], dtype=torch.float64)),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_levels_of_ddpm_are_products_of_one_minus_beta(schedule: str) -> None:
    """Ho et al. (2020), section 2: ᾱ_i = Π (1 − β_j), and α_i² + σ_i² = 1."""
    process, betas = SCHEDULES[schedule]
    t = torch.arange(len(betas), dtype=torch.float64) / (len(betas) - 1)
    alpha, sigma = process.alpha_sigma(t)
    torch.testing.assert_close(alpha**2, torch.cumprod(1 - betas, 0), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t), rtol=1e-12, atol=0.0)


def test_the_cosine_schedule_is_a_cosine_until_it_is_cut() -> None:
    """Nichol & Dhariwal (2021), Eq. 17: ᾱ_i = f(i + 1)/f(0) while β < 0.999."""
    i = torch.arange(1, 900, dtype=torch.float64) / 1000
    alpha, _ = DDPM(schedule="cosine").alpha_sigma((1000 * i - 1) / 999)
    f = torch.cos((i + 0.008) / 1.008 * math.pi / 2) ** 2
    torch.testing.assert_close(alpha**2, f / math.cos(0.008 / 1.008 * math.pi / 2) ** 2, rtol=1e-10, atol=0.0)


@every
def test_drift_and_diffusion_are_the_textbooks(name: str) -> None:
    process = PROCESSES[name]
    t = times_inside(process, 50)
    f, g = process.drift_diffusion(t)
    expected_f, expected_g = TEXTBOOK[type(process)](process, t)
    torch.testing.assert_close(f, expected_f, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(g, expected_g, rtol=1e-9, atol=1e-12)


@every
def test_time_is_the_inverse_of_ratio(name: str) -> None:
    process = PROCESSES[name]
    t = torch.linspace(process.t_min, process.t_max, 101, dtype=torch.float64)
    assert (process.ratio(t).diff() > 0).all()
    torch.testing.assert_close(process.time(process.ratio(t)), t, rtol=1e-9, atol=1e-12)


@every
def test_drift_and_diffusion_have_their_limits_at_zero(name: str) -> None:
    """Also where a process has no noise at t = 0; and whole numbers are times like others."""
    process, zero = PROCESSES[name], number(0.0)
    f, g = process.drift_diffusion(torch.stack([zero, number(1e-9)]))
    torch.testing.assert_close(f[0], f[1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(g[0], TEXTBOOK[type(process)](process, zero)[1], rtol=1e-12, atol=1e-30)
    assert process.drift_diffusion(torch.tensor(0)) == process.drift_diffusion(zero)


@every
def test_a_process_that_states_no_inverse_finds_times(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By bisection, what the formula says: 1e-12 of every time, in both precisions, and the ends for ratios beyond them."""
    process = PROCESSES[name]
    t = torch.linspace(process.t_min, process.t_max, 101, dtype=torch.float64)[1:]
    ratio = process.ratio(t)
    stated = process.time(ratio)
    monkeypatch.setattr(type(process), "inverse", Process.inverse)
    torch.testing.assert_close(process.time(ratio), stated, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(process.time(ratio.float()), t.float(), rtol=1e-5, atol=1e-7)
    low, high = process.ratio(number(process.t_min)), ratio[-1]
    beyond = process.time(torch.stack([low / 2, low, 2 * high]))
    nearest = [number(end) for end in (process.t_min, process.t_min, process.t_max)]
    torch.testing.assert_close(beyond, torch.stack(nearest), rtol=1e-12, atol=1e-15)


@every
@given(u=st.floats(0, 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_one_time_and_a_vector_of_times_agree(name: str, u: float) -> None:
    process = PROCESSES[name]
    one = number(process.t_min + u * (process.t_max - process.t_min))
    many = one.expand(3)
    for view in (process.alpha_sigma, process.drift_diffusion):
        for a, b in zip(view(one), view(many), strict=True):
            assert a.shape == ()
            assert b.shape == (3,)
            assert a.dtype == b.dtype == torch.float64
            torch.testing.assert_close(a.expand(3), b, rtol=1e-14, atol=0)
    assert process.prior_std(many).shape == (3,)


def simulate(process: Process, coefficients: Callable[[Tensor], tuple[Tensor, Tensor]], n: int) -> Tensor:
    """Return n paths of dx = f x dt + g dw at t_max from x_0 = 2, begun with the exact law at t_min.

    Steps of equal ratio of σ/α, exponential in f and with g at the middle: an error of second order, below what n paths resolve.
    """
    ends = process.ratio(torch.tensor([process.t_min, process.t_max], dtype=torch.float64)).log()
    grid = process.time(torch.linspace(ends[0].item(), ends[1].item(), 601, dtype=torch.float64).exp())
    generator = seeded(0)
    alpha, sigma = process.alpha_sigma(grid[0])
    x = alpha * 2 + sigma * torch.randn(n, generator=generator, dtype=torch.float64)
    f, g = coefficients((grid[1:] + grid[:-1]) / 2)
    for f_k, g_k, h in zip(f, g, grid.diff(), strict=True):
        z = torch.randn(n, generator=generator, dtype=torch.float64)
        x = torch.exp(f_k * h) * x + torch.exp(f_k * h / 2) * g_k * h.sqrt() * z
    return x


def has_declared_law(process: Process, x: Tensor, level: float) -> None:
    alpha, sigma = (scale.item() for scale in process.alpha_sigma(number(process.t_max)))
    accept([*mean_p(x, 2 * alpha), variance_p(x, sigma**2)], level)


@pytest.mark.promise("D2")
@every
@pytest.mark.parametrize("n", [10_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_the_sde_simulated_has_the_declared_mean_and_variance(name: str, n: int) -> None:
    """z- and χ²-tests; family level 1e-3."""
    process = PROCESSES[name]
    has_declared_law(process, simulate(process, process.drift_diffusion, n), LEVEL / len(PROCESSES))


@pytest.mark.parametrize("name", ["VE", "VP"])
def test_an_sde_without_the_factor_two_in_its_diffusion_is_rejected(name: str) -> None:
    process = PROCESSES[name]

    def mutant(t: Tensor) -> tuple[Tensor, Tensor]:
        f, g = process.drift_diffusion(t)
        return f, g / math.sqrt(2)

    with pytest.raises(AssertionError):
        has_declared_law(process, simulate(process, mutant, 10_000), LEVEL)


# (process, t, α, σ, g): computed once in float64 from the published formulas.
GOLDEN = [
    (VE(0.01, 50.0), 0.5, 1.0, 0.70710678, 2.91842307),
    (VP(), 0.5, 0.28118288, 0.95965420, math.sqrt(10.05)),
    (VP(), 1.0, 0.00657159, 0.99997841, math.sqrt(20.0)),
    (VP(), 1e-3, None, 0.01048542, None),
    (SubVP(), 0.5, 0.28118288, 0.92093619, 3.16024945),
    (SubVP(), 1.0, 0.00657159, 0.99995681, None),
    (SubVP(), 1e-3, None, 1.0994396e-4, None),
]


@pytest.mark.parametrize(("process", "t", "alpha", "sigma", "g"), GOLDEN)
def test_golden_scales(process: Process, t: float, alpha: float | None, sigma: float, g: float | None) -> None:
    time = number(t)
    found = (*process.alpha_sigma(time), process.drift_diffusion(time)[1])
    for value, golden in zip(found, (alpha, sigma, g), strict=True):
        if golden is not None:
            assert value.item() == pytest.approx(golden, rel=1e-6, abs=5e-9)


@pytest.mark.parametrize(
    ("process", "golden"), [(VE(0.01, 50.0), -3787.47384629), (VP(), -720.44781003), (SubVP(), -720.44781003)]
)
def test_golden_prior_log_probability_of_zero_in_784_dimensions(process: Process, golden: float) -> None:
    std = process.prior_std(number(process.t_max)).item()
    assert -784 / 2 * math.log(2 * math.pi * std**2) == pytest.approx(golden, abs=1e-7)


def test_a_ladder_of_levels_is_inside_the_process_it_defines() -> None:
    process = VE(sigma_min=0.01, sigma_max=1.0)
    levels = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    torch.testing.assert_close(process.time(levels), torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "VE descending": (lambda: VE(2.0, 1.0), "sigma_min must be smaller than sigma_max"),
    "VE empty": (lambda: VE(1.0, 1.0), "sigma_min must be smaller"),
    "VE zero": (lambda: VE(0.0, 1.0), "sigma_min must be a finite positive"),
    "VE NaN": (lambda: VE(math.nan, 1.0), "sigma_min must be a finite positive"),
    "EDM infinite": (lambda: EDM(0.1, math.inf), "sigma_max must be a finite positive"),
    "EDM descending": (lambda: EDM(2.0, 1.0), "sigma_min must be smaller"),
    "DDPM levels": (lambda: DDPM(levels=1), "levels must be at least 2"),
    "DDPM ends": (lambda: DDPM(beta_min=0.5), "beta_min must be smaller"),
    "DDPM schedule": (lambda: DDPM(schedule="quadratic"), "schedule must be one of"),  # pyright: ignore[reportArgumentType]
    "DDPM negative": (lambda: DDPM(beta_min=-1.0, schedule="scaled_linear"), "beta_min must be a finite positive"),
    "DDPM betas": (lambda: DDPM(betas=(0.1, 1.0)), "between 0 and 1"),
    "PowerVE base": (lambda: PowerVE(1.0), "base"),
    "PowerVE t_min": (lambda: PowerVE(t_min=1.0), "t_min must be smaller"),
    "VP descending": (lambda: VP(20.0, 0.1), "beta_min must be smaller"),
    "VP negative": (lambda: VP(-0.1, 20.0), "beta_min must be a finite positive"),
    "VP t_min": (lambda: VP(t_min=0.0), "t_min must be a finite positive"),
    "SubVP t_min": (lambda: SubVP(t_min=2.0), "t_min must be smaller"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_ranges_are_refused_with_a_reason(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()
