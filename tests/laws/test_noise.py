"""Laws of noise: a row is a function of its seed alone, and the rows are independent standard normals."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from scorefield import Noise
from scorefield._noise import Stream, derive_seed, standard_normal, uniform_like
from scorefield._tensors import like, sum_event

from .cases import normal, seeded
from .statistics import LEVEL, accept, ks_p, mean_p

EVENTS = [(2,), (1,), (8, 8), (1, 28, 28), (3, 32, 32)]  # blocks of 512, 1024, 16, 1 and 1 rows
generators = pytest.mark.parametrize("generator", ["torch", "philox"])
events = pytest.mark.parametrize("event", EVENTS, ids=str)
Make = Callable[..., Any]


def rows_belong_to_their_seeds(make: Make, event: tuple[int, ...]) -> None:
    whole = make(range(40), event)
    first = [whole.normal(), whole.uniform(), whole.normal()]
    for seeds in ([7], [39, 0, 7, 7], range(30, 20, -1)):
        part = make(seeds, event)
        for expected, found in zip(first, (part.normal(), part.uniform(), part.normal()), strict=True):
            assert torch.equal(found, expected[list(seeds)])


@events
@generators
def test_a_row_is_a_function_of_its_seed_alone(event: tuple[int, ...], generator: Stream) -> None:
    rows_belong_to_their_seeds(lambda seeds, event: Noise(seeds, event, generator=generator), event)
    rows_belong_to_their_seeds(
        lambda seeds, event: Noise(seeds, event, stream="other", dtype=torch.float64, generator=generator), event
    )


@generators
@pytest.mark.parametrize("index", [slice(2, 5), torch.tensor([4, 0])], ids=["slice", "index"])
def test_a_part_draws_what_its_rows_would_have(generator: Stream, index: slice | Tensor) -> None:
    noise = Noise(range(6), (3,), generator=generator)
    noise.normal()
    part = noise.rows(index)
    expected = noise.normal()[index]
    assert part.shape == expected.shape
    assert torch.equal(part.normal(), expected)


class ByPlace(Noise):
    """Noise of the place in the batch: what drawing a batch from one generator amounts to."""

    def __init__(self, seeds: Sequence[int], event: Sequence[int]) -> None:
        super().__init__(range(len(seeds)), event)


def test_noise_of_the_place_in_the_batch_is_rejected() -> None:
    with pytest.raises(AssertionError):
        rows_belong_to_their_seeds(ByPlace, (2,))


@events
@generators
def test_draws_have_the_shape_and_dtype_asked_for(event: tuple[int, ...], generator: Stream) -> None:
    for dtype in (torch.float32, torch.float64):
        noise = Noise([3, 1], event, dtype=dtype, generator=generator)
        assert noise.normal().shape == (2, *event)
        assert noise.normal().dtype == dtype
        assert noise.uniform().shape == (2,)


def is_standard(z: Tensor, u: Tensor, level: float) -> None:
    """KS of the normals and the uniforms."""
    assert ((u >= 0) & (u < 1)).all()
    accept([ks_p(z, stats.norm.cdf), ks_p(u, stats.uniform.cdf)], level)


@events
@pytest.mark.parametrize("n", [4000, pytest.param(40_000, marks=pytest.mark.slow)])
@generators
def test_draws_are_normal_and_uniform(event: tuple[int, ...], n: int, generator: Stream) -> None:
    """KS; family level 1e-3 for each generator."""
    noise = Noise(range(n if event in ((1,), (2,)) else n // 40), event, generator=generator)
    is_standard(noise.normal().flatten()[: 10 * n], noise.uniform(), LEVEL / len(EVENTS))


def test_draws_of_another_spread_are_rejected() -> None:
    noise = Noise(range(4000), (2,))
    with pytest.raises(AssertionError):
        is_standard(1.1 * noise.normal(), noise.uniform(), LEVEL)
    with pytest.raises(AssertionError):
        is_standard(noise.normal(), 0.9 * noise.uniform(), LEVEL)


def uncorrelated(a: Tensor, b: Tensor, level: float) -> None:
    """z-test that the mean product of standard normals is zero."""
    accept(mean_p((a * b).flatten()), level)


def test_rows_blocks_coordinates_draws_and_streams_are_independent() -> None:
    """z-tests of products; family level 1e-3."""
    noise, other = Noise(range(8192), (2,)), Noise(range(8192), (2,), stream="other")
    z, again, elsewhere = noise.normal(), noise.normal(), other.normal()
    pairs = {
        "neighbouring rows": (z[:-1], z[1:]),
        "neighbouring blocks": (z[:-512], z[512:]),  # a block of events (2,) holds 512 rows
        "coordinates": (z[:, 0], z[:, 1]),
        "draws": (z, again),
        "draws, shifted": (z[:-1], again[1:]),
        "streams": (z, elsewhere),
        "seeds of nearby draws": (z, Noise(range(8192, 16384), (2,)).normal()),
    }
    for a, b in pairs.values():
        uncorrelated(a, b, LEVEL / len(pairs))
    with pytest.raises(AssertionError):
        uncorrelated(z, z + 9 * again, LEVEL)


def test_bad_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        Noise([1, -1], (2,))


def test_derived_seeds_are_apart() -> None:
    seeds = {derive_seed(a, b, c) for a in range(20) for b in range(20) for c in ("x", "y")}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, 23) != derive_seed(12, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_in_the_likeness_of_a_state(dtype: torch.dtype) -> None:
    torch.manual_seed(0)  # of the generator that None stands for
    x = normal(5, 1, 4).to(dtype)
    for source in (None, seeded(0), Noise(range(5), (1, 4))):
        z, u = standard_normal(x, source), uniform_like(x, source)
        assert (z.shape, z.dtype) == (x.shape, dtype)
        assert (u.shape, u.dtype) == ((5,), torch.float64)


def test_a_time_meets_a_state_along_the_batch() -> None:
    x = normal(3, 2, 4)
    torch.testing.assert_close(like(torch.tensor(2.0), x) * x, 2 * x)
    torch.testing.assert_close((like(torch.arange(3.0), x) * x)[2], 2 * x[2])
    torch.testing.assert_close(sum_event(x), x.sum((1, 2)))
    for wrong in (torch.ones(2), torch.ones(3, 1), torch.ones(4)):
        with pytest.raises(ValueError, match=r"\(\) or \(b,\)"):
            like(wrong, x)
