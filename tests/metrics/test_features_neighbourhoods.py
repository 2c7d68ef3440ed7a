"""Precision, recall, density, coverage: by hand, by their expectations in one law, and against what they must tell apart."""

import math

import pytest
import torch
from torch import Tensor

from laws.cases import normal
from laws.statistics import LEVEL, accept, mean_p
from scorefield.metrics import density_coverage, precision_recall


def four(samples: Tensor, data: Tensor, k: int, replicates: int = 2) -> list[float]:
    """Return precision, recall, density, coverage."""
    first = precision_recall(samples, data, k=k, replicates=replicates)
    second = density_coverage(samples, data, k=k, replicates=replicates)
    return [estimate.value for estimate in (*first, *second)]


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_four_points_by_hand() -> None:
    # Balls of the data reach 1, 1, 2, 4; those of the samples 0.1, 0.1, 1, 1.
    assert four(column(0.5, 0.6, 20, 21), column(0, 1, 3, 7), k=1) == [0.5, 0.0, 1.0, 0.5]
    assert four(column(0, 1, 3, 7), column(0.5, 0.6, 20, 21), k=1) == [0.0, 0.5, 0.0, 0.0]


def test_all_pairs_in_parts_are_all_pairs_at_once() -> None:
    """Sizes beyond a part, against the definition written out."""
    y, x, k = normal(1100, 3, seed=1) + 0.5, normal(2100, 3, seed=2), 4

    def radii(v: Tensor) -> Tensor:
        return torch.cdist(v, v, compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1).values[:, k]

    distance = torch.cdist(y, x, compute_mode="donot_use_mm_for_euclid_dist")
    of_data, of_samples = distance <= radii(x)[None], distance <= radii(y)[:, None]
    expected = [
        of_data.any(1).double().mean().item(),
        of_samples.any(0).double().mean().item(),
        of_data.double().sum().item() / (k * len(y)),
        of_data.any(0).double().mean().item(),
    ]
    assert four(y, x, k) == pytest.approx(expected, abs=1e-12)


def test_in_one_law_density_and_coverage_have_their_expectations_and_precision_is_recall() -> None:
    n, m, k, draws = 60, 40, 3, 150
    found = torch.tensor([four(normal(m, 2, seed=2 * i), normal(n, 2, seed=2 * i + 1), k) for i in range(draws)])
    coverage = 1 - math.prod((n - j) / (m + n - j) for j in range(1, k + 1))
    equal = torch.tensor([four(normal(n, 2, seed=2 * i), normal(n, 2, seed=2 * i + 1), k) for i in range(draws)])
    p_values = [
        *mean_p(found[:, 2], 1.0),
        *mean_p(found[:, 3], coverage),
        *mean_p(equal[:, 0] - equal[:, 1]),
    ]
    accept(p_values, LEVEL)
    # Mutants: a row counted among its own neighbours, k divided out that is another, samples and data changed over.
    fewer = torch.tensor([four(normal(m, 2, seed=2 * i), normal(n, 2, seed=2 * i + 1), k - 1) for i in range(draws)])
    assert mean_p(fewer[:, 3], coverage)[0] < LEVEL
    assert mean_p(fewer[:, 2] * (k - 1) / k, 1.0)[0] < LEVEL
    swapped = 1 - math.prod((m - j) / (m + n - j) for j in range(1, k + 1))
    assert mean_p(found[:, 3], swapped)[0] < LEVEL


def test_laws_that_are_disjoint_share_nothing_and_copies_everything() -> None:
    x = normal(200, 3, seed=1)
    assert four(x + 100, x, k=3) == [0, 0, 0, 0]
    precision, recall, density, coverage = four(x, x, k=3)
    assert (precision, recall, coverage) == (1, 1, 1)
    assert density > 1  # every sample lies at the centre of a ball


def test_a_missing_mode_costs_recall_and_coverage_and_an_invented_one_precision_and_density() -> None:
    one, other = normal(300, 2, seed=1), normal(300, 2, seed=2) + 20
    both = torch.cat([normal(150, 2, seed=3), normal(150, 2, seed=4) + 20])
    precision, recall, density, coverage = four(one, both, k=3)
    assert precision > 0.9
    assert recall < 0.55
    assert density > 0.8
    assert coverage < 0.55
    precision, recall, density, coverage = four(both, one, k=3)
    assert precision < 0.55
    assert recall > 0.9
    assert density < 0.7
    assert coverage > 0.6
    assert four(one, other, k=3) == [0, 0, 0, 0]


@pytest.mark.slow
def test_errors_are_the_spread_over_draws() -> None:
    pairs = [(normal(200, 4, seed=2 * i) + 0.3, normal(200, 4, seed=2 * i + 1)) for i in range(60)]
    found = [(*precision_recall(y, x), *density_coverage(y, x)) for y, x in pairs]
    values = torch.tensor([[e.value for e in row] for row in found])
    errors = torch.tensor([[e.error for e in row] for row in found])
    ratio = errors.mean(0) / values.std(0)
    assert (ratio > 0.75).all(), ratio  # the spread of 60 is known to 9 %
    assert (ratio < 1.5).all(), ratio


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.37, 0.0), (0.37, 1000.0), (1e-4, -3.0)])
def test_distances_of_discrete_data_are_equal_whatever_rounding_leaves(scale: float, shift: float) -> None:
    """Binary images, many at the radius and many twice, against counts in whole numbers."""
    draw = torch.Generator().manual_seed(0)
    y, x = ((torch.rand(120, 14, generator=draw) > 0.5).long() for _ in range(2))
    between, own, own_y = ((a[:, None] != b[None]).sum(2) for a, b in ((y, x), (x, x), (y, y)))
    radii, radii_y = (d.sort(dim=1).values[:, 3] for d in (own, own_y))
    held, held_y = between <= radii, radii_y >= between.T
    shares = [held.any(dim=1), held_y.any(dim=1), held.sum(dim=1).double() / 3, held.any(dim=0)]
    samples, data = (v.double() * scale + shift for v in (y, x))
    found = [*precision_recall(samples, data), *density_coverage(samples, data, k=3)]
    assert [e.value for e in found] == pytest.approx([s.double().mean().item() for s in shares], abs=1e-12)


@pytest.mark.parametrize("metric", [precision_recall, density_coverage])
def test_what_has_no_neighbours_is_refused(metric) -> None:
    good = normal(20, 2)
    for bad in (normal(20, 3), normal(5, 2), torch.full((20, 2), math.nan)):
        with pytest.raises(ValueError, match=r"received|not finite"):
            metric(good, bad)
    with pytest.raises(ValueError, match="k = 0"):
        metric(good, good, k=0)
