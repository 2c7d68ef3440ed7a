"""The data set, and dequantisation: bytes become real numbers by uniform noise."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader

from scorefield.data import Dataset, dequantize, keep_share, quantize
from scorefield.data.dataset import dequantize_rows
from scorefield.errors import DataError

BYTES = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1).expand(256, 1, 50).contiguous()


def both(x, seed):
    return [dequantize(x, torch.Generator().manual_seed(seed)), dequantize_rows(x, seed, 0)]


def test_bytes_come_back_from_their_dequantised_numbers():
    x = torch.arange(256, dtype=torch.uint8).repeat(4, 1)
    assert torch.equal(quantize(dequantize(x, torch.Generator().manual_seed(0))), x)
    assert quantize(torch.tensor([-0.1, 1.0, 1.1])).tolist() == [0, 255, 255]


@pytest.mark.parametrize("way", [0, 1], ids=["generator", "rows"])
def test_dequantised_is_the_published_formula(way):
    x = both(BYTES, 0)[way]
    assert x.dtype == torch.float32
    assert 0 <= x.min() <= x.max() < 1
    assert torch.equal((x * 256).floor().byte(), BYTES)  # also for 255, where float32 is coarsest
    u = 256 * x.double() - BYTES
    published = (BYTES.double() / 255) * 255 / 256 + u / 256
    assert (x - published).abs().max() <= 1e-15


def test_noise_never_reaches_the_next_level():
    full = torch.full((1 << 12, 1 << 10), 255, dtype=torch.uint8)
    # A float32 U would round 255 + U up to 256 about once in 2^17 values, so some forty times here.
    for x in both(full, 1):
        assert x.max() < 1


@pytest.mark.parametrize("way", [0, 1], ids=["generator", "rows"])
def test_noise_is_uniform_and_independent(way):
    # Level 1e-3 over 8 tests. Killed: no noise, U/2, one U per image, one U per batch.
    alpha = 1e-3 / 8
    u = 256 * both(torch.zeros(400, 7, 7, dtype=torch.uint8), 3)[way].double().numpy()
    assert stats.kstest(u.ravel(), "uniform").pvalue > alpha
    within = stats.pearsonr(u[:, 0, 0], u[:, 0, 1]).pvalue
    across = stats.pearsonr(u[:-1].ravel(), u[1:].ravel()).pvalue
    low_bits = np.bincount((u.ravel() * 65536).astype(int) % 16, minlength=16)
    assert min(within, across, stats.chisquare(low_bits).pvalue) > alpha


@pytest.mark.parametrize("event", [(), (1,), (2,), (17,), (1, 28, 28), (3, 5, 7)])
def test_row_noise_belongs_to_the_row(event):
    x = torch.randint(256, (12, *event), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = dequantize_rows(x, 5, 100)
    for i in range(12):
        assert torch.equal(dequantize_rows(x[i : i + 1], 5, 100 + i), whole[i : i + 1])
    assert torch.equal(torch.cat([dequantize_rows(x[:5], 5, 100), dequantize_rows(x[5:], 5, 105)]), whole)
    assert dequantize_rows(x[:0], 5, 0).shape == (0, *event)
    assert not torch.equal(dequantize_rows(x, 6, 100), whole)
    assert not torch.equal(dequantize_rows(x, 5, 101), whole)


@pytest.mark.parametrize("n", [3, 16])
def test_row_noise_is_the_same_in_every_release(n):
    u = dequantize_rows(torch.zeros(2, n, dtype=torch.uint8), 1234, 7)[:, :3] * 2**24
    assert u.tolist() == [[64201, 58275, 41329], [35437, 42518, 30285]]


@pytest.mark.promise("C3")
def test_no_global_generator_is_touched():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    both(BYTES, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_views_of_a_data_set():
    x = torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2) * 11
    data = Dataset(x, torch.tensor([0, 1, 2, 0, 1, 2]), "six")
    assert (len(data), data.event) == (6, (1, 2, 2))
    assert torch.equal(data.scaled(torch.tensor([4, 0])), x[[4, 0]].float() / 255)
    assert Dataset(torch.full((1, 1), 255, dtype=torch.uint8), None, "white").scaled().item() == 1
    ones = data.subset(data.labels == 1)
    assert torch.equal(ones.x, x[[1, 4]])
    assert ones.labels.tolist() == [1, 1]
    assert len(data.subset(slice(2))) == 2
    points = Dataset(torch.arange(10.0).reshape(5, 2), None, "points")
    assert torch.equal(points.scaled(slice(3)), points.x[:3])
    assert points.subset(torch.tensor([0])).labels is None


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        (torch.zeros(0, 2), None),
        (torch.tensor(1.0), None),
        (torch.zeros(3, 2, dtype=torch.float64), None),
        (torch.zeros(3, 2, dtype=torch.int64), None),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(3, 2), torch.zeros(3, 1, dtype=torch.int64)),
        (torch.zeros(3, 2), torch.zeros(3)),
    ],
)
def test_what_is_no_data_set(x, labels):
    with pytest.raises(DataError, match="mine: found"):
        Dataset(x, labels, "mine")


def test_subset_of_nothing_is_refused():
    data = Dataset(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), "three")
    with pytest.raises(DataError):
        data.subset(data.labels == 7)


def test_a_share_of_one_class_is_kept_and_all_of_the_others():
    labels = torch.arange(3000) % 3
    data = Dataset(torch.arange(3000.0)[:, None], labels, "three classes")
    thin = keep_share(data, 1, 0.35)
    assert torch.bincount(thin.labels).tolist() == [1000, 350, 1000]
    assert torch.equal(thin.labels, labels[thin.x[:, 0].long()])  # every label goes with its example
    assert torch.equal(thin.x, thin.x.sort(dim=0).values)  # in their old order
    kept = thin.x[thin.labels == 1, 0]
    assert stats.kstest(kept.numpy(), stats.uniform(0, 3000).cdf).pvalue > 1e-3  # from all over the set
    assert torch.equal(keep_share(data, 1, 0.35).x, thin.x)
    assert not torch.equal(keep_share(data, 1, 0.35, seed=1).x, thin.x)
    assert "0.35" in thin.name
    assert len(keep_share(data, 0, 0)) == 2000
    assert len(keep_share(data, 2, 1)) == 3000


@pytest.mark.parametrize(("label", "share"), [(3, 0.5), (0, -0.1), (0, 1.1), (0, float("nan"))])
def test_a_share_that_cannot_be_kept_is_refused(label, share):
    data = Dataset(torch.zeros(4, 1), torch.tensor([0, 1, 2, 2]), "mine")
    with pytest.raises(DataError, match="class"):
        keep_share(data, label, share)
    with pytest.raises(DataError, match="no labels"):
        keep_share(Dataset(data.x, None, "mine"), 0, 0.5)


def test_a_loader_of_pytorch_reads_it():
    x, labels = torch.arange(12, dtype=torch.uint8).reshape(6, 2), torch.arange(6)
    seeded = {"batch_size": 4, "generator": torch.Generator()}
    for batch, classes in DataLoader(Dataset(x, labels, "bytes"), **seeded):
        assert torch.equal(batch, x[classes].float() / 255)
    alone = Dataset(x.float(), None, "numbers")
    assert torch.equal(torch.cat(list(DataLoader(alone, **seeded))), x.float())
    assert len(list(alone)) == 6
