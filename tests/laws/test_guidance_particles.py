"""Laws of the particle method: it reaches posteriors that its own guidance misses, and knows how uncertain it is."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from scorefield import (
    VE,
    VP,
    Ancestral,
    DivergedError,
    Exact,
    FromScore,
    Gaussian,
    GaussianMixture,
    LinearGaussian,
    LogSNR,
    Mask,
    Particles,
    Process,
    Project,
    ScoreModel,
    sample,
)
from scorefield.guidance import particles as module
from scorefield.guidance.measurement import Guide

from .cases import normal, seeded
from .guided import mixture_posterior, posterior
from .statistics import LEVEL, accept, chi_square_p, mean_p

PROCESS = VE(sigma_min=0.03, sigma_max=10.0)
MEANS = torch.tensor([[-1.5, 0.0], [1.5, 1.0], [0.0, -1.5]], dtype=torch.float64)
VARIANCE = 0.15
SHARES = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
DATA = GaussianMixture(MEANS, VARIANCE, SHARES)
A = Project(torch.tensor([[0.8, 0.4]], dtype=torch.float64))
Y, NOISE = torch.tensor([[0.3]], dtype=torch.float64), 0.5
EYE = torch.eye(2, dtype=torch.float64)
TRUTH = mixture_posterior(MEANS, (VARIANCE * EYE).expand(3, 2, 2), SHARES, A.matrix, Y[0], NOISE)


def problem(process: Process = PROCESS) -> LinearGaussian:
    return LinearGaussian(Exact(DATA, process), A, Y, NOISE)


def weighs_the_modes(draw: Callable[[], Tensor]) -> None:
    """χ² of the modes' shares and z-tests of the mean; level 1e-3."""
    x = draw().double()
    counts = torch.bincount(torch.cdist(x, MEANS).argmin(1), minlength=3)
    nearest = torch.cdist(TRUTH.sample(200_000, seeded(0)).double(), MEANS).argmin(1)
    shares = torch.bincount(nearest, minlength=3) / len(nearest)
    mean = TRUTH.weights @ TRUTH.components.means
    accept([chi_square_p(counts, shares.double()), *mean_p(x, mean)], LEVEL)


def drawn(model: ScoreModel | None = None, count: int = 16, steps: int = 48, draws: int = 800) -> Tensor:
    model = model or problem()
    times = LogSNR(steps).times(model.process)
    return sample(model, Particles(count), (draws, 2), grid=times, seed=2).x


@pytest.mark.parametrize("process", [PROCESS, VP()])
@pytest.mark.parametrize(
    ("count", "steps", "draws"), [(16, 48, 800), pytest.param(32, 96, 1500, marks=pytest.mark.slow)]
)
def test_a_mixtures_modes_have_their_posterior_weights(process: Process, count: int, steps: int, draws: int) -> None:
    weighs_the_modes(lambda: drawn(problem(process), count, steps, draws))


def test_guidance_alone_does_not_weigh_them() -> None:
    times = LogSNR(96).times(PROCESS)
    with pytest.raises(AssertionError):
        weighs_the_modes(lambda: sample(problem(), Ancestral(), (1500, 2), grid=times, seed=2).x)
    with pytest.raises(AssertionError):
        weighs_the_modes(lambda: drawn(count=1, draws=1500))


class Otherwise(LinearGaussian):
    """A problem that says something else of its measurement."""

    def __init__(self, change: Callable[[Guide], Guide], y: Tensor = Y, noise: float = NOISE) -> None:
        super().__init__(Exact(DATA, PROCESS), A, y, noise)
        self.change = change

    def guide(self, x: Tensor, t: Tensor) -> Guide:
        return self.change(super().guide(x, t))


STATED: dict[str, Callable[[], LinearGaussian]] = {
    "sign of the fit": lambda: Otherwise(lambda g: g._replace(fit=-g.fit)),
    "fit ignored": lambda: Otherwise(lambda g: g._replace(fit=0 * g.fit)),
    "fit without its ½": lambda: Otherwise(lambda g: g._replace(fit=2 * g.fit)),
    "measurement noise too small": lambda: Otherwise(lambda g: g, noise=0.2),
    "sign of the measurement": lambda: Otherwise(lambda g: g, y=-Y),
}


@pytest.mark.parametrize("name", STATED)
def test_a_problem_wrongly_stated_is_noticed(name: str) -> None:
    with pytest.raises(AssertionError):
        weighs_the_modes(lambda: drawn(STATED[name]()))


