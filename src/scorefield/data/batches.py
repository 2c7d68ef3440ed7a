"""Batches as a function of (seed, k): no state to save, resumable at any step.

The examples form one endless stream: a permutation of the data set, another permutation, and so on. Batch k
is positions kB..(k+1)B−1 of it, so all batches have equal size, every example comes once per epoch, and the
stream does not depend on the batch size. Dequantisation noise belongs to the position too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from scorefield._checks import whole
from scorefield._noise import Stream, derive_seed
from scorefield._tensors import like
from scorefield.data.arrays import class_numbers, dataset_of
from scorefield.data.dataset import Dataset, coins, dequantize_rows
from scorefield.errors import ConfigError

__all__ = ["Batch", "Batches", "DensityBatches", "LoaderBatches", "Samplable", "batches_of"]


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


@runtime_checkable
class ArrayLike(Protocol):
    """What NumPy makes an array of, such as a table of pandas."""

    def __array__(self) -> np.ndarray:
        """Return the array."""
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
        device: where "philox" wants batches. Data that take at most a quarter of what is free there are kept there; of others the next
            batch is gathered, in memory that the device can fetch by itself, while this one is in use.
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
        (index, x), labels = self._gathered(k), self.dataset.labels
        if self.dataset.flips:
            mirrored = coins(len(x), derive_seed(self.seed, "flips"), k * self.batch_size + self.rows.start)
            x = torch.where(like(mirrored, x).bool(), x.flip(-1), x)
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


class LoaderBatches:
    """The batches of a loader, one after another and over again: its order and its randomness are its own.

    Args:
        loader: yields tensors of shape (b, *d), or pairs of them and labels; a `torch.utils.data.DataLoader` is one. Its batches are taken
            as they come, so training on them cannot be resumed in the middle.

    Raises:
        ConfigError: a loader that yields nothing, or something else.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self._endless = self._over_again()
        self._ahead: Batch | None = next(self._endless)
        self.batch_size = len(self._ahead.x)
        self.rows = slice(0, self.batch_size)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one example."""
        assert self._ahead is not None  # noqa: S101 for the type checker
        return tuple(self._ahead.x.shape[1:])

    def batch(self, k: int) -> Batch:
        """Return the next batch; ``k`` is not asked."""
        batch = self._ahead or next(self._endless)
        self._ahead = next(self._endless)
        self.batch_size, self.rows = len(batch.x), slice(0, len(batch.x))
        return batch

    def _over_again(self) -> Iterator[Batch]:
        while True:
            count = 0
            for item in self._loader:
                count += 1
                yield self._batch(item)
            if count == 0:
                raise ConfigError("the loader yielded no batch; an iterator can be used up: give a loader, or a list")

    @staticmethod
    def _batch(item: object) -> Batch:
        x, labels = _pair(item)
        x = torch.as_tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
        if not (isinstance(x, Tensor) and x.ndim >= 2 and x.is_floating_point()):
            raise ConfigError(
                f"a loader must yield float tensors of shape (b, *d), or pairs of them and labels; received {type(x).__name__}"
                + (f" of {x.dtype} and shape {tuple(x.shape)}" if isinstance(x, Tensor) else "")
            )
        return Batch(x, None if labels is None else class_numbers("a batch of the loader", labels, len(x)))


def batches_of(
    data: object, batch_size: int, seed: int, *, device: torch.device | str = "cpu", generator: Stream = "torch"
) -> "Batches | DensityBatches | LoaderBatches":
    """Return the batches of whatever examples come in.

    Args:
        data: a density, a `Dataset`, a tensor or NumPy array of shape (n, *d), a pair of those and labels (n,), a sequence of examples
            (with labels or without, such as a map-style `torch.utils.data.Dataset`), or a loader.
        batch_size: rows of a batch; a loader has its own.
        seed: names the order and the noise.
        device: of `Batches`.
        generator: of `Batches`.

    Raises:
        ConfigError: something else, or examples that cannot be put side by side.
        DataError: numbers or labels that `dataset_of` refuses.
    """
    place: dict[str, Any] = {"device": device, "generator": generator}
    if isinstance(data, Dataset):
        return Batches(data, batch_size, seed, **place)
    if isinstance(data, Samplable):
        return DensityBatches(data, batch_size, seed)
    if _with_labels(data):
        return Batches(_examples(*data), batch_size, seed, **place)
    if isinstance(data, Tensor | ArrayLike):
        return Batches(_examples(data, None), batch_size, seed, **place)
    if isinstance(data, Sequence | TorchDataset) and not isinstance(data, IterableDataset | str):
        return Batches(_stacked(data), batch_size, seed, **place)
    if isinstance(data, Iterable) and not isinstance(data, str | Mapping):
        return LoaderBatches(data)
    raise ConfigError(
        "expected a density, a Dataset, a tensor or array of shape (n, *d), a pair of those and labels, a sequence of examples or a "
        f"loader of batches; received {type(data).__name__}. scorefield.data.from_path reads files"
    )


def _with_labels(data: object) -> TypeGuard[tuple[Any, Any]]:
    """Return whether data are a pair of examples (n, *d) and labels, of whatever shape, rather than two examples, which have one shape."""
    if not (isinstance(data, tuple | list) and len(data) == 2):
        return False
    x, labels = map(_shape, data)
    return len(x) >= 2 and len(labels) >= 1 and x != labels and (len(labels) == 1 or x[0] == labels[0])


def _shape(part: object) -> tuple[int, ...]:
    """Return the shape of a tensor, an array, a table of pandas, or a list that could be one; of anything else that of a number."""
    if isinstance(part, Tensor):
        return tuple(part.shape)
    try:
        return np.shape(part) if isinstance(part, ArrayLike | list) else ()  # pyright: ignore[reportArgumentType]  lists of anything
    except (RuntimeError, TypeError, ValueError):
        return ()


def _examples(x: "Tensor | ArrayLike", labels: object) -> Dataset:
    """Return examples in memory, their axes as they come."""
    return dataset_of(x if isinstance(x, Tensor | np.ndarray) else np.asarray(x), labels, "the data", channels="first")


def _pair(item: object) -> tuple[Any, Any]:
    """Return (example, label) of what a data set of PyTorch's yields: (x, label), (x,), or x alone."""
    x, label = (*item, None)[:2] if isinstance(item, tuple | list) and len(item) in (1, 2) else (item, None)
    # Two arrays of one shape may be the rows of an example.
    known = isinstance(x, Tensor) or (isinstance(x, np.ndarray) and label is not None and np.ndim(label) < x.ndim)
    return (x, label) if known else (item, None)


def _stacked(examples: "Sequence[object] | TorchDataset[object]") -> Dataset:
    """Return a sequence of examples, or of pairs of examples and labels, as one data set in memory."""
    rows = [_pair(examples[k]) for k in range(len(examples))]  # pyright: ignore[reportArgumentType]  map-style sets have a length
    try:
        x = torch.stack([torch.as_tensor(x) for x, _ in rows])
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(f"the examples cannot be put side by side as tensors of one shape: {error}") from error
    classes = [label for _, label in rows]
    return _examples(x, None if None in classes else np.asarray(classes))


def _fits(x: Tensor, device: torch.device) -> bool:
    """Tell whether data can stay on the device all the time."""
    return device.type != "cuda" or x.nbytes <= torch.cuda.mem_get_info(device)[0] // 4


def _rank_rows(batch_size: int, rank: int, world: int) -> slice:
    """Return the rows of a global batch that belong to ``rank``."""
    whole(batch_size, "batch_size", 1)
    if not 0 <= rank < world:
        raise ConfigError(f"rank must be one of 0..world-1; received rank {rank} of a world of {world}")
    return slice(rank * batch_size // world, (rank + 1) * batch_size // world)
