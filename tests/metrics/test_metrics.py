"""Every metric against a closed form at a stated level, and against something it must tell apart."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from laws.cases import normal
from laws.statistics import LEVEL, accept, mean_p
from scorefield import (
    VE,
    VP,
    AnnealedLangevin,
    Constant,
    DivergedError,
    Estimate,
    Exact,
    FromScore,
    Gaussian,
    GaussianMixture,
    Heun,
    Ladder,
    Langevin,
    LogSNR,
    Trace,
    c2st,
    diagnose_chains,
    energy_distance,
    fisher_divergence,
    geometric,
    kernel_stein_discrepancy,
    mmd,
    mode_jumps,
    mode_weights,
    sample,
    sliced_wasserstein,
    soundness,
    wasserstein,
)
from scorefield.metrics import density_coverage, frechet_distance, nearest_neighbours, precision_recall


def z_p(found: Estimate, expected: float) -> float:
    """Return the p-value of an estimate whose expectation is ``expected``."""
    return 2 * float(stats.norm.sf(abs(found.value - expected) / found.error))


def shifted(n: int, shift: float, d: int, seed: int) -> Tensor:
    return normal(n, d, seed=seed) + shift


@pytest.mark.parametrize("d", [1, 3])
def test_mmd_is_its_closed_form_between_gaussians(d: int) -> None:
    h, shift = 1.3, 0.8
    found = mmd(shifted(3000, 0, d, 1), shifted(2000, shift, d, 2), bandwidth=h)
    closed = 2 * (h**2 / (h**2 + 2)) ** (d / 2) * (1 - math.exp(-d * shift**2 / (2 * (h**2 + 2))))
    accept(z_p(found, closed), LEVEL / 4)
    assert z_p(found, 1.3 * closed) < LEVEL


@pytest.mark.parametrize("rare", [0.05, 0.0])
def test_a_bandwidth_is_found_where_most_samples_are_equal(rare: float) -> None:
    """Tables of rare events: of the pairs that differ the median distance is 1; where none do, nothing is between samples."""
    x, y = ((normal(400, 1, seed=k).abs() < share).double() for k, share in ((1, 0.0), (2, 2 * rare)))
    assert mmd(x, y) == mmd(x, y, bandwidth=1.0)
    assert (mmd(x, y).value > 0) == (rare > 0)


def test_the_energy_distance_is_its_closed_form_between_gaussians() -> None:
    def mean_distance(m: float) -> float:  # E|N(m, 2)|
        s = math.sqrt(2)
        return s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * (1 - 2 * float(stats.norm.cdf(-m / s)))

    found = energy_distance(shifted(4000, 0, 1, 3), shifted(3000, 0.7, 1, 4))
    closed = 2 * mean_distance(0.7) - 2 * mean_distance(0)
    accept(z_p(found, closed), LEVEL / 4)
    assert z_p(found, closed / 2) < LEVEL


def test_distances_within_one_law_are_around_zero_of_both_signs() -> None:
    values = [mmd(shifted(300, 0, 2, 2 * k), shifted(300, 0, 2, 2 * k + 1)).value for k in range(40)]
    accept(mean_p(torch.tensor(values)), LEVEL / 4)
    assert min(values) < 0 < max(values)


def test_wasserstein_of_a_shift_is_the_shift() -> None:
    x = normal(400, 2)
    shift = torch.tensor([0.3, -0.4], dtype=torch.float64)
    y = (x + shift)[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    assert wasserstein(x, y) == pytest.approx(0.5, rel=1e-9)
    assert sliced_wasserstein(x, y, projections=4000) == pytest.approx(0.5 / math.sqrt(2), rel=0.05)


def test_a_classifier_tells_laws_apart_and_only_guesses_within_one() -> None:
    accuracy, p = c2st(shifted(2000, 0, 2, 5), shifted(2000, 0, 2, 6))
    assert p > LEVEL
    assert accuracy.value == pytest.approx(0.5, abs=0.08)
    assert (
        c2st(normal(400, 200, seed=1), normal(400, 200, seed=2))[1] > LEVEL
    )  # so few are learned by heart, and not tested
    accuracy, p = c2st(shifted(2000, 0, 2, 5), shifted(2000, 1.0, 2, 6))
    assert p < 1e-6
    assert accuracy.value == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.05)  # Bayes: Φ(‖shift‖/2)


def test_the_stein_discrepancy_is_its_closed_form_for_a_shifted_gaussian() -> None:
    shift, scale = 0.6, 1.5
    found = kernel_stein_discrepancy(shifted(2500, shift, 1, 7), Gaussian([0.0], 1.0).score, scale=scale)
    kernel = integrate.quad(lambda r: stats.norm.pdf(r, scale=2**0.5) / math.sqrt(scale**2 + r**2), -20, 20)[0]
    accept(z_p(found, shift**2 * kernel), LEVEL / 4)
    assert z_p(found, 0.0) < LEVEL


def test_the_stein_kernel_is_its_definition_in_three_dimensions() -> None:
    law = Gaussian([0.2, 0.0, -0.1], torch.tensor([0.5, 1.0, 2.0]))
    x = normal(5, 3, seed=8).requires_grad_(True)

    def k(a: Tensor, b: Tensor) -> Tensor:
        return (4.0 + ((a - b) ** 2).sum()) ** -0.5

    total, s = 0.0, law.score(x.detach())
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            a, b = x[i].detach(), x[j].detach()
            gb = torch.func.grad(k, argnums=1)
            trace = torch.func.jacrev(gb, argnums=0)(a, b).diagonal().sum()
            total += (s[i] @ s[j] * k(a, b) + s[i] @ gb(a, b) + s[j] @ torch.func.grad(k)(a, b) + trace).item()
    assert kernel_stein_discrepancy(x.detach(), law.score, scale=2.0).value == pytest.approx(total / 20, rel=1e-9)


def test_a_discrepancy_of_two_samples_has_no_error() -> None:
    """Both projections are the one number h(x, y), whose spread is 0 and says nothing."""
    found = kernel_stein_discrepancy(normal(2, 2), Gaussian([0.0, 0.0]).score)
    assert math.isnan(found.error)
    assert not math.isnan(found.value)


def test_the_fisher_divergence_of_the_truth_is_zero_and_of_a_wrong_scale_its_closed_form() -> None:
    law, process = Gaussian([1.0, -1.0], 1.0), VE(sigma_min=0.1, sigma_max=10.0)
    truth = Exact(law, process)
    assert fisher_divergence(truth, law, n=500).value < 1e-10
    wrong = FromScore(lambda x, t: 1.2 * truth.score(x, t), process)
    # E σ² ‖s‖² / D = σ²/(1 + σ²), whose mean over log σ from ln a to ln b is ln((1 + b²)/(1 + a²)) / 2 ln(b/a).
    closed = 0.2**2 * math.log((1 + 100) / (1 + 0.01)) / (2 * math.log(100))
    found = fisher_divergence(wrong, law, n=40_000)
    accept(z_p(found, closed), LEVEL / 4)
    one = fisher_divergence(wrong, law, t=process.time(torch.tensor(2.0).double()).item(), n=40_000)
    accept(z_p(one, 0.2**2 * 4 / 5), LEVEL / 4)


def test_mode_weights_accept_the_truth_and_reject_equal_shares() -> None:
    law = GaussianMixture.song2019()
    right = mode_weights(law.sample(5000, torch.Generator().manual_seed(1)), law)
    assert right.p_value > LEVEL
    assert right.low[0] < 0.2 < right.high[0]
    assert right.expected == pytest.approx([0.2, 0.8], abs=0.005)
    wrong = GaussianMixture(torch.tensor([[-5.0, -5.0], [5.0, 5.0]]), 1.0)
    assert mode_weights(wrong.sample(500, torch.Generator().manual_seed(1)), law).p_value < 1e-6


def test_a_missing_mode_is_seen() -> None:
    law = GaussianMixture.ring()
    x = law.sample(4000, torch.Generator().manual_seed(2))
    x = x[law.responsibilities(x.double()).argmax(1) != 3]
    found = mode_weights(x, law)
    assert found.shares[3] == 0
    assert found.p_value < 1e-6


def test_jumps_are_counted_per_transition() -> None:
    law = GaussianMixture.song2019()
    left, right = torch.tensor([-5.0, -5.0]), torch.tensor([5.0, 5.0])
    path = torch.stack([torch.stack([left, left]), torch.stack([left, right]), torch.stack([left, left])])
    assert mode_jumps(path, law) == pytest.approx(0.5)


def autoregressive(phi: float, frames: int, chains: int) -> Tensor:
    z, path = normal(frames, chains, 1, seed=11), [normal(chains, 1, seed=12)]
    for k in range(frames):
        path.append(phi * path[-1] + math.sqrt(1 - phi**2) * z[k])
    return torch.stack(path)


@pytest.mark.promise("D16")
def test_effective_sample_size_of_an_autoregressive_chain_is_its_closed_form() -> None:
    found = diagnose_chains(autoregressive(0.8, 4000, 8), discard=0.0)
    assert found.ess[0] == pytest.approx(8 * 4000 * (1 - 0.8) / (1 + 0.8), rel=0.1)
    assert found.rhat[0] < 1.01
    assert found.mixed


@pytest.mark.promise("D16")
def test_chains_that_do_not_meet_have_a_large_r_hat() -> None:
    apart = autoregressive(0.5, 400, 4) + 3 * torch.arange(4.0)[:, None]
    found = diagnose_chains(apart)
    assert found.rhat[0] > 1.5
    assert not found.mixed


def test_langevin_chains_mix_within_a_mode_and_not_between_far_ones() -> None:
    law, process = GaussianMixture.song2019(), VE(sigma_min=0.1, sigma_max=10.0)
    model, init = Exact(law, process), 16 * torch.rand(8, 2, generator=torch.Generator().manual_seed(3)) - 8
    drawn = sample(model, Langevin(0.3), init=init, grid=Constant(process.t_min, 1000), frames=1001, denoise=False)
    assert drawn.trajectory is not None
    assert diagnose_chains(drawn.trajectory).rhat[0] > 1.5
    assert mode_jumps(drawn.trajectory, law) < 0.001


def test_a_trace_tells_steps_sizes_and_levels() -> None:
    process = VE(sigma_min=0.1, sigma_max=10.0)
    model, sampler = Exact(Gaussian([0.0, 0.0], 1.0), process), AnnealedLangevin(step_size=0.02, repeats=10)
    trace = Trace(model)
    levels = geometric(2.0, 0.5, 4)
    sample(model, sampler, (4000, 2), grid=Ladder(levels).times(process), on_step=trace)
    assert [row.step for row in trace.rows] == [1, 2, 3, 4]
    assert [row.step_size for row in trace.rows] == pytest.approx([0.02 * (s / 0.5) ** 2 for s in levels.tolist()])
    assert all(row.nonfinite == 0 for row in trace.rows)
    # Under the exact score, score and state of the noised Gaussian are proportional: rms score = rms x / (1 + σ²).
    for row in trace.rows:
        assert row.score_rms == pytest.approx(row.x_rms / (1 + row.sigma**2), rel=1e-4)


def test_a_trace_sees_what_was_not_finite_before_sampling_stops() -> None:
    process = VP()
    truth = Exact(Gaussian([0.0, 0.0], 1.0), process)

    def broken(x: Tensor, t: Tensor) -> Tensor:
        return torch.where(x[:, :1] > 1.0, torch.nan, truth.score(x, t))

    model, sampler = FromScore(broken, process), Heun()
    trace = Trace(model)
    with pytest.raises(DivergedError):
        sample(model, sampler, (200, 2), grid=LogSNR(9).times(process), on_step=trace)
    assert len(trace.rows) == 1
    assert 0 < trace.rows[0].nonfinite < 200
    assert math.isfinite(trace.rows[0].x_rms)


def test_soundness_counts_what_it_says() -> None:
    x = torch.full((4, 1, 2, 2), 0.5)
    x[0, 0, 0, 0] = math.nan
    x[1, 0, 0, 0], x[1, 0, 1, 1] = 1.5, 0.0
    found = soundness(x)
    assert (found.n, found.finite) == (4, 0.75)
    assert found.in_range == pytest.approx(11 / 12)
    assert found.saturated == pytest.approx(2 / 12)
    assert found.total_variation == pytest.approx((1.0 + 0.5 + 1.0 + 0.5) / 12)
    assert soundness(torch.zeros(3, 2)).total_variation is None
    assert soundness(torch.zeros(3, 2)).coordinate_std == 0
    without = soundness(x, ends=None)
    assert (without.in_range, without.saturated, without.mean) == (None, None, found.mean)
    assert soundness(255 * x, ends=(0, 255)).in_range == pytest.approx(11 / 12)
    assert soundness(torch.full((2, 2), 2.0), ends=(0, 255)).saturated == 1
    stripes = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).expand(2, 1, 2, 2)
    assert [soundness(y).total_variation for y in (stripes, stripes.mT)] == [0.5, 0.5]


def scaled_score(x: Tensor) -> Tensor:
    """The score of N(0, 1) in the units of x, wherever its mean is: that of x's."""
    return -(x - x.mean(dim=0)) / x.var(dim=0).mean()


