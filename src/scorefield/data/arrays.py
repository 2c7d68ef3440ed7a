"""One's own arrays: a ``.npy`` or ``.npz`` file becomes a data set. Nothing in such a file is ever executed."""

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

from scorefield.data._files import refusal, regular_file
from scorefield.data.dataset import Dataset

__all__ = ["from_array_file"]

_EXPECTED = "a .npy or .npz file of numbers"
_DATA_KEYS = ("x", "images")
_LABEL_KEYS = ("labels", "y")


def from_array_file(path: str | os.PathLike[str]) -> Dataset:
    """Return the examples of a ``.npy`` or ``.npz`` file as a data set named after the file.

    The data has shape (n, *d) and is one of: bytes, which are images (n, h, w), (n, c, h, w) or (n, h, w,
    c) with c = 1 or 3, brought to (n, c, h, w), or any other shape, left as it is; booleans, which become
    bytes 0 and 255; floating-point numbers, which become float32 and are otherwise left as they are.

    In an ``.npz`` the data is the array ``x`` or ``images``, or the only one besides the labels; the optional
    labels are integers from 0, one per example, in ``labels`` or ``y``.

    Raises:
        DataError: not such a file, damaged, needs pickle, arrays that cannot be told apart, another type or
            shape, numbers that are not finite in float32.
    """
    path = regular_file(path, _EXPECTED)
    try:
        arrays = _read(path)
    # A reader fed with damaged bytes may raise anything; all of it means the same to the owner of the file.
    except Exception as error:
        remedy = "Save it again with numpy.save or numpy.savez; arrays of Python objects are not read."
        raise refusal(path, f"data that cannot be read ({error})", _EXPECTED, remedy) from error
    key = _data_key(path, arrays)
    x = _examples(path, arrays.pop(key))
    labels = _labels(path, arrays, len(x))
    return Dataset(x, labels, path.stem)


def _read(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of a file by name; the one in a ``.npy`` is x."""
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"x": loaded}
    with loaded:
        return {key: np.asarray(loaded[key]) for key in loaded.files}  # members of other kinds come as bytes


def _one_of(path: Path, names: tuple[str, ...], arrays: dict[str, Shaped[np.ndarray, "..."]]) -> str | None:
    """Return the one of ``names`` that is among the arrays, if any."""
    present = [name for name in names if name in arrays]
    if len(present) > 1:
        raise refusal(path, f"both {' and '.join(present)}", "one of them", "Save the file with one.")
    return present[0] if present else None


def _data_key(path: Path, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> str:
    key = _one_of(path, _DATA_KEYS, arrays)
    rest = [name for name in arrays if name not in _LABEL_KEYS]
    if key is None and len(rest) != 1:
        expected = f"the data under {' or '.join(_DATA_KEYS)}, or alone besides {' or '.join(_LABEL_KEYS)}"
        raise refusal(path, f"arrays {sorted(arrays)}", expected, "Save the array you mean under the name x.")
    return key or rest[0]


def _examples(path: Path, x: Shaped[np.ndarray, "..."]) -> UInt8[Tensor, "n *d"] | Float32[Tensor, "n *d"]:
    if x.ndim < 2 or x.size == 0:
        remedy = "Save the examples along the first axis; numbers are examples of shape (1,)."
        raise refusal(path, f"shape {x.shape}", "(n, *event), nothing empty", remedy)
    if x.dtype == np.bool_:
        x = x.astype(np.uint8) * 255
    if x.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(_channels_first(x)))
    if not np.issubdtype(x.dtype, np.floating):
        remedy = "Save grey levels as uint8, anything else as float32."
        raise refusal(path, f"numbers of type {x.dtype}", "uint8, bool or floating-point", remedy)
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x, dtype=np.float32)
    bad = len(x) - int(np.isfinite(x).reshape(len(x), -1).all(axis=1).sum())
    if bad:
        remedy = "Remove or repair these examples."
        raise refusal(path, f"{bad} examples with NaN or infinite numbers", "finite float32 numbers", remedy)
    return torch.from_numpy(x)


def _channels_first(x: UInt8[np.ndarray, "n *any"]) -> UInt8[np.ndarray, "n *d"]:
    """Return images as (n, c, h, w), and anything else as it is."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        return np.moveaxis(x, 3, 1)
    return x


def _labels(path: Path, arrays: dict[str, Shaped[np.ndarray, "..."]], n: int) -> Int64[Tensor, " n"] | None:
    key = _one_of(path, _LABEL_KEYS, arrays)
    if key is None:
        return None
    labels = arrays[key]
    integers = labels.shape == (n,) and np.issubdtype(labels.dtype, np.integer)
    if not integers or labels.min() < 0:
        found = f"the value {labels.min()}" if integers else f"type {labels.dtype} and shape {labels.shape}"
        remedy = "Save class numbers, or no labels."
        raise refusal(path, f"{key} with {found}", f"integers from 0, one for each of {n} examples", remedy)
    return torch.from_numpy(labels.astype(np.int64))
