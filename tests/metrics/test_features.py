"""Distances between laws of features: closed forms, ranks that fail, errors that are what they say."""

import math
import warnings

import pytest
import scipy.linalg
import torch
from scipy import stats
from torch import Tensor

from laws.cases import normal
from laws.statistics import LEVEL, accept
from scorefield.metrics import Estimate, frechet_distance, half_sampling, kernel_distance
from scorefield.metrics.estimate import mean


def with_moments(n: int, mean: Tensor, covariance: Tensor, seed: int) -> Tensor:
    """Return n rows whose sample mean and (unbiased) sample covariance are exactly these."""
    x = normal(n, len(mean), seed=seed)
    x = x - x.mean(dim=0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / (n - 1)), x.T, upper=False).T
    return white @ torch.linalg.cholesky(covariance).T + mean


def random_covariance(d: int, seed: int) -> Tensor:
    root = normal(d, d, seed=seed)
    return root @ root.T / d + 0.1 * torch.eye(d, dtype=torch.float64)


def between_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    root = torch.as_tensor(scipy.linalg.sqrtm((cov_a @ cov_b).numpy())).real
    return ((mean_a - mean_b).square().sum() + (cov_a + cov_b - 2 * root).trace()).item()


def test_the_frechet_distance_is_that_of_gaussians_of_the_sample_moments() -> None:
    mean_a, mean_b = normal(6, seed=1), normal(6, seed=2)
    cov_a, cov_b = random_covariance(6, 3), random_covariance(6, 4)
    found = frechet_distance(with_moments(50, mean_a, cov_a, 5), with_moments(70, mean_b, cov_b, 6)).value
    assert found == pytest.approx(between_gaussians(mean_a, cov_a, mean_b, cov_b), rel=1e-8)
    biased = between_gaussians(mean_a, 49 / 50 * cov_a, mean_b, 69 / 70 * cov_b)  # a mutant that divides by n
    assert found != pytest.approx(biased, rel=1e-4)


def test_the_frechet_distance_between_scales_is_the_difference_of_standard_deviations() -> None:
    a = with_moments(40, torch.zeros(3).double(), torch.diag(torch.tensor([1.0, 4.0, 9.0]).double()), 1)
    b = with_moments(40, torch.ones(3).double(), torch.diag(torch.tensor([4.0, 4.0, 1.0]).double()), 2)
    assert frechet_distance(a, b).value == pytest.approx(3 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2, rel=1e-8)


@pytest.mark.parametrize(("n", "f"), [(12, 64), (5, 128), (20, 20)])
def test_covariances_of_less_than_full_rank_give_the_distance_and_no_nan(n: int, f: int) -> None:
    a, b = normal(n, f, seed=1), 1.5 * normal(n, f, seed=2) + 0.3
    a[:, 0] = b[:, 0] = 0.0  # a feature that is never active
    found = frechet_distance(a, b)
    # tr (Σ_a Σ_b)^½ is the sum of the singular values of the product of the centred data, which needs no inverse.
    left, right = ((x - x.mean(dim=0)) / math.sqrt(n - 1) for x in (a, b))
    trace = torch.linalg.svdvals(left @ right.T).sum()
    closed = (a.mean(0) - b.mean(0)).square().sum() + left.square().sum() + right.square().sum() - 2 * trace
    assert found.value == pytest.approx(closed.item(), rel=1e-5)
    assert math.isfinite(found.error)
    assert frechet_distance(a, a).value == pytest.approx(0, abs=1e-4)


def test_the_frechet_distance_of_one_law_is_a_bias_that_falls_like_1_over_n() -> None:
    values = [
        frechet_distance(normal(n, 8, seed=1), normal(n, 8, seed=2), replicates=2).value for n in (200, 800, 3200)
    ]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0


def test_the_frechet_distance_is_torchmetrics_fid() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b, given = normal(60, 7, seed=1), 1.2 * normal(80, 7, seed=2) + 0.1, torch.nn.Identity()
    given.num_features = 7
    metric = FrechetInceptionDistance(feature=given)
    metric.update(a, real=False)
    metric.update(b, real=True)
    assert frechet_distance(a, b).value == pytest.approx(metric.compute().item(), rel=1e-10)
    assert frechet_distance(a[:, :1], b[:, :1]).value == pytest.approx(
        between_gaussians(*(moment for x in (a[:, 0], b[:, 0]) for moment in (x.mean(), x.var().reshape(1, 1)))),
        rel=1e-8,
    )


def test_the_kernel_distance_is_torchmetrics_kid_of_one_subset_of_all() -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    torch.manual_seed(0)  # by which the metric orders its subset
    a, b = normal(60, 7, seed=1), 1.2 * normal(60, 7, seed=2) + 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it keeps features
        metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=1, subset_size=60)
    metric.update(a, real=True)
    metric.update(b, real=False)
    assert kernel_distance(a, b).value == pytest.approx(metric.compute()[0].item(), rel=1e-10)


