"""Batches are functions of (seed, k): epochs, resuming, ranks and batch sizes all follow from that."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from scorefield._noise import Noise
from scorefield.data import Batches, Dataset, DensityBatches
from scorefield.densities import Gaussian
from scorefield.errors import ConfigError

N = 13
DATA = Dataset(
    torch.randint(256, (N, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    torch.arange(N),
    "thirteen",
)
POINTS = Dataset(torch.randn(N, 2, generator=torch.Generator().manual_seed(1)), None, "points")


def stream(batches: Batches, count: int) -> torch.Tensor:
    return torch.cat([batches.indices(k) for k in range(count)])


@pytest.mark.parametrize("size", [1, 4, 13, 30])
def test_every_example_once_per_epoch_and_equal_sizes(size):
    batches = Batches(DATA, size, 0)
    assert all(len(batches.indices(k)) == size for k in range(40))
    epochs = stream(batches, 13 * 3)[: 3 * N].reshape(3, N)  # 13·3 batches fill at least three epochs
    assert all(sorted(epoch.tolist()) == list(range(N)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 3


def test_stream_does_not_depend_on_the_batch_size():
    one = [Batches(DATA, 1, 7).batch(k) for k in range(60)]
    for size in (2, 5, 12, 30):
        batches = Batches(DATA, size, 7)
        many = [batches.batch(k) for k in range(60 // size)]
        assert torch.equal(torch.cat([b.x for b in many]), torch.cat([b.x for b in one]))
        assert torch.equal(torch.cat([b.labels for b in many]), torch.cat([b.labels for b in one]))


def test_half_of_all_images_are_mirrored_as_the_place_in_the_stream_says():
    """The share of mirrored images lies within 4.5 standard errors of one half, and no image is anything else."""
    x = torch.arange(9.0).reshape(1, 1, 3, 3) + 10 * torch.arange(N)[:, None, None, None]
    plain, flipped = Dataset(x, None, "plain"), Dataset(x, None, "flipped", flips=True)
    a, b = (torch.cat([Batches(data, 5, 2).batch(k).x for k in range(400)]) for data in (plain, flipped))
    mirrored = (b == a.flip(-1)).flatten(1).all(dim=1)
    assert torch.equal(torch.where(mirrored[:, None, None, None], a.flip(-1), a), b)
    assert abs(mirrored.double().mean() - 0.5) < 4.5 * 0.5 / 2000**0.5
    assert torch.equal(torch.cat([Batches(flipped, 40, 2).batch(k).x for k in range(50)]), b)


@pytest.mark.promise("A2")
@pytest.mark.parametrize("dataset", [DATA, POINTS], ids=["bytes", "floats"])
def test_any_step_first(dataset):
    used = Batches(dataset, 5, 3)
    order = [7, 0, 12, 3, 3, 100_000, 2, 7]
    seen = {k: used.batch(k) for k in order}
    for k in order:
        assert torch.equal(Batches(dataset, 5, 3).batch(k).x, seen[k].x)


@pytest.mark.promise("B1")
@pytest.mark.parametrize("world", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("size", [1, 5, 8, 40])
def test_ranks_together_are_the_batch(size, world):
    whole = Batches(DATA, size, 11)
    ranks = [Batches(DATA, size, 11, rank=rank, world=world) for rank in range(world)]
    for k in (0, 1, 2, 9):
        parts = [rank.batch(k) for rank in ranks]
        assert torch.equal(torch.cat([part.x for part in parts]), whole.batch(k).x)
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.batch(k).labels)
        sizes = [len(part.x) for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_rows_are_the_examples_with_their_labels():
    batches = Batches(DATA, 6, 0)
    for k in range(8):
        x, labels = batches.batch(k)
        index = batches.indices(k)
        assert torch.equal(labels, DATA.labels[index])
        assert torch.equal((x * 256).floor().byte(), DATA.x[index])
    x, labels = Batches(POINTS, 6, 0).batch(1)
    assert labels is None
    assert torch.equal(x, POINTS.x[Batches(POINTS, 6, 0).indices(1)])


@pytest.mark.promise("A3")
def test_seeds_name_streams():
    a, b = Batches(DATA, 13, 0), Batches(DATA, 13, 1)
    assert not torch.equal(a.indices(0), b.indices(0))
    # The noise too: the same example, sorted out of both batches, differs.
    first, second = (batches.batch(0).x[batches.indices(0).argsort()] for batches in (a, b))
    assert not torch.equal(first, second)
    # And a second epoch brings new noise for the same example.
    again = a.batch(1).x[a.indices(1).argsort()]
    assert not torch.equal(first, again)


def test_density_batches():
    density = Gaussian(torch.zeros(2))
    whole = DensityBatches(density, 7, 5)
    assert whole.event == (2,)
    assert torch.equal(whole.batch(3).x, DensityBatches(density, 7, 5).batch(3).x)
    assert not torch.equal(whole.batch(3).x, whole.batch(4).x)
    assert not torch.equal(whole.batch(3).x, DensityBatches(density, 7, 6).batch(3).x)
    for world in (2, 3, 9):
        parts = [DensityBatches(density, 7, 5, rank=rank, world=world).batch(3) for rank in range(world)]
        assert torch.equal(torch.cat([part.x for part in parts]), whole.batch(3).x)
        assert all(part.labels is None for part in parts)


@pytest.mark.parametrize(("size", "rank", "world"), [(0, 0, 1), (-1, 0, 1), (4, 2, 2), (4, -1, 2), (4, 0, 0)])
def test_impossible_batches(size, rank, world):
    with pytest.raises(ConfigError, match="received"):
        Batches(DATA, size, 0, rank=rank, world=world)
    with pytest.raises(ConfigError, match="received"):
        DensityBatches(Gaussian(torch.zeros(2)), size, 0, rank=rank, world=world)


@pytest.mark.promise("C3")
def test_no_global_generator_is_touched():
    before = torch.get_rng_state()
    Batches(DATA, 5, 3).batch(0)
    assert torch.equal(torch.get_rng_state(), before)


class Operations(TorchDispatchMode):
    """Counts what PyTorch is asked for."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_batch_of_images_is_cheap():
    """It takes as many operations as one of few images; the obvious way, a generator per image, takes twenty times as long."""
    data = Dataset(torch.zeros(10_000, 1, 28, 28, dtype=torch.uint8), None, "images")
    counts = []
    for size in (8, 128):
        with Operations() as seen:
            Batches(data, size, 0).batch(0)
        counts.append(seen.count)
    with Operations() as obvious:
        Noise(range(128), data.event).normal()
    assert counts[0] == counts[1] < 30
    assert obvious.count > 128
