"""Copies are seen, honest samplers are believed at the stated level, and neighbours are the nearest."""

import math

import pytest
import torch
from torch import Tensor

from laws.cases import normal
from laws.statistics import LEVEL, accept, count_p
from scorefield import Memorisation, memorisation, nearest_neighbours

DIM = 6


def draws(n: int, seed: int) -> Tensor:
    return normal(n, DIM, seed=seed).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbours_are_those_of_all_distances_sorted(dtype: torch.dtype) -> None:
    x, reference = draws(37, 1).to(dtype), draws(501, 2).reshape(501, 1, 2, 3).to(dtype)
    distances, indices = nearest_neighbours(x.reshape(37, 1, 2, 3), reference, 4)
    everything = torch.cdist(x.double(), reference.flatten(1).double(), compute_mode="donot_use_mm_for_euclid_dist")
    expected = everything.sort(dim=1)
    assert torch.equal(indices, expected.indices[:, :4])
    torch.testing.assert_close(distances, expected.values[:, :4], rtol=1e-5, atol=1e-6)


def test_a_copy_among_far_points_has_distance_zero() -> None:
    """The expansion ‖x‖² + ‖y‖² − 2 x·y in float32 would leave 0.05 of ‖x‖ = 2400."""
    reference = 1000 + draws(200, 3)
    distances, indices = nearest_neighbours(reference[[7, 3]], reference)
    assert indices.flatten().tolist() == [7, 3]
    assert distances.max() < 1e-3


@pytest.mark.parametrize(
    ("x", "reference", "k"),
    [
        (torch.zeros(3, 2), torch.zeros(4, 3), 1),
        (torch.zeros(3, 2), torch.zeros(4, 2), 5),
        (torch.zeros(3, 2), torch.zeros(4, 2), 0),
        (torch.full((3, 2), math.nan), torch.zeros(4, 2), 1),
    ],
)
def test_what_has_no_neighbours_is_refused(x: Tensor, reference: Tensor, k: int) -> None:
    with pytest.raises(ValueError, match=r"received|not finite"):
        nearest_neighbours(x, reference, k)


def judged(samples: Tensor, seed: int = 10, n_test: int = 400) -> Memorisation:
    return memorisation(samples, draws(1500, seed), draws(n_test, seed + 1))


def test_honest_samples_are_rejected_as_often_as_the_level_says() -> None:
    found = [judged(draws(300, 3 * k + 2), 3 * k + 1000) for k in range(300)]
    accept([count_p(sum(v < 0.05 for v in p), len(p), 0.05) for p in columns(found)], LEVEL)
    accept([count_p(sum(v < 0.5 for v in p), len(p), 0.5) for p in columns(found)], LEVEL)


def columns(found: list[Memorisation]) -> list[list[float]]:
    return [[v.p_value for v in found], [v.c_t_p_value for v in found]]


def test_honest_samples_look_like_fresh_ones() -> None:
    found = judged(draws(2000, 20), n_test=2000)
    assert abs(found.ratio.value - 1) < 4 * found.ratio.error
    assert abs(found.c_t) < 4
    assert found.expected_share == pytest.approx(1500 / 3500)
    assert abs(found.train_share.value - found.expected_share) < 4 * found.train_share.error


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_sampler_that_copies_is_caught(noise: float) -> None:
    train = draws(1500, 30)
    copies = train[torch.randint(1500, (1000,), generator=torch.Generator().manual_seed(0))] + noise * draws(1000, 31)
    found = memorisation(copies, train, draws(1000, 32))
    assert found.p_value < 1e-20
    assert found.c_t_p_value < 1e-20
    assert found.c_t < -10
    assert found.train_share.value > 0.85
    assert found.ratio.value == pytest.approx(2.62 * noise, abs=0.1)  # E‖z‖ = 2.35 over a nearest distance of about 0.9


def test_one_copy_in_five_is_enough() -> None:
    train, honest = draws(1500, 40), draws(1000, 41)
    found = memorisation(torch.cat([honest[:800], train[:200]]), train, draws(1500, 42))
    assert found.p_value < 1e-6


def test_samples_smoother_than_data_are_nearer_but_no_copies() -> None:
    """C_T cannot tell them from copies; which side of the split they fall to can."""
    found = judged(0.7 * draws(1000, 50), 51)
    assert found.c_t_p_value < 1e-6
    assert found.p_value > LEVEL


def test_a_collapsed_sampler_is_no_evidence_of_memory() -> None:
    """A thousand samples with one nearest neighbour are one observation, not a thousand."""
    train = draws(1500, 60)
    found = memorisation(train[:1].expand(1000, DIM) + 1e-3 * draws(1000, 61), train, draws(1500, 62))
    assert found.train_share.value == 1
    assert found.train_share.error == pytest.approx(0.5, rel=0.01)
    assert found.p_value > LEVEL


def test_a_control_that_was_trained_on_is_refused() -> None:
    train = draws(50, 70)
    with pytest.raises(ValueError, match="control"):
        memorisation(draws(10, 71), train, train[:20])


def test_every_example_named_once_is_no_evidence() -> None:
    """T is n p whatever the names: its error is 0, and it is at least what it is with probability 1."""
    train, test = normal(60, 2, seed=1), normal(40, 2, seed=2)
    found = memorisation(torch.cat([train, test]), train, test)
    assert found.train_share == (0.6, 0.0, None)
    assert (found.expected_share, found.p_value) == (0.6, 1.0)