INVARIANT: dict[str, Callable[[Tensor, Tensor], list[float]]] = {
    "mmd": lambda x, y: [mmd(x, y).value],
    "energy_distance": lambda x, y: [energy_distance(x, y).value / x.std().item()],
    "wasserstein": lambda x, y: [wasserstein(x, y) / x.std().item()],
    "sliced_wasserstein": lambda x, y: [sliced_wasserstein(x, y) / x.std().item()],
    "frechet_distance": lambda x, y: [frechet_distance(x, y).value / x.var().item()],
    "precision_recall": lambda x, y: [found.value for found in precision_recall(x, y)],
    "density_coverage": lambda x, y: [found.value for found in density_coverage(x, y)],
    "nearest_neighbours": lambda x, y: (nearest_neighbours(x, y)[0][:, 0] / x.std()).tolist(),
    "kernel_stein_discrepancy": lambda x, y: [
        x.std().item() ** 3 * kernel_stein_discrepancy(x, scaled_score, scale=x.std().item()).value
    ],
}


@pytest.mark.parametrize("name", INVARIANT)
def test_where_data_lie_and_in_which_units_changes_no_distance(name: str) -> None:
    """A million from 0 and a hundredth wide, as times and coordinates are: squares of such lengths leave no digit of squared distances."""
    x, y = normal(200, 3), normal(200, 3, seed=1) + 0.5
    spread = x.std(dim=0).mean()
    found = INVARIANT[name](1e6 + 0.01 * x / spread, 1e6 + 0.01 * y / spread)
    assert found == pytest.approx(INVARIANT[name](x / spread, y / spread), rel=1e-5, abs=1e-6)


