"""Random numbers by counting: the published words, the layout of the counter, and independence along each of its directions."""

import math

import pytest
import torch
from scipy import stats

from scorefield import Noise, _philox
from scorefield._noise import derive_seed
from scorefield._philox import Words, philox
from scorefield.data import Batches, Dataset
from scorefield.data.batches import _fits
from scorefield.data.dataset import dequantize_rows

from .cases import seeded
from .statistics import LEVEL, accept, ks_p, mean_p

# kat_vectors of Random123 (Salmon et al. 2011): rounds, counter, key, words.
PUBLISHED = [
    (7, "00000000 00000000 00000000 00000000", "00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (10, "00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (10, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (10, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def integers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def is_philox(make=philox) -> None:
    for count, counter, key, words in PUBLISHED:
        low, high = integers(key)
        found = make(Words(*torch.tensor(integers(counter))), low | high << 32, *([] if count == 10 else [count]))
        assert [int(word) for word in found] == integers(words)


def test_the_published_words():
    is_philox()


def test_fewer_rounds_and_swapped_words_are_not_the_published():
    with pytest.raises(AssertionError):
        is_philox(lambda c, key, rounds=10: philox(c, key, rounds - 4))
    with pytest.raises(AssertionError):
        is_philox(lambda c, key, *rounds: philox(Words(c.c2, c.c1, c.c0, c.c3), key, *rounds))
    with pytest.raises(AssertionError):
        is_philox(lambda c, key, *rounds: philox(c, key >> 32 | (key & 0xFFFFFFFF) << 32, *rounds))


def test_the_counter_is_element_draw_seed_and_the_key_the_streams_name():
    seed, key = 5 + (7 << 32), derive_seed("philox", "name")
    noise = Noise([1, seed], (6,), stream="name", generator="philox")
    noise.normal()
    first, second = (int(w) for w in philox(Words(*torch.tensor([0, 1, 5, 7])), key)[:2])
    found = noise.uniform()[1].item()
    assert found == (first >> 8) * 2.0**-24
    precise = Noise([seed], (6,), stream="name", generator="philox", dtype=torch.float64)
    precise.normal()
    assert precise.uniform().item() == ((first << 21) | (second >> 11)) * 2.0**-53
    u, v = ((int(word) + 0.5) * 2.0**-32 for word in philox(Words(*torch.tensor([1, 2, 5, 7])), key)[:2])
    expected = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
    assert noise.normal()[1, 4].item() == pytest.approx(expected, abs=1e-6)


def independent(noise: Noise, other: Noise, level: float) -> None:
    """z-tests of products and of products of squares; family level as given."""
    z, again, elsewhere = noise.normal(), noise.normal(), other.normal()
    pairs = [
        (z[:-1], z[1:]),
        (z[:, :-1], z[:, 1:]),
        (z[:, :-4], z[:, 4:]),
        (z, again),
        (z, elsewhere),
        (z[:-1], again[1:]),
    ]
    products = [product for a, b in pairs for product in (a * b, (a * a - 1) * (b * b - 1))]
    for product in products:
        accept(mean_p(product.flatten()), level / len(products))


class Stuck(Noise):
    """Noise whose draws are all the first."""

    def normal(self):
        self._source._drawn = 0
        return super().normal()


class Halved(Noise):
    """Noise of which two neighbouring seeds share their rows."""

    def __init__(self, seeds, event, **given):
        super().__init__([seed // 2 for seed in seeds], event, **given)


@pytest.mark.parametrize("n", [4096, pytest.param(65_536, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_seeds_elements_draws_and_streams_are_independent(dtype, n):
    """Family level 1e-3 for each dtype."""
    noise, other = (Noise(range(n), (12,), stream=s, generator="philox", dtype=dtype) for s in ("", "other"))
    independent(noise, other, LEVEL)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_too_few_rounds_draws_that_repeat_and_shared_seeds_are_rejected(rounds, monkeypatch):
    other = Noise(range(4096), (12,), stream="other", generator="philox")
    for wrong in (Stuck, Halved):
        with pytest.raises(AssertionError):
            independent(wrong(range(4096), (12,), generator="philox"), other, LEVEL)
    monkeypatch.setattr(_philox, "philox", lambda counter, key: philox(counter, key, rounds))
    with pytest.raises(AssertionError):
        independent(Noise(range(4096), (12,), generator="philox"), other, LEVEL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_are_normal_too(dtype):
    """A χ² test of |z| on cells down to probability 1e-4; level 1e-3."""
    z = Noise(range(20_000), (25,), generator="philox", dtype=dtype).normal().flatten().abs().double()
    edges = stats.norm.isf([0.5, 0.25, 0.05, 5e-3, 5e-4, 5e-5, 0])
    counts = torch.histogram(z, torch.tensor([*edges[:-1], 40.0], dtype=torch.float64)).hist.numpy()
    shares = -2 * torch.tensor(stats.norm.sf(edges)).diff().numpy()
    accept(stats.chisquare(counts, len(z) * shares).pvalue, LEVEL)
    with pytest.raises(AssertionError):
        accept(stats.chisquare(counts[::-1], len(z) * shares).pvalue, LEVEL)


def test_functions_in_float32_agree_with_float64_to_the_digits_of_a_device_without():
    drawn = _philox.words(torch.arange(4000).reshape(-1, 2), 0, 64, 3)
    exact, coarse = (_philox.normals(drawn, torch.float32, inside) for inside in (torch.float64, torch.float32))
    assert (exact - coarse).abs().max() < 5e-6


def test_seeds_too_long_for_the_counter_are_refused():
    Noise([2**64 - 1], (2,), generator="philox")
    with pytest.raises(ValueError, match="below 2⁶⁴"):
        Noise([2**64], (2,), generator="philox")


IMAGES = Dataset(torch.randint(256, (40, 1, 5, 5), generator=seeded(0)).to(torch.uint8), None, "bytes")


def test_bytes_are_filled_up_by_the_row_alone():
    x = IMAGES.x
    whole = dequantize_rows(x, 3, 2**33, "philox")
    assert torch.equal(whole[7:9], dequantize_rows(x[7:9], 3, 2**33 + 7, "philox"))
    assert torch.equal((whole * 256).floor().to(torch.uint8), x)
    assert not torch.equal(whole, dequantize_rows(x, 3, 2**33, "torch"))
    drawn = dequantize_rows(torch.zeros(4000, 1, 5, 5, dtype=torch.uint8), 0, 0, "philox").flatten() * 256
    accept(ks_p(drawn, stats.uniform.cdf), LEVEL)


def test_batches_that_are_fetched_ahead_are_the_same(monkeypatch):
    kept = Batches(IMAGES, 16, 0, generator="philox")
    assert _fits(IMAGES.x, torch.device("cpu"))
    monkeypatch.setattr("scorefield.data.batches._fits", lambda *_: False)
    fetched = Batches(IMAGES, 16, 0, generator="philox")
    for k in (0, 1, 2, 7, 3):  # in order, and not
        assert torch.equal(fetched.batch(k).x, kept.batch(k).x)
    assert list(fetched._ahead) == [4]
