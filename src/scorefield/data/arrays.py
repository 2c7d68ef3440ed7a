"""One's own arrays become a data set."""

import os
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from scorefield._checks import from_array
from scorefield.data._files import refusal
from scorefield.data.dataset import Dataset

Channels = Literal["first", "last", "none"]

_MOST_CHANNELS = 4  # of what looks like colours, with transparency
_SMALLEST = 2.0**-149  # number above 0 in float32
_NOT_FINITE = "NaN or infinite numbers", "Remove or repair these examples"
_LEVELS = 32  # that float32 has to tell apart between the smallest and the largest number


def dataset_of(
    x: Shaped[np.ndarray, "..."] | Tensor,
    labels: object,
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    channels: Channels | None = None,
) -> Dataset:
    """Return examples as a data set.

    Args:
        x: shape (n, *d). Bytes stay bytes and booleans become bytes 0 and 255, levels of images; all other numbers become float32.
        labels: class numbers, one per example; None where there are none.
        name: of the data set.
        source: what errors call it, such as a path; the name when absent.
        channels: where the channels of examples are: the "first" of their axes, the "last", which is brought to the front, or there are
            "none", and an axis of one channel is added. By default the first, but for bytes: shape (n, h, w) has none, and
            (n, h, w, 1 or 3) has them last.

    Raises:
        DataError: other types of numbers, masked ones, sparse tensors; one axis only, axes among which the channels are not known,
            numbers that are not finite in float32 or too close for it to distinguish, labels that are not class numbers.
    """
    source = name if source is None else source
    for values in (x, labels):
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            remedy = "Leave out the examples that have any (numpy.ma.compress_rows for a table), or fill them: x.filled(value)."
            raise refusal(source, f"{np.ma.count_masked(values)} masked numbers", "all of them", remedy)
    if isinstance(x, Tensor) and x.layout != torch.strided:
        raise refusal(source, f"a tensor of layout {x.layout}", "a dense one", "x.to_dense() makes one.")
    if isinstance(x, Tensor) and x.is_meta:
        raise refusal(source, "a tensor on the device meta, which has a shape alone", "numbers", "Make it on the CPU.")
    mapped = isinstance(x, np.memmap)
    if isinstance(x, np.ndarray):
        x = numeric(source, x)
    if x.is_complex():
        raise refusal(source, f"numbers of type {_type(x)}", "real numbers", "Stack real and imaginary parts.")
    if x.ndim < 2 or x.numel() == 0:
        remedy = "Put the examples along the first axis; numbers are examples of shape (1,): reshape(-1, 1)."
        raise refusal(source, f"shape {tuple(x.shape)}", "examples along the first axis, none empty", remedy)
    x = _channels_first(source, x.detach(), channels)
    found = x.to(torch.uint8).mul_(255) if x.dtype == torch.bool else _real(source, x)
    found = found if mapped else found.contiguous()  # what is in a file stays there
    return Dataset(found, None if labels is None else class_numbers(source, labels, len(x)), name)


def class_numbers(source: str | os.PathLike[str], labels: object, n: int) -> Int64[Tensor, " n"]:
    """Return labels in int64: whole numbers from 0 of any type, one for each of n examples, shape (n,) or (n, 1)."""
    found = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if are_classes(found, n):
        return torch.from_numpy(found.reshape(-1).astype(np.int64))
    what = f"labels of type {found.dtype} and shape {found.shape}"
    if found.shape == (n,) and found.dtype.kind in "if":
        what = f"labels from {found.min():g} to {found.max():g}, of type {found.dtype}"
    remedy = "numpy.unique(labels, return_inverse=True)[1] numbers any values from 0; or leave them out."
    if found.ndim == 2 and len(found) == n:
        remedy = "Of one-hot rows take labels.argmax(axis=1); or leave them out."
    if found.ndim == 1 and len(found) != n:
        raise refusal(source, what, f"one for each of {n} examples", "Save as many, or leave them out.")
    raise refusal(source, what, f"class numbers from 0, one for each of {n} examples", remedy)