def test_a_coordinate_that_never_moved_has_not_mixed() -> None:
    """Its R̂ is 0/0, which no comparison finds too large."""
    chains = torch.cat([normal(1000, 8, 1), torch.ones(1000, 8, 1, dtype=torch.float64)], dim=2)
    assert diagnose_chains(chains[:, :, :1]).mixed
    assert not diagnose_chains(chains).mixed


@pytest.mark.parametrize("metric", [mmd, energy_distance])
def test_the_error_of_a_distance_is_its_spread_over_draws(metric):
    drawn = [metric(normal(60, 1, seed=k), 1 + normal(60, 1, seed=1000 + k)) for k in range(100)]
    values, errors = (torch.tensor([getattr(one, part) for one in drawn]) for part in ("value", "error"))
    # A standard deviation of 100 draws is off by 7 %, and by 25 % once in 3000.
    assert errors.square().mean().sqrt() == pytest.approx(values.std(), rel=0.25)


@pytest.mark.parametrize("metric", [mmd, energy_distance, wasserstein, sliced_wasserstein, c2st])
def test_what_cannot_be_compared_is_refused(metric) -> None:
    good = normal(10, 2)
    for bad in (normal(10, 3), normal(1, 2), torch.full((10, 2), math.nan)):
        with pytest.raises(ValueError, match=r"received|not finite"):
            metric(good, bad)
    with pytest.raises(ValueError, match="twelve or more"):
        c2st(good, good)
    with pytest.raises(ValueError, match="eight frames"):
        diagnose_chains(normal(10, 4, 2))


@pytest.mark.parametrize(
    ("value", "error", "read"),
    [
        (2.002657, 4.6e-5, "2.002657 ± 0.000046"),
        (0.1045, 0.05, "0.104 ± 0.050"),
        (1893.2, 240.0, "1893 ± 240"),
        (-2e-9, 1e-9, "-2.00·10⁻⁹ ± 1.00·10⁻⁹"),
        (0.25, 0.0, "0.25 ± 0"),
        (0.25, 3e-18, "0.25 ± 3e-18"),
        (0.0, 1e-305, "0 ± 1e-305"),
        (float("nan"), 0.1, "nan ± 0.1"),
    ],
)
def test_an_estimate_is_printed_to_two_digits_of_its_error(value: float, error: float, read: str):
    assert str(Estimate(value, error)) == read


def test_zeros_are_rounded_beside_an_error_far_below_one():
    assert Estimate(0.0, 1e-9).rounded(0.0) == ["0.00·10⁻⁹"]
    assert Estimate(0.0, 1e-9).rounded() == []
