"""Batches as a function of (seed, k): no state to save, resumable at any step.

The examples form one endless stream: a permutation of the data set, another permutation, and so on. Batch k
is positions kB..(k+1)B−1 of it, so all batches have equal size, every example comes once per epoch, and the
stream does not depend on the batch size. Dequantisation noise belongs to the position too.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from scorefield._checks import whole
from scorefield._noise import Stream, derive_seed
from scorefield.data.dataset import Dataset, coins, dequantize_rows
from scorefield.errors import ConfigError


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
        device: where batches go with "philox". Data that fit in a quarter of its free memory stay there; of larger data the next batch is
            gathered in pinned memory while this one is in use.
        generator: of the noise that fills the gaps between bytes: see `dequantize_rows`. With "torch" batches are made on the CPU.

    Raises:
        ConfigError: a batch size below 1, or a rank outside of 0..world−1.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
        generator: Stream = "torch",
    ) -> None:
        self.dataset = dataset
        self.event = dataset.event
        """The shape d of one example."""
        self.batch_size = batch_size
        self.seed = seed
        self.rows = _rank_rows(batch_size, rank, world)
        self.generator: Stream = generator
        self.device = torch.device(device if generator == "philox" else "cpu")
        resident = _fits(dataset.x, self.device)
        self._x = dataset.x.to(self.device) if resident else dataset.x
        self._gatherer = None if resident else ThreadPoolExecutor(1)
        self._ahead: dict[int, Future[tuple[Tensor, Tensor]]] = {}
        self._kept: tuple[int, Int64[Tensor, " n"]] = (-1, torch.empty(0, dtype=torch.long))

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
        (index, x), labels = self._gathered(k), self.dataset.labels
        if self.dataset.flips:
            mirrored = coins(len(x), derive_seed(self.seed, "flips"), k * self.batch_size + self.rows.start)
            x = torch.where(mirrored.to(x.device).reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
        if x.dtype == torch.uint8:
            x = dequantize_rows(x, self.seed, k * self.batch_size + self.rows.start, self.generator)
        return Batch(x, None if labels is None else labels[index])

    def _gathered(self, k: int) -> tuple[Int64[Tensor, " b"], Tensor]:
        """Return which examples are in batch k, and the examples, on the device."""
        if self._gatherer is None:
            index = self.indices(k)
            return index, self._x[index.to(self.device, non_blocking=True)].contiguous()
        waiting = self._ahead.pop(k, None) or self._gatherer.submit(self._pinned, k)
        self._ahead = {k + 1: self._gatherer.submit(self._pinned, k + 1)}
        index, x = waiting.result()
        return index, x.to(self.device, non_blocking=True)

    def _pinned(self, k: int) -> tuple[Int64[Tensor, " b"], Tensor]:
        index = self.indices(k)
        x = self._x[index].contiguous()
        return index, x.pin_memory() if self.device.type == "cuda" else x

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
        self.event = density.event
        """The shape d of one draw."""
        self.batch_size = batch_size
        self.seed = seed
        self.rows = _rank_rows(batch_size, rank, world)

    def batch(self, k: int) -> Batch:
        """Return this rank's rows of batch k."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "density", k))
        return Batch(self.density.sample(self.batch_size, generator)[self.rows], None)


def _fits(x: Tensor, device: torch.device) -> bool:
    """Tell whether data can stay on the device all the time."""
    return device.type != "cuda" or x.nbytes <= torch.cuda.mem_get_info(device)[0] // 4


def _rank_rows(batch_size: int, rank: int, world: int) -> slice:
    """Return the rows of a global batch that belong to ``rank``."""
    whole(batch_size, "batch_size", 1)
    if not 0 <= rank < world:
        raise ConfigError(f"rank must be one of 0..world-1; received rank {rank} of a world of {world}")
    return slice(rank * batch_size // world, (rank + 1) * batch_size // world)