def are_classes(labels: Shaped[np.ndarray, "..."], n: int) -> bool:
    """Return whether labels are whole numbers from 0, one for each of n examples."""
    if labels.shape not in ((n,), (n, 1)) or labels.dtype.kind not in "biuf":
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        return bool((labels >= 0).all() and (labels < 2**53).all() and (labels == np.floor(labels)).all())


def numeric(source: str | os.PathLike[str], x: Shaped[np.ndarray, "..."]) -> Tensor:
    """Return an array of numbers as a tensor."""
    if x.dtype.names:
        raise refusal(source, f"type {x.dtype}", "numbers", "numpy.lib.recfunctions.structured_to_unstructured(x)")
    if x.dtype.kind not in "biufc":
        remedy = "Take the columns that are numbers: x.astype('float32')."
        raise refusal(source, f"values of type {x.dtype}", "numbers", remedy)
    return from_array(x)


def _channels_first(source: str | os.PathLike[str], x: Tensor, channels: Channels | None) -> Tensor:
    """Return examples with their channels on the first of their axes, where there are any."""
    bytes_ = x.dtype in (torch.uint8, torch.bool)
    if channels is None and x.ndim >= 4 and x.shape[1] not in (1, 3) and x.shape[-1] <= _MOST_CHANNELS:
        if not (bytes_ and x.ndim == 4 and x.shape[-1] in (1, 3)):
            found = f"shape {tuple(x.shape)}, whose channels may be the first axis of an example or the last"
            raise refusal(source, found, "(n, channels, ...)", "Say where they are: data.channels=last, or first.")
        channels = "last"
    if channels == "last":
        return x.movedim(-1, 1)
    return x[:, None] if channels == "none" or (channels is None and bytes_ and x.ndim == 3) else x


def _real(source: str | os.PathLike[str], x: Tensor) -> Tensor:
    """Return bytes as they are and other numbers in float32."""
    if x.dtype == torch.uint8:
        return x
    found = x.float()
    bad = [~torch.isfinite(part).flatten(1).all(dim=1) for part in found.split(_part(x))]
    rows = torch.cat(bad).nonzero().flatten().tolist()
    if rows:
        shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        large = bool(torch.isfinite(x[rows]).all())
        kind, remedy = ("numbers beyond 3.4e38", "Multiply them by a power of ten") if large else _NOT_FINITE
        s = "s"[: len(rows) != 1]
        what = f"{len(rows)} example{s} with {kind}, at position{s} {shown} (counted from 0)"
        raise refusal(source, what, "finite float32 numbers", f"{remedy}.")
    rounded = x.is_floating_point()
    if x.dtype in (torch.uint32, torch.uint64):
        x = x.double()  # which can be compared
    if x.dtype in (torch.float64, torch.int32, torch.int64):
        _told_apart(source, x, 1e-12 if rounded else 0.0)
    return found


def _told_apart(source: str | os.PathLike[str], x: Tensor, rounding: float) -> None:
    """Refuse numbers so large beside their differences, such as times in seconds since 1970, or so small, that float32 loses these."""
    axes = [0] if x.ndim == 2 else list(range(x.ndim))
    low, high = x.amin(axes).double().reshape(-1), x.amax(axes).double().reshape(-1)
    size, spread = torch.maximum(low.abs(), high.abs()), high - low
    # Differences in the last digits of float64 are the rounding of a constant, but not where it has none for whole numbers.
    finest = (2.0**-23 * size).clamp_min(_SMALLEST)
    differs = (spread > rounding * size) | (size >= 2.0**53)
    lost = (differs & (spread < _LEVELS * finest)).nonzero().flatten().tolist()
    if lost:
        where = f"column {lost[0]}: " if x.ndim == 2 else ""
        what = f"{where}numbers from {low[lost[0]].item():.15g} to {high[lost[0]].item():.15g}"
        remedy = (
            "Multiply them by a power of ten." if size[lost[0]] < 1e-30 else "Subtract the smallest number from them."
        )
        raise refusal(source, what, "differences that float32 can tell", remedy)


def _part(x: Tensor) -> int:
    """Return how many examples hold about four million numbers."""
    return max(1, 2**22 // max(1, x[0].numel()))


def _type(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
