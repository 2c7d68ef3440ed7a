"""Brownian paths by their seeds: their law, and that a path does not depend on how it is asked for."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from scorefield import Noise
from scorefield._brownian import BrownianTree
from scorefield._noise import Stream

from .statistics import LEVEL, accept, ks_p

LOW, HIGH, ROWS = 1e-4, 100.0, 1500
PLACES = torch.tensor([LOW, 3e-4, 0.02, 0.7, 0.75, 31.0, HIGH], dtype=torch.float64)


def tree(seeds: range | list[int] = range(ROWS), stream: str = "", generator: Stream = "torch") -> BrownianTree:
    return BrownianTree(Noise(seeds, (2,), stream=stream, generator=generator), LOW, HIGH)


def values(path: BrownianTree, rows: int = ROWS) -> Tensor:
    return torch.stack([path(torch.full((rows,), place), torch.arange(rows)) for place in PLACES.tolist()])


def is_brownian(w: Tensor) -> None:
    """Increments over √Δτ: KS tests of each, and z-tests of every pair's correlation; family level 1e-3."""
    z = w.double().diff(dim=0) / PLACES.diff().sqrt()[:, None, None]
    rows = z.permute(0, 2, 1).reshape(-1, ROWS)
    pairs = torch.corrcoef(rows)[tuple(torch.triu_indices(len(rows), len(rows), 1))]
    correlated = 2 * stats.norm.sf(ROWS**0.5 * pairs.abs().numpy())
    accept([*(ks_p(row, stats.norm.cdf) for row in rows), *correlated], LEVEL)


@pytest.mark.parametrize("generator", ["torch", "philox"])
def test_increments_are_independent_and_normal_of_their_length(generator: Stream) -> None:
    w = values(tree(generator=generator))
    is_brownian(w)
    assert w[0].abs().max() < 1e-6


def test_a_path_too_smooth_between_its_places_or_shared_by_rows_is_rejected() -> None:
    coarse = BrownianTree(Noise(range(ROWS), (2,)), LOW, HIGH, depth=3)
    for wrong in (values(coarse), values(tree([k // 2 for k in range(ROWS)]))[:, :, :1].expand(-1, -1, 2)):
        with pytest.raises(AssertionError):
            is_brownian(wrong)


def test_a_path_is_the_same_in_any_order_and_any_batch() -> None:
    """To the last bit, but where a batch of another size adds in another order."""
    forth, tau = tree(range(8)), torch.logspace(-3.9, 1.9, 8, dtype=torch.float64)
    first = forth(tau, torch.arange(8))
    back = torch.cat([forth(tau[k : k + 1], torch.tensor([k])) for k in (5, 0, 7, 2)])
    torch.testing.assert_close(back, first[[5, 0, 7, 2]], rtol=1e-14, atol=1e-14)
    forth(tau.flip(0), torch.arange(8))
    assert torch.equal(forth(tau, torch.arange(8)), first)
    torch.testing.assert_close(tree([2, 5])(tau[[2, 5]], torch.arange(2)), first[[2, 5]], rtol=1e-14, atol=1e-14)
    assert (tree(range(8), stream="other")(tau, torch.arange(8)) - first).abs().min() > 0


def test_two_paths_of_one_stream_are_two() -> None:
    noise = Noise(range(ROWS), (2,))
    one, other = (values(BrownianTree(noise, LOW, HIGH))[3:5].flatten() for _ in range(2))
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 5 / len(one) ** 0.5
