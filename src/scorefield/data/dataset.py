"""The in-memory data set, and the step from bytes to real numbers.

Dequantisation: x·255/256 + U/256 with x = byte/255 and U ~ U[0, 1), that is (byte + U)/256. It turns a law
on 256 grey levels into a density on [0, 1) without which log-densities of images are unbounded.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int32, UInt8
from torch import Tensor

from scorefield._errors import DataError
from scorefield._tensors import derive_seed

__all__ = ["Dataset", "dequantize", "dequantize_rows"]

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

    Raises:
        DataError: no example, another type of numbers, or not one label per example.
    """

    # Types and shapes are checked below, with errors for people; annotations of them would speak first.
    x: Tensor
    labels: Tensor | None
    name: str

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

    def __len__(self) -> int:
        return len(self.x)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one example."""
        return tuple(self.x.shape[1:])

    def scaled(self, index: Int[Tensor, " b"] | slice = slice(None)) -> Float32[Tensor, "b *d"]:
        """Return examples without noise: byte/255 in [0, 1], or float data as it is."""
        x = self.x[index]
        return x.float() / 255 if x.dtype == torch.uint8 else x

    def subset(self, index: Bool[Tensor, " n"] | Int[Tensor, " b"] | slice) -> "Dataset":
        """Return the examples an index names: a mask such as ``data.labels == 1``, positions, or a slice."""
        return replace(self, x=self.x[index], labels=None if self.labels is None else self.labels[index])


def dequantize(x: UInt8[Tensor, "n *d"], generator: torch.Generator | None = None) -> Float32[Tensor, "n *d"]:
    """Return (x + U)/256 in [0, 1), U ~ U[0, 1) drawn for every value."""
    return _spread(x, torch.randint(1 << _BITS, x.shape, generator=generator, dtype=torch.int32))


def dequantize_rows(x: UInt8[Tensor, "n *d"], seed: int, start: int) -> Float32[Tensor, "n *d"]:
    """Return (x + U)/256 in [0, 1), U of row i a function of (seed, start + i) and the event alone.

    A counter-based generator is entered at the row's place in the stream: one call for any number of rows.
    """
    n = x[0].numel() if len(x) else 0
    blocks = -(-n // 16)  # one count of Philox4x64 gives 4 × 64 bits: 16 draws
    philox = np.random.Philox(key=derive_seed(seed, "dequantize"), counter=start * blocks)
    words = philox.random_raw(len(x) * blocks * 4).astype("<u8", copy=False)
    draws = words.view("<u2").reshape(len(x), blocks * 16)[:, :n].astype(np.int32)
    return _spread(x, torch.from_numpy(draws).reshape(x.shape))


def _spread(x: UInt8[Tensor, "n *d"], draws: Int32[Tensor, "n *d"]) -> Float32[Tensor, "n *d"]:
    return ((x.to(torch.int32) << _BITS) + draws).float() * 2.0 ** -(_BITS + 8)
