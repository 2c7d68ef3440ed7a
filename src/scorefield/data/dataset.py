"""The data set in memory, or mapped from a file, and the step from bytes to real numbers.

Dequantisation: x·255/256 + U/256 with x = byte/255 and U ~ U[0, 1), that is (byte + U)/256. It turns a distribution
on 256 grey levels into a density on [0, 1) without which log-densities of images are unbounded.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int32, UInt8
from torch import Tensor

from scorefield._noise import Stream, derive_seed
from scorefield._philox import words
from scorefield.errors import DataError

# U has 16 bits: with the byte's eight they fill float32's 24 exactly, so nothing is rounded, up to the next
# grey level or at all, and ⌊256 x⌋ is the byte again.
_BITS = 16


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples in memory.

    Args:
        x: shape (n, *d); bytes, which stand for the levels byte/255 of images of shape (c, h, w), or any
            finite float32 data.
        labels: shape (n,) in int64; one class number, from 0, per example.
        name: what figures and records call it.
        flips: whether `scorefield.data.Batches` mirrors half of the examples of each batch left to right.
        columns: names of the coordinates of vectors, as a table has them.

    Raises:
        DataError: there are no examples, numbers are of another type, or examples and labels (from 0) differ in number.
    """

    # Types and shapes are checked below, with errors for people; annotations of them would speak first.
    x: Tensor
    labels: Tensor | None
    name: str
    flips: bool = False
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        x, labels = self.x, self.labels
        if x.ndim < 1 or len(x) == 0:
            raise DataError(f"{self.name}: found x of shape {tuple(x.shape)}; expected (n, *event) with n > 0.")
        if x.dtype not in (torch.uint8, torch.float32):
            raise DataError(f"{self.name}: found x of {x.dtype}; expected uint8 or float32. Convert it.")
        if labels is not None and (labels.dtype, labels.shape) != (torch.int64, x.shape[:1]):
            raise DataError(
                f"{self.name}: found labels of {labels.dtype} and shape {tuple(labels.shape)}; expected int64, "
                f"one for each of {len(x)} examples. Convert them, or leave them out."
            )
        if labels is not None and labels.min() < 0:
            raise DataError(f"{self.name}: found the label {labels.min()}; expected class numbers from 0.")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Tensor | tuple[Tensor, Tensor]:
        """Return example i as a `torch.utils.data.Dataset` does: scaled as by `scaled`, with its label where there are labels."""
        x = self.scaled(torch.tensor(i))
        return x if self.labels is None else (x, self.labels[i])

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one example."""
        return tuple(self.x.shape[1:])

    def scaled(self, index: Int[Tensor, "*b"] | slice = slice(None)) -> Float32[Tensor, "..."]:
        """Return examples without noise: byte/255 in [0, 1], or float data as it is."""
        x = self.x[index]
        return x.float() / 255 if x.dtype == torch.uint8 else x

    def subset(self, index: Bool[Tensor, " n"] | Int[Tensor, " b"] | slice) -> "Dataset":
        """Return the examples an index names: a mask such as ``data.labels == 1``, positions, or a slice."""
        return replace(self, x=self.x[index], labels=None if self.labels is None else self.labels[index])


def keep_share(dataset: Dataset, label: int, share: float, *, seed: int = 0) -> Dataset:
    """Return the data set with a random ``share`` of the examples of one class, and all of the others: unbalanced data.

    Raises:
        DataError: a share outside of [0, 1], no labels, or no example of that class.
    """
    if not 0 <= share <= 1:
        raise DataError(f"the share of class {label} to keep must lie between 0 and 1; received {share}")
    if dataset.labels is None or not (dataset.labels == label).any():
        known = "no labels" if dataset.labels is None else f"the classes {dataset.labels.unique().tolist()}"
        raise DataError(
            f"{dataset.name}: found {known}; expected examples of class {label}, of which a share is kept. Correct data.keep."
        )
    positions = (dataset.labels == label).nonzero().flatten()
    shuffle = torch.randperm(len(positions), generator=torch.Generator().manual_seed(derive_seed("keep", label, seed)))
    kept = torch.ones(len(dataset), dtype=torch.bool)
    kept[positions[shuffle[round(share * len(positions)) :]]] = False
    return replace(dataset.subset(kept), name=f"{dataset.name} ({share:g} of class {label})")


def dequantize(x: UInt8[Tensor, "n *d"], generator: torch.Generator | None = None) -> Float32[Tensor, "n *d"]:
    """Return (x + U)/256 in [0, 1), U ~ U[0, 1) drawn for every value."""
    return _spread(x, torch.randint(1 << _BITS, x.shape, generator=generator, dtype=torch.int32))


def quantize(x: Float[Tensor, "n *d"]) -> UInt8[Tensor, "n *d"]:
    """Return the bytes ⌊256 x⌋ that values in [0, 1] stand for; values outside are clipped. The inverse of `dequantize`."""
    return (256 * x).floor().clamp(0, 255).to(torch.uint8)


def dequantize_rows(
    x: UInt8[Tensor, "n *d"], seed: int, start: int, generator: Stream = "torch"
) -> Float32[Tensor, "n *d"]:
    """Return (x + U)/256 in [0, 1), U of row i a function of (seed, start + i) and the event alone.

    A counter-based generator is entered at the row's place in the stream: one call for any number of rows. "torch" takes NumPy's, on the
    CPU, beside PyTorch's generators; "philox" that of `scorefield._philox`, where x is: another U.
    """
    n = x[0].numel() if len(x) else 0
    if generator == "philox":
        place = torch.arange(start, start + len(x), device=x.device)
        drawn = words(torch.stack([place & 0xFFFFFFFF, place >> 32], dim=1), 0, -(-n // 2), derive_seed(seed, "bytes"))
        halves = torch.stack([drawn & 0xFFFF, drawn >> 16], dim=-1).flatten(1)[:, :n]
        return _spread(x, halves.to(torch.int32).reshape(x.shape))
    blocks = -(-n // 16)  # one count of Philox4x64 gives 4 × 64 bits: 16 draws
    philox = np.random.Philox(key=derive_seed(seed, "dequantize"), counter=start * blocks)
    raw = philox.random_raw(len(x) * blocks * 4).astype("<u8", copy=False)
    draws = raw.view("<u2").reshape(len(x), blocks * 16)[:, :n].astype(np.int32)
    return _spread(x, torch.from_numpy(draws).reshape(x.shape))


def coins(rows: int, seed: int, start: int) -> Bool[Tensor, " rows"]:
    """Return a fair coin for each row, row i a function of (seed, start + i)."""
    words = np.random.Philox(key=seed, counter=start).random_raw(4 * rows)  # one count gives four
    return torch.from_numpy((words[::4] & 1).astype(bool))


def _spread(x: UInt8[Tensor, "n *d"], draws: Int32[Tensor, "n *d"]) -> Float32[Tensor, "n *d"]:
    return ((x.to(torch.int32) << _BITS) + draws).float() * 2.0 ** -(_BITS + 8)
