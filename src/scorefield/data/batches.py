"""Batches as a function of (seed, k): no state to save, resumable at any step.

The examples form one endless stream: a permutation of the data set, another permutation, and so on. Batch k
is positions kB..(k+1)B−1 of it, so all batches have equal size, every example comes once per epoch, and the
stream does not depend on the batch size. Dequantisation noise belongs to the position too.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from scorefield._errors import ConfigError
from scorefield._tensors import derive_seed
from scorefield.data.dataset import Dataset, dequantize_rows

__all__ = ["Batch", "Batches", "DensityBatches", "Samplable"]


class Batch(NamedTuple):
    """Rows of data and, where there are any, their class numbers."""

    x: Float[Tensor, "b *d"]
    labels: Int64[Tensor, " b"] | None


@runtime_checkable
class Samplable(Protocol):
    """What can be drawn from; every density is."""

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one draw."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n *d"]:
        """Return n independent draws."""
        ...


class Batches:
    """Batches of a data set, in an order and with noise that are functions of ``seed`` alone.

    Args:
        dataset: bytes are dequantised, float data is passed as it is.
        batch_size: rows of the global batch; it may exceed the data set.
        seed: names the stream.
        rank: this process. It gets consecutive rows of the global batch, so those of all ranks, in order,
            are the batch.
        world: the number of processes; parts differ by at most one row, and are empty where it exceeds the
            batch size.

    Raises:
        ConfigError: a batch size below 1, or a rank outside of 0..world−1.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.rows = _rank_rows(batch_size, rank, world)
        self._kept: tuple[int, Int64[Tensor, " n"]] = (-1, torch.empty(0, dtype=torch.long))

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one example."""
        return self.dataset.event

    def indices(self, k: int) -> Int64[Tensor, " b"]:
        """Return which examples this rank's rows of batch k are."""
        n = len(self.dataset)
        start, stop = (k * self.batch_size + row for row in (self.rows.start, self.rows.stop))
        parts = [
            self._permutation(epoch)[max(start - epoch * n, 0) : stop - epoch * n]
            for epoch in range(start // n, -(-stop // n))
        ]
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.long)

    def batch(self, k: int) -> Batch:
        """Return this rank's rows of batch k."""
        index = self.indices(k)
        x, labels = self.dataset.x[index], self.dataset.labels
        if x.dtype == torch.uint8:
            x = dequantize_rows(x, self.seed, k * self.batch_size + self.rows.start)
        return Batch(x, None if labels is None else labels[index])

    def _permutation(self, epoch: int) -> Int64[Tensor, " n"]:
        if self._kept[0] != epoch:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "epoch", epoch))
            self._kept = (epoch, torch.randperm(len(self.dataset), generator=generator))
        return self._kept[1]


class DensityBatches:
    """Fresh draws from a density: batch k is a function of (seed, k) alone, and has no labels.

    Arguments and errors are those of `Batches`. Every rank draws the whole batch and keeps its rows.
    """

    def __init__(self, density: Samplable, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        self.density = density
        self.batch_size = batch_size
        self.seed = seed
        self.rows = _rank_rows(batch_size, rank, world)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one draw."""
        return self.density.event

    def batch(self, k: int) -> Batch:
        """Return this rank's rows of batch k."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "density", k))
        return Batch(self.density.sample(self.batch_size, generator)[self.rows], None)


def _rank_rows(batch_size: int, rank: int, world: int) -> slice:
    """Return the rows of a global batch that belong to ``rank``."""
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; received {batch_size}")
    if not 0 <= rank < world:
        raise ConfigError(f"rank must be one of 0..world-1; received rank {rank} of a world of {world}")
    return slice(rank * batch_size // world, (rank + 1) * batch_size // world)