def test_the_kernel_distance_is_its_closed_form_between_uniform_laws() -> None:
    """In one dimension the kernel's features are 1, x, x², x³ with weights 1, 3, 3, 1: it compares the first three moments."""
    shift = 0.4
    a, b = (2 * torch.rand(n, 1, generator=torch.Generator().manual_seed(n)).double() - 1 for n in (4000, 3000))
    found = kernel_distance(a, b + shift)
    first, second, third = shift, shift**2, shift**3 + shift

    def p_value(expected: float) -> float:
        return 2 * float(stats.norm.sf(abs(found.value - expected) / found.error))

    accept(p_value(3 * first**2 + 3 * second**2 + third**2), LEVEL)
    for mutant in (first**2 + second**2 + third**2, third**2, 2 * first**2 + second**2):  # other kernels
        assert p_value(mutant) < LEVEL


def error_p(found: list[Estimate], true_variances: list[float], replicates: int) -> float:
    """Return the two-sided p-value that squared errors, each of ``replicates`` halves, are these variances: χ² of the pooled ratio."""
    degrees = replicates - 1
    total = sum(degrees * e.error**2 / v for e, v in zip(found, true_variances, strict=True))
    count = degrees * len(found)
    return 2 * min(float(stats.chi2.cdf(total, count)), float(stats.chi2.sf(total, count)))


def test_half_sampling_gives_the_standard_error_of_a_mean() -> None:
    data = [normal(400, 1, seed=k) for k in range(40)]
    found = [half_sampling(lambda x: (x.mean().item(),), x, replicates=20, seed=k)[0] for k, x in enumerate(data)]
    variances = [x.var().item() / 400 for x in data]
    assert [e.value for e in found] == [x.mean().item() for x in data]
    accept(error_p(found, variances, 20), LEVEL)
    assert error_p(found, [2 * v for v in variances], 20) < LEVEL  # that of a half, not of the whole


def test_half_sampling_halves_every_sample_on_its_own_and_repeats() -> None:
    x, y = normal(300, 1, seed=1), normal(300, 1, seed=2)

    def difference(x: Tensor, y: Tensor) -> tuple[float]:
        return ((x.mean() - y.mean()).item(),)

    (first,), (again,) = (half_sampling(difference, x, y, replicates=200) for _ in range(2))
    assert first == again
    assert half_sampling(difference, x, y, seed=1)[0].error != first.error
    assert first.error == pytest.approx((x.var() / 300 + y.var() / 300).sqrt().item(), rel=0.2)  # ± 4 of 1/√400
    (shared,) = half_sampling(difference, x, x, replicates=200)
    assert shared.error == pytest.approx(first.error, rel=0.3)  # halves of one sample twice would differ by nothing


def test_the_error_of_a_frechet_distance_is_its_spread() -> None:
    pairs = [(normal(150, 4, seed=2 * k), normal(150, 4, seed=2 * k + 1) + 0.5) for k in range(60)]
    found = [frechet_distance(a, b, seed=k) for k, (a, b) in enumerate(pairs)]
    spread = torch.tensor([e.value for e in found]).std().item()
    typical = torch.tensor([e.error for e in found]).mean().item()
    assert 0.7 < typical / spread < 1.4  # the spread of 60 is known to 9 %


def test_an_interval_is_two_errors_wide_each_way() -> None:
    assert Estimate(1.0, 0.5).interval == pytest.approx((0.02, 1.98))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30, 100])
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says(n: int) -> None:
    """95 % of 4000 means of n normal numbers, exactly by Student; from 100 on, where 1.96 stands for his 1.984, 94.7 %."""
    values = normal(4000, n, seed=n)
    held = sum(low <= 0 <= high for low, high in (mean(row).interval for row in values))
    accept(stats.binomtest(held, 4000, 0.95 if n < 100 else 0.947).pvalue, LEVEL)


def test_the_interval_of_a_share_is_wilsons() -> None:
    always, half = mean(torch.ones(10, dtype=torch.bool)), mean(torch.arange(10) < 5)
    z2 = 1.959964**2
    assert always == (1.0, 0.0, pytest.approx((10 / (10 + z2), 1.0)))
    reach = math.sqrt(z2 * (0.25 * 10 + z2 / 4)) / (10 + z2)
    assert half == (0.5, pytest.approx(math.sqrt(0.025)), pytest.approx((0.5 - reach, 0.5 + reach)))


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance])
def test_features_that_cannot_be_compared_are_refused(metric) -> None:
    good = normal(10, 2)
    for bad in (normal(10, 3), normal(1, 2), torch.full((10, 2), math.nan)):
        with pytest.raises(ValueError, match=r"received|not finite"):
            metric(good, bad)


def test_halves_of_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least four rows"):
        frechet_distance(normal(3, 2), normal(10, 2))