def no_ratio(propose: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    def wrong(*args: object) -> tuple[Tensor, Tensor]:
        x, ratio = propose(*args)
        return x, 0 * ratio

    return wrong


def inverted(propose: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    def wrong(*args: object) -> tuple[Tensor, Tensor]:
        x, ratio = propose(*args)
        return x, -ratio

    return wrong


INSIDE = {
    "proposal not corrected for": ("_propose", no_ratio),
    "correction inverted": ("_propose", inverted),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_particle_method_with_one_thing_wrong_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, wrong = INSIDE[name]
    monkeypatch.setattr(module, part, wrong(getattr(module, part)))
    with pytest.raises(AssertionError):
        weighs_the_modes(drawn)


Pick = Callable[[Tensor, Tensor], Tensor]


def keeps_particles_by_weight(pick: Pick) -> None:
    """K w_k copies, rounded up or down (Carpenter, Clifford & Fearnhead 1999)."""
    log_weights = 3 * normal(10, 50) - 2
    u = torch.rand(50, generator=seeded(1), dtype=torch.float64)
    picked = pick(log_weights, (u + torch.arange(10)[:, None]) / 10)
    copies = torch.nn.functional.one_hot(picked, 10).sum(0).T
    expected = 10 * torch.softmax(log_weights, 0)
    assert ((copies - expected).abs() < 1 + 1e-9).all()


def test_systematic_resampling_keeps_each_particle_as_often_as_its_weight() -> None:
    keeps_particles_by_weight(module._pick)


def raw(log_weights: Tensor, u: Tensor) -> Tensor:
    """Weights as they are, not divided by their sum."""
    heights = torch.exp(log_weights).cumsum(0)
    return torch.searchsorted(heights.T.contiguous(), u.T.contiguous()).T.clamp_max(len(heights) - 1)


PICKS: dict[str, Pick] = {
    "weights not normalised": raw,
    "equal weights": lambda log_weights, u: module._pick(0 * log_weights, u),
    "logarithms for weights": lambda log_weights, u: module._pick(torch.softmax(log_weights, 0), u),
    "weights inverted": lambda log_weights, u: module._pick(-log_weights, u),
    "weights of the neighbour": lambda log_weights, u: module._pick(log_weights.roll(1, 1), u),
}


@pytest.mark.parametrize("name", PICKS)
def test_resampling_with_wrong_weights_is_noticed(name: str) -> None:
    with pytest.raises(AssertionError):
        keeps_particles_by_weight(PICKS[name])


Resample = Callable[[module.Cloud, Tensor], module.Cloud]


def leaves_the_weighted_law(resample: Resample) -> None:
    """The weight of a particle's offspring is its own, to within one particle's; rich samples are left alone."""
    k, b = 16, 40
    log_weights = torch.linspace(0.1, 3, b, dtype=torch.float64) * normal(k, b)
    parent = torch.arange(k).repeat_interleave(b)[:, None]
    state = parent.double()
    cloud = resample(module.Cloud(state, Guide(state, state, state[:, 0]), log_weights), torch.full((b,), 0.3))
    assert torch.equal(cloud.x, cloud.guide.denoised)
    assert torch.equal(cloud.x[:, 0], cloud.guide.fit)
    origin = cloud.x.reshape(k, b).long()
    weights = torch.zeros(k, b, dtype=torch.float64).scatter_add_(0, origin, torch.softmax(cloud.log_weights, 0))
    before = torch.softmax(log_weights, 0)
    assert ((weights - before).abs() < 1 / k + 1e-9).all()
    poor = 1 / (before**2).sum(0) < k / 2
    assert 0 < poor.sum() < b
    assert torch.equal(cloud.log_weights[:, ~poor], log_weights[:, ~poor])
    assert (1 / (torch.softmax(cloud.log_weights, 0) ** 2).sum(0) >= k / 2).all()


def test_resampling_leaves_the_weighted_law_and_ends_poverty() -> None:
    leaves_the_weighted_law(module._resample)


RESAMPLES: dict[str, Resample] = {
    "weights counted twice": lambda cloud, u: module._resample(cloud, u)._replace(log_weights=cloud.log_weights),
    "never": lambda cloud, u: cloud,
    "guides of other particles": lambda cloud, u: module._resample(cloud, u)._replace(guide=cloud.guide),
    "weights forgotten": lambda cloud, u: cloud._replace(log_weights=0 * cloud.log_weights),
}


@pytest.mark.parametrize("name", RESAMPLES)
def test_another_resampling_does_not(name: str) -> None:
    with pytest.raises(AssertionError):
        leaves_the_weighted_law(RESAMPLES[name])


@pytest.mark.slow
def test_a_correlated_gaussian_whose_posterior_the_guidance_misses_is_reached() -> None:
    """1 500 draws: z-tests of the mean; the covariance within five standard errors."""
    mean, cov = torch.tensor([0.5, -0.5], dtype=torch.float64), torch.tensor([[1.0, 0.8], [0.8, 1.0]]).double()
    y = torch.tensor([[1.5]], dtype=torch.float64)
    centre, covariance = posterior(mean, cov, torch.tensor([[1.0, 0.0]]).double(), y[0], 0.3)
    model = LinearGaussian(Exact(Gaussian(mean, cov), PROCESS), Mask(torch.tensor([True, False])), y, 0.3)
    x = sample(model, Particles(32), (1500, 2), grid=LogSNR(128).times(PROCESS), seed=4).x.double()
    accept(mean_p(x, centre), LEVEL)
    torch.testing.assert_close(torch.cov(x.T), covariance, rtol=0, atol=0.07)


def ranks(model: LinearGaussian, x0: Tensor, draws: int, sampler: Particles | Ancestral, steps: int) -> Tensor:
    """Return how many posterior draws lie below the truth, for each truth and coordinate: each truth has its own measurement."""
    times = LogSNR(steps).times(PROCESS)
    x = sample(model, sampler, (len(x0) * draws, 2), grid=times, seed=6, batch_size=4000).x
    return (x.reshape(len(x0), draws, 2) < x0[:, None]).sum(1)


def is_calibrated(truths: int, draws: int, sampler: Particles | Ancestral, steps: int, noise: float = NOISE) -> None:
    """Simulation-based calibration (Talts et al. 2018): ranks of the truth among draws given its measurement are uniform. Level 1e-3."""
    x0 = DATA.sample(truths, seeded(3))
    y = A.apply(x0) + NOISE * torch.randn(truths, 1, generator=seeded(4))
    model = LinearGaussian(Exact(DATA, PROCESS), A, y.repeat_interleave(draws, dim=0), noise)
    counted = ranks(model, x0, draws, sampler, steps)
    uniform = torch.full((draws + 1,), 1 / (draws + 1), dtype=torch.float64)
    counts = [torch.bincount(column, minlength=draws + 1) for column in counted.T]
    centred = (counted.double() - draws / 2) / np.sqrt(draws * (draws + 2) / 12)
    spread = [float(2 * min(stats.norm.cdf(z), stats.norm.sf(z))) for z in _widths(centred, draws)]
    accept([*(chi_square_p(c, uniform) for c in counts), *mean_p(centred), *spread], LEVEL)


def _widths(centred: Tensor, draws: int) -> list[float]:
    """Return z-scores of the second moment of uniform ranks, which is one: too narrow a posterior has more at the ends."""
    levels = (torch.arange(draws + 1).double() - draws / 2) / np.sqrt(draws * (draws + 2) / 12)
    error = (levels**4).mean().sub(1).div(len(centred)).sqrt()
    return (((centred**2).mean(0) - 1) / error).tolist()


@pytest.mark.promise("D14")
def test_ranks_of_the_truth_are_uniform() -> None:
    is_calibrated(500, 3, Particles(16), 64)


@pytest.mark.promise("D14")
@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform_among_many() -> None:
    is_calibrated(500, 15, Particles(32), 96)


@pytest.mark.parametrize(("sampler", "noise"), [(Particles(16), 0.25), (Ancestral(), 0.1)])
def test_a_posterior_of_the_wrong_width_is_not_calibrated(sampler: Particles | Ancestral, noise: float) -> None:
    with pytest.raises(AssertionError):
        is_calibrated(500, 3, sampler, 64, noise)


def test_particles_count_their_calls_and_each_sample_belongs_to_its_seed() -> None:
    calls: list[int] = []
    base = Exact(DATA, PROCESS)

    def score(x: Tensor, t: Tensor) -> Tensor:
        calls.append(len(x))
        return base.score(x, t)

    model = LinearGaussian(FromScore(score, PROCESS), A, Y, NOISE)
    times = LogSNR(5).times(PROCESS)
    whole = sample(model, Particles(8), (5, 2), grid=times, seed=1)
    assert 2 * sum(calls) == whole.evaluations * 5
    parts = sample(model, Particles(8), (5, 2), grid=times, seed=1, batch_size=2).x
    torch.testing.assert_close(parts, whole.x, rtol=1e-4, atol=1e-4)


def test_equal_times_change_nothing() -> None:
    times = LogSNR(5).times(PROCESS)
    twice = torch.cat([times[:3], times[2:]])
    a, b = (sample(problem(), Particles(4), (3, 2), grid=grid, seed=1, frames=8).trajectory for grid in (times, twice))
    assert a is not None
    assert b is not None
    assert torch.isfinite(b).all()


def test_weights_that_are_not_finite_are_an_error() -> None:
    model = Otherwise(lambda g: g._replace(fit=g.fit * torch.nan))
    with pytest.raises(DivergedError, match="weights of the particles"):
        sample(model, Particles(4), (2, 2), grid=LogSNR(3).times(PROCESS))


@pytest.mark.parametrize("count", [0, -1])
def test_no_particles_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count must be a whole number of at least 1"):
        Particles(count)


def test_particles_need_a_measurement() -> None:
    with pytest.raises(ValueError, match="which states the measurement"):
        sample(Exact(DATA, PROCESS), Particles(2), (1, 2), grid=LogSNR(2).times(PROCESS))
