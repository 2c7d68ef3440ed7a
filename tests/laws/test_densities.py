"""Laws of densities: the score is the gradient, the law is normalised, samples follow it, and noising is exact."""

import math
from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scorefield import VP, Density, Empirical, Exact, GaussianMixture
from scorefield.errors import ConfigError

from .altered import AlteredDensity
from .cases import DENSITIES, PLANAR, PROCESSES, covariances, normal, seeded
from .statistics import LEVEL, accept, chi_square_p, mean_p

CELLS = 12  # per axis of the plane, each integrated on a finer grid


def points(density: Density, n: int = 64, seed: int = 0) -> Tensor:
    """Return draws and, for the tails, draws three times as far out."""
    x = density.sample(n, seeded(seed)).double()
    return torch.cat([x, 3 * x])


@cache
def plane(density: Density, fine: int = 8) -> tuple[Tensor, Tensor, float]:
    """Return midpoints of a lattice that holds nearly all of the mass, shape (m, m, 2), the mass of each, and half its side.

    The sum is exact to many digits for smooth densities; the mass of one of the CELLS² cells has an error of order fine⁻².
    """
    half = (1.4 * density.sample(4000, seeded(1)).double().abs().max()).item()
    m = CELLS * fine
    axis = ((torch.arange(m, dtype=torch.float64) + 0.5) / m * 2 - 1) * half
    lattice = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    return lattice, density.log_prob(lattice.reshape(-1, 2)).exp().reshape(m, m) * (2 * half / m) ** 2, half


# --- the laws: functions of a density, so that a broken one can be shown to fail them -------------------------------------------


