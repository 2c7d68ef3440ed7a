"""Laws of Langevin chains: the stationary variance, the two conventions, and steps that cannot work."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorefield import (
    VE,
    VP,
    AnnealedLangevin,
    Constant,
    DivergedError,
    Exact,
    FromScore,
    Gaussian,
    Ladder,
    Langevin,
    LangevinCorrector,
    Sampler,
    geometric,
    sample,
)

from .altered import AlteredSampler
from .cases import normal
from .chains import affine

PROCESS = VE(sigma_min=0.01, sigma_max=1.0)


def _point(x: Tensor, t: Tensor) -> Tensor:
    return -x / PROCESS.alpha_sigma(t)[1] ** 2


POINT = FromScore(_point, PROCESS)  # all data at the origin: p_t is N(0, σ_t²)


def time_of(sigma: float) -> Tensor:
    return PROCESS.time(torch.tensor(sigma, dtype=torch.float64))


def stationary_ratio(sampler: Sampler, sigma: float, times: Tensor | None = None) -> Tensor:
    """Return the variance a sampler preserves, in units of σ²."""
    grid = Constant(time_of(sigma).item(), 1).times(PROCESS) if times is None else times
    return affine(POINT, sampler, grid).stationary / sigma**2


# α/σ² of NCSN's paper, NCSN's code, NCSNv2 on CIFAR-10 and Fig. 3 of the paper, and the variance each inflates to.
GOLDEN = [(0.2, 1.0526), (0.4, 1.1111), (0.124, 1.0320), (0.1, 1.0256)]


def has_stationary_variance(make: Callable[[float], Sampler], relative: float, golden: float) -> None:
    for sigma in (0.05, 0.7):
        found = stationary_ratio(make(relative * sigma**2), sigma)
        torch.testing.assert_close(
            found, torch.full((2,), 1 / (1 - relative / 4), dtype=torch.float64), rtol=1e-9, atol=0
        )
        assert found[0].item() == pytest.approx(golden, abs=5.1e-5)


@pytest.mark.promise("D7")
@pytest.mark.parametrize(("relative", "golden"), GOLDEN)
def test_the_stationary_variance_is_the_closed_form(relative: float, golden: float) -> None:
    has_stationary_variance(Langevin, relative, golden)
    has_stationary_variance(lambda alpha: Langevin(alpha / 2, convention="code"), relative, golden)
    has_stationary_variance(lambda alpha: AnnealedLangevin(alpha, repeats=3), relative, golden)
    has_stationary_variance(lambda alpha: AnnealedLangevin(alpha / 2, repeats=3, convention="code"), relative, golden)
    has_stationary_variance(lambda alpha: LangevinCorrector(math.sqrt(relative) / 2), relative, golden)


@pytest.mark.parametrize(
    "mutant",
    [
        lambda alpha: Langevin(alpha, convention="code"),
        lambda alpha: AnnealedLangevin(alpha, repeats=3, convention="code"),
        lambda alpha: AlteredSampler(Langevin(alpha), noise=lambda t, s: 0.5**0.5),
        lambda alpha: AlteredSampler(Langevin(alpha), score=lambda p, t: 2.0),
    ],
)
def test_a_factor_two_is_rejected(mutant: Callable[[float], Sampler]) -> None:
    with pytest.raises(AssertionError):
        has_stationary_variance(mutant, *GOLDEN[0])


@pytest.mark.promise("D7")
def test_every_level_of_a_ladder_inflates_alike() -> None:
    levels = geometric(1.0, 0.01, 10)
    sampler = AnnealedLangevin(step_size=2e-5, repeats=1)
    taken: list[float] = []
    sample(POINT, sampler, (1, 2), grid=Ladder(levels), on_step=lambda made: taken.append(made.memory.step_size))
    assert taken == pytest.approx(
        [2e-1, 7.19e-2, 2.58e-2, 9.28e-3, 3.34e-3, 1.20e-3, 4.31e-4, 1.55e-4, 5.57e-5, 2e-5], rel=2e-3
    )


@pytest.mark.parametrize(
    ("paper", "code"),
    [
        (Langevin(0.02), Langevin(0.01, convention="code")),
        (AnnealedLangevin(4e-5, 5), AnnealedLangevin(2e-5, 5, convention="code")),
    ],
)
def test_the_two_conventions_differ_by_a_factor_two(paper: Sampler, code: Sampler) -> None:
    model, times = Exact(Gaussian([0.5, 0.0], 0.3), PROCESS), Ladder(geometric(1.0, 0.01, 5)).times(PROCESS)
    a, b = (sample(model, sampler, (9, 2), grid=times, seed=1).x for sampler in (paper, code))
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.promise("D8")
@pytest.mark.parametrize("process", [PROCESS, VP()])
def test_a_corrector_of_equivalent_snr_is_annealed_langevin(process: VE | VP) -> None:
    """r = √(ε/4)/σ_L, ε the paper's; √(η/2)/σ_L with η the code's: 0.316 for the released NCSN."""
    model, times = Exact(Gaussian([0.5, 0.0], 0.3), process), Ladder(geometric(0.9, 0.02, 4)).times(process)
    sigma_L = process.alpha_sigma(times[-1])[1].item()
    epsilon = 0.2 * sigma_L**2
    a = sample(model, AnnealedLangevin(epsilon, repeats=3), (9, 2), grid=times, seed=1).x
    b = sample(model, LangevinCorrector(math.sqrt(epsilon / 4) / sigma_L, repeats=3), (9, 2), grid=times, seed=1).x
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert math.sqrt(2e-5 / 2) / 0.01 == pytest.approx(0.316, abs=5e-4)


@pytest.mark.parametrize(("step_size", "convention"), [(4.01e-4, "paper"), (2.01e-4, "code"), (0.01, "paper")])
def test_annealing_that_must_diverge_is_refused(step_size: float, convention: str) -> None:
    times = Ladder(geometric(1.0, 0.01, 4)).times(PROCESS)
    with pytest.raises(ValueError, match="diverges"):
        sample(POINT, AnnealedLangevin(step_size, 2, convention), (3, 2), grid=times)  # pyright: ignore[reportArgumentType]


def test_annealing_just_below_the_limit_is_not() -> None:
    times = Ladder(geometric(1.0, 0.01, 4)).times(PROCESS)
    assert torch.isfinite(sample(POINT, AnnealedLangevin(3.99e-4, 2), (3, 2), grid=times).x).all()


def test_a_fixed_level_chain_beyond_its_limit_is_caught_when_it_diverges() -> None:
    with pytest.raises(DivergedError, match="step_size"):
        sample(POINT, Langevin(0.1), init=normal(3, 2), grid=Constant(0.0, 500))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no step": (lambda: Langevin(0.0), "step_size must be a finite positive"),
    "NaN step": (lambda: Langevin(math.nan), "step_size must be a finite positive"),
    "negative step": (lambda: AnnealedLangevin(-1e-5), "step_size must be a finite positive"),
    "no steps": (lambda: AnnealedLangevin(1e-5, 0), "repeats must be a whole number of at least 1"),
    "unknown convention": (lambda: Langevin(0.1, "image"), "convention must be"),  # pyright: ignore[reportArgumentType]
    "snr of one": (lambda: LangevinCorrector(1.0), "snr must lie between 0 and 1"),
    "no corrector steps": (lambda: LangevinCorrector(0.1, 0), "repeats must be a whole number of at least 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_steps_are_refused_with_a_reason(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()
