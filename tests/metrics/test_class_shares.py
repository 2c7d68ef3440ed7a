"""Shares of classes: counted, with intervals that cover, and a test of its stated level."""

import pytest
import torch
from torch import Tensor

from laws.statistics import LEVEL, accept, count_p
from scorefield import class_shares

EXPECTED = [0.5, 0.3, 0.15, 0.05]


def labels(n: int, seed: int, shares: list[float] = EXPECTED) -> Tensor:
    return torch.multinomial(torch.tensor(shares), n, replacement=True, generator=torch.Generator().manual_seed(seed))


def test_shares_are_counted_and_their_intervals_are_wilsons() -> None:
    found = class_shares(torch.tensor([0] * 6 + [2] * 4), [0.5, 0.25, 0.25])
    assert "np." not in repr(found)  # numbers of Python, as they are declared
    assert (found.n, found.shares, found.expected) == (10, [0.6, 0.0, 0.4], [0.5, 0.25, 0.25])
    # Wilson's interval of 6 of 10: (0.6 + z²/20 ± z √(0.024 + z²/400)) / (1 + z²/10) with z = 1.96.
    assert (found.low[0], found.high[0]) == pytest.approx((0.3127, 0.8318), abs=1e-4)
    assert found.low[1] == 0
    assert found.high[1] > 0.2


@pytest.mark.slow
def test_right_shares_are_rejected_as_often_as_the_level_says_and_intervals_cover() -> None:
    found = [class_shares(labels(400, seed), EXPECTED) for seed in range(400)]
    accept(count_p(sum(v.p_value < 0.05 for v in found), 400, 0.05), LEVEL)
    covered = sum(v.low[1] < EXPECTED[1] < v.high[1] for v in found)
    accept(count_p(covered, 400, 0.95), LEVEL)


def test_a_thinned_class_is_seen() -> None:
    assert class_shares(labels(2000, 1), EXPECTED).p_value > LEVEL
    thinned = [0.5, 0.3 * 0.35, 0.15, 0.05]
    assert class_shares(labels(2000, 1, thinned), EXPECTED).p_value < 1e-6
    assert class_shares(labels(2000, 1, thinned), [v / sum(thinned) for v in thinned]).p_value > LEVEL


def test_a_class_that_cannot_be_is_refuted_by_one_and_asks_nothing_of_none() -> None:
    impossible = [*EXPECTED, 0.0]
    some = labels(500, 2)
    assert class_shares(some, impossible).p_value == pytest.approx(class_shares(some, EXPECTED).p_value)
    assert class_shares(torch.cat([some, torch.tensor([4])]), impossible).p_value == 0


def test_the_only_class_there_can_be_is_no_surprise() -> None:
    assert class_shares(torch.zeros(10, dtype=torch.long), [1.0]).p_value == 1
    assert class_shares(torch.zeros(10, dtype=torch.long), [1.0, 0.0]).p_value == 1


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], [0.5, 0.5]), ([0, 2], [0.5, 0.5]), ([-1], [0.5, 0.5]), ([0], [0.5, 0.4]), ([0], [1.5, -0.5])],
)
def test_labels_and_shares_that_do_not_fit_are_refused(numbers: list[int], expected: list[float]) -> None:
    with pytest.raises(ValueError, match="received"):
        class_shares(torch.tensor(numbers, dtype=torch.long), expected)