def score_is_gradient(density: Density, x: Tensor | None = None) -> None:
    x = (points(density) if x is None else x).requires_grad_(True)
    (gradient,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(density.score(x.detach()), gradient, rtol=1e-10, atol=1e-10)


def integrates_to_one(density: Density) -> None:
    assert plane(density)[1].sum().item() == pytest.approx(1.0, abs=1e-3)  # 1.3e-5 at most


def samples_fill_cells(density: Density, n: int, level: float) -> None:
    fine = 8 if n < 100_000 else 40  # more samples resolve more of a cell's error
    _, mass, half = plane(density, fine)
    x = density.sample(n, seeded(2)).double()
    cell = ((x / half + 1) / 2 * CELLS).floor().long().clamp(0, CELLS - 1)
    counts = torch.bincount(cell[:, 0] * CELLS + cell[:, 1], minlength=CELLS**2)
    expected = mass.reshape(CELLS, fine, CELLS, fine).sum((1, 3)).flatten()
    accept(chi_square_p(counts, expected), level)


def stein(density: Density, n: int, level: float) -> None:
    """E s = 0 and E x sᵀ = −I under the samples: integration by parts."""
    x = density.sample(n, seeded(3)).double()
    s = density.score(x).reshape(n, -1)
    x = x.reshape(n, -1)
    products = torch.einsum("ni,nj->nij", x, s).reshape(n, -1)
    accept([*mean_p(s), *mean_p(products, -torch.eye(x.shape[1]))], level)


def semigroup(density: Density) -> None:
    a, s, b, r = 0.8, 0.6, 0.5, 0.9
    twice = density.diffuse(a, s).diffuse(b, r)
    once = density.diffuse(a * b, math.hypot(b * s, r))
    x = points(once)
    torch.testing.assert_close(twice.log_prob(x), once.log_prob(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(twice.score(x), once.score(x), rtol=1e-10, atol=1e-10)


def diffuse_is_convolution(density: Density) -> None:
    """p_{α,σ}(x) = ∫ p(y) N(x; αy, σ²I) dy by quadrature."""
    alpha, sigma = 0.7, 0.8
    lattice, mass, _ = plane(density)
    x = points(density.diffuse(alpha, sigma), 4)
    distance = torch.cdist(x, alpha * lattice.reshape(-1, 2)) ** 2
    kernel = torch.exp(-distance / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    torch.testing.assert_close(
        density.diffuse(alpha, sigma).log_prob(x).exp(), kernel @ mass.reshape(-1), rtol=1e-3, atol=1e-5
    )


def tweedie(density: Density, n: int, level: float) -> None:
    """E[x_0 | x_t] of the model is the average of draws weighted by N(x_t; αx_0, σ²I), by a z-test on the weighted errors."""
    model = Exact(density, VP())
    t = torch.tensor(0.3, dtype=torch.float64)
    alpha, sigma = model.process.alpha_sigma(t)
    x0 = density.sample(n, seeded(4)).double().reshape(n, -1)
    for x_t in model.marginal(t).sample(4, seeded(5)).double():
        exact = model.denoise(x_t[None], t).reshape(1, -1)
        log_weight = -((x_t.reshape(1, -1) - alpha * x0) ** 2).sum(1) / (2 * sigma**2)
        weight = torch.exp(log_weight - log_weight.max())
        accept(mean_p(weight[:, None] * (x0 - exact)), level / 4)


# --- every density obeys them ----------------------------------------------------------------------------------------------------

every = pytest.mark.parametrize("name", DENSITIES)


@every
def test_draws_are_a_whole_number_of_numbers(name: str) -> None:
    for n in (-1, 2.5, "3"):
        with pytest.raises(ConfigError, match="n must be a whole number of at least 0"):
            DENSITIES[name].sample(n)  # pyright: ignore[reportArgumentType]
    with torch.device("meta"), pytest.raises(ConfigError, match="received meta as"):
        DENSITIES[name].sample(3)


planar = pytest.mark.parametrize("name", PLANAR)
QUICK = 5_000  # of so many draws the mutants below are rejected, too
sizes = pytest.mark.parametrize("n", [QUICK, pytest.param(400_000, marks=pytest.mark.slow)])


@every
def test_the_score_is_the_gradient_of_log_prob(name: str) -> None:
    score_is_gradient(DENSITIES[name])
    score_is_gradient(DENSITIES[name].diffuse(0.6, 0.7))


@pytest.mark.promise("D1")
@given(
    name=st.sampled_from(sorted(DENSITIES)),
    alpha=st.floats(0.05, 1.0),
    sigma=st.floats(0.05, 5.0),
    stretch=st.floats(0.1, 4.0),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_score_is_the_gradient_at_any_noise_and_any_distance(
    name: str, alpha: float, sigma: float, stretch: float, seed: int
) -> None:
    """D1: 200 cases over all densities, to 1e-10 in float64; "score of equal weights" below is the mutant."""
    density = DENSITIES[name].diffuse(alpha, sigma)
    score_is_gradient(density, stretch * density.sample(8, seeded(seed)).double())


@planar
def test_the_law_is_normalised(name: str) -> None:
    integrates_to_one(DENSITIES[name])
    integrates_to_one(DENSITIES[name].diffuse(0.6, 0.7))


@planar
@sizes
def test_samples_fill_the_plane_as_log_prob_says(name: str, n: int) -> None:
    """χ² over 144 cells; family level 1e-3."""
    samples_fill_cells(DENSITIES[name], n, LEVEL / len(PLANAR))


@every
@sizes
def test_samples_and_score_obey_stein(name: str, n: int) -> None:
    """z-tests; family level 1e-3 over the densities and their noised versions."""
    stein(DENSITIES[name], n, LEVEL / (2 * len(DENSITIES)))
    stein(DENSITIES[name].diffuse(0.6, 0.7), n, LEVEL / (2 * len(DENSITIES)))


@every
def test_noising_twice_is_noising_once(name: str) -> None:
    semigroup(DENSITIES[name])


@planar
def test_noising_is_convolution(name: str) -> None:
    diffuse_is_convolution(DENSITIES[name])


@every
@sizes
def test_the_posterior_mean_is_the_weighted_average_of_draws(name: str, n: int) -> None:
    """z-tests at four states; family level 1e-3."""
    tweedie(DENSITIES[name], n, LEVEL / len(DENSITIES))


@every
def test_one_scale_per_row_is_each_row_alone(name: str) -> None:
    density = DENSITIES[name]
    alphas, sigmas = (
        torch.tensor([0.3, 0.9, 1.0], dtype=torch.float64),
        torch.tensor([1.0, 0.4, 0.2], dtype=torch.float64),
    )
    x = density.sample(3, seeded(6)).double()
    rows = density.diffuse(alphas, sigmas)
    for i, (a, s) in enumerate(zip(alphas.tolist(), sigmas.tolist(), strict=True)):
        alone = density.diffuse(a, s)
        torch.testing.assert_close(rows.log_prob(x)[i : i + 1], alone.log_prob(x[i : i + 1]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(rows.score(x)[i : i + 1], alone.score(x[i : i + 1]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(DENSITIES) - {"empirical", "empirical-image", "Empirical"}))
def test_a_row_without_noise_stands_beside_rows_with_noise(name: str) -> None:
    """t = 0 among other times, under a process that has no noise there."""
    density = DENSITIES[name]
    x = torch.cat([density.sample(1, seeded(6)).double()] * 2)
    rows = density.diffuse(*torch.tensor([[1.0, 0.8], [0.0, 0.5]], dtype=torch.float64))
    for i, alone in enumerate((density, density.diffuse(0.8, 0.5))):
        torch.testing.assert_close(rows.log_prob(x)[i], alone.log_prob(x[i : i + 1])[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(rows.score(x)[i], alone.score(x[i : i + 1])[0], rtol=1e-12, atol=1e-12)


@every
def test_no_rows_have_no_numbers(name: str) -> None:
    noised, none = DENSITIES[name].diffuse(0.9, 0.5), torch.zeros(0, *DENSITIES[name].event)
    assert noised.log_prob(none).shape == (0,)
    assert noised.score(none).shape == none.shape
    assert noised.sample(0, seeded(0)).shape == none.shape


@every
def test_whole_numbers_are_no_states(name: str) -> None:
    """Means and scales would be rounded to whole numbers beside them."""
    noised, x = DENSITIES[name].diffuse(0.9, 0.5), torch.ones(3, *DENSITIES[name].event, dtype=torch.long)
    for view in (noised.log_prob, noised.score):
        with pytest.raises(
            ConfigError, match=r"floating-point numbers; received torch\.int64: x\.float\(\) makes them"
        ):
            view(x)


@every
def test_other_events_are_not_broadcast(name: str) -> None:
    """One row without its axis, one coordinate for all, one too many."""
    noised, event = DENSITIES[name].diffuse(0.9, 0.5), DENSITIES[name].event
    for shape in ((*event,), (3, *event[:-1], 1), (3, *event[:-1], event[-1] + 1), (3, *event, 1), ()):
        for view in (noised.log_prob, noised.score):
            with pytest.raises(
                ConfigError, match=r"states must have shape \(b, .*\), as the density's events; received"
            ):
                view(torch.zeros(shape))


@every
@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16], ids=str)
def test_states_of_half_precision_have_the_numbers_of_float32_rounded_once(name: str, narrow: torch.dtype) -> None:
    """Far from the data, too, where squares are beyond float16."""
    noised = DENSITIES[name].diffuse(0.9, 0.5)
    x = torch.cat([noised.sample(32, seeded(8)), 20 * noised.sample(8, seeded(9))]).to(narrow)
    for view in (noised.log_prob, noised.score):
        exact = view(x.float())
        rounding = 2 * torch.finfo(narrow).eps
        torch.testing.assert_close(
            view(x), exact.to(narrow), rtol=rounding, atol=rounding * exact.abs().median().item()
        )


@every
def test_inference_mode_changes_no_number(name: str) -> None:
    density, process = DENSITIES[name], VP()
    x = density.sample(4, seeded(7))
    expected = Exact(density, process).score(x, 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(Exact(density, process).score(x.clone(), 0.5), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name, density in DENSITIES.items() if density.moments is not None])
def test_moments_of_one_level_per_row_are_those_of_each_row(name: str) -> None:
    alpha, sigma = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64), torch.tensor([0.3, 0.7, 1.0])
    rows = DENSITIES[name].diffuse(alpha, sigma).moments
    each = [DENSITIES[name].diffuse(a, s).moments for a, s in zip(alpha, sigma, strict=True)]
    torch.testing.assert_close(rows.mean, torch.stack([moments.mean for moments in each]))
    torch.testing.assert_close(rows.std, torch.stack([moments.std for moments in each]))


@planar
@pytest.mark.parametrize("process", PROCESSES)
def test_float32_states_have_the_score_that_float64_states_have(name: str, process: str) -> None:
    """σ s to 2e-5 of 1 + |σ s|, at both ends of the process, where data are and between them, σ 1e-4 of the data and 1e4 times them."""
    known = PROCESSES[process]
    for t in (known.t_min, known.t_max):
        alpha, sigma = (scale.item() for scale in known.alpha_sigma(torch.tensor(t, dtype=torch.float64)))
        noised = DENSITIES[name].diffuse(alpha, sigma)
        x = noised.sample(64, seeded(0))
        x = torch.cat([x, x + 3 * sigma, 0.5 * (x + x.roll(1, 0))])
        exact = sigma * noised.score(x.double())
        gap = (sigma * noised.score(x).double() - exact).abs() / (1 + exact.abs())
        assert gap.max().item() < 2e-5


def test_a_point_set_far_from_the_origin_keeps_its_posterior() -> None:
    """Points a million from 0 and a hundredth apart; the same points around 0 say what the score is."""
    near, x = 0.01 * normal(50, 2), 0.01 * normal(6, 2, seed=1)
    far = torch.tensor([1e6, -3e5], dtype=torch.float64)
    here, there = (
        Empirical(points + at).diffuse(1.0, 0.004).score(x + at) for points, at in ((near, 0 * far), (near, far))
    )
    torch.testing.assert_close(
        there, here, rtol=1e-3, atol=1e-2
    )  # of scores up to 400; the states themselves are rounded by 1e-10


@given(
    seed=st.integers(0, 10**6),
    k=st.integers(1, 5),
    size=st.integers(1, 5),
    kind=st.sampled_from(["iso", "diag", "full"]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_mixture_has_its_gradient_as_score_and_noises_exactly(seed: int, k: int, size: int, kind: str) -> None:
    diagonal = normal(k, size, seed=seed + 1).square() + 0.1
    covariance = {"iso": diagonal[:, 0], "diag": diagonal, "full": covariances(k, size, seed)}[kind]
    density = GaussianMixture(2 * normal(k, size, seed=seed), covariance, normal(k, seed=seed).square() + 0.01)
    score_is_gradient(density)
    semigroup(density)


def test_a_point_set_is_streamed_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    density, x = Empirical(normal(23, 2)).diffuse(0.9, 0.3), 3 * normal(6, 2, seed=1)
    whole = density.log_prob(x), density.score(x)
    monkeypatch.setattr("scorefield.densities.empirical._PAIRS_AT_ONCE", 30)  # five points at a time
    for found, expected in zip((density.log_prob(x), density.score(x)), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


# --- and what is broken does not -------------------------------------------------------------------------------------------------

THREE = GaussianMixture([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]], 0.3, [0.2, 0.5, 0.3])  # pyright: ignore[reportArgumentType]
EQUAL = GaussianMixture([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]], 0.3)  # pyright: ignore[reportArgumentType]
MUTANTS: dict[str, tuple[Callable[[Density], None], AlteredDensity]] = {
    "score of equal weights": (score_is_gradient, AlteredDensity(THREE, score=lambda p, x: EQUAL.score(x))),
    "half the normalising constant": (
        integrates_to_one,
        AlteredDensity(THREE, log_prob=lambda p, x: p.log_prob(x) + 0.5 * math.log(2 * math.pi)),
    ),
    "samples of equal weights": (
        lambda p: samples_fill_cells(p, QUICK, LEVEL / len(PLANAR)),
        AlteredDensity(THREE, sample=lambda p, n, g: EQUAL.sample(n, g)),
    ),
    "score of twice the variance": (
        lambda p: stein(p, QUICK, LEVEL / (2 * len(DENSITIES))),
        AlteredDensity(THREE, score=lambda p, x: 0.5 * p.score(x)),
    ),
    "noise added, signal not scaled": (
        diffuse_is_convolution,
        AlteredDensity(THREE, diffuse=lambda p, a, s: p.diffuse(1.0, s)),
    ),
    "standard deviation replaced by σ": (
        diffuse_is_convolution,
        AlteredDensity(THREE, diffuse=lambda p, a, s: Empirical(torch.tensor([[0.0, 0.0]])).diffuse(a, s)),
    ),
    "noise variances not added": (
        semigroup,
        AlteredDensity(THREE, diffuse=lambda p, a, s: replace_noise(p.diffuse(a, s), s)),
    ),
    "posterior mean of less noise": (
        lambda p: tweedie(p, QUICK, LEVEL / len(DENSITIES)),
        AlteredDensity(THREE, diffuse=lambda p, a, s: p.diffuse(a, 0.8 * s)),
    ),
}


def replace_noise(density: Density, sigma: float) -> Density:
    """Return the density with only the last noise kept, and the same defect at the next noising."""
    return AlteredDensity(density, diffuse=lambda p, a, s: THREE.diffuse(a, s))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_density_is_rejected(name: str) -> None:
    law, mutant = MUTANTS[name]
    with pytest.raises(AssertionError):
        law(mutant)
