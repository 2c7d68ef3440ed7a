"""Batches of whatever examples a caller has: an array, a list, a data set or loader of PyTorch's, a density."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from scorefield._noise import Stream
from scorefield.data.arrays import class_numbers, dataset_of
from scorefield.data.batches import Batch, Batches, DensityBatches, Samplable
from scorefield.data.dataset import Dataset
from scorefield.errors import ConfigError


@runtime_checkable
class ArrayLike(Protocol):
    """What NumPy makes an array of, such as a table of pandas."""

    def __array__(self) -> np.ndarray:
        """Return the array."""
        ...


class LoaderBatches:
    """The batches of a loader, one after another and over again: its order and its randomness are its own.

    Args:
        loader: yields tensors of shape (b, *d), or pairs of them and labels; a `torch.utils.data.DataLoader` is one. Its batches are taken
            as they come, so training on them cannot be resumed in the middle. Numbers of half precision become float32.

    Raises:
        ConfigError: a loader that yields nothing, or something else.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self._endless = self._over_again()
        self._first: Batch | None = next(self._endless)
        self.event = tuple(self._first.x.shape[1:])
        """The shape d of one example."""
        self._given = 0
        self.batch_size = len(self._first.x)
        self.rows = slice(0, self.batch_size)

    def batch(self, k: int) -> Batch:
        """Return the next batch; ``k`` is only asked where its rows are in the stream: after all that were given, whatever their sizes."""
        batch, self._first = self._first or next(self._endless), None
        self.batch_size = len(batch.x)
        start = self._given - k * self.batch_size
        self.rows = slice(start, start + self.batch_size)
        self._given += self.batch_size
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
        x = x.to(torch.promote_types(x.dtype, torch.float32))
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
