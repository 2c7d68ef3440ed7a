"""The 8×8 handwritten digits that come with scikit-learn: a data set that needs no download."""

from functools import cache

import numpy as np
import torch

from scorefield._noise import importing
from scorefield.data.dataset import Dataset

_TEST = 297


def digits(*, train: bool = True) -> Dataset:
    """Return digits of shape (1, 8, 8), labels 0..9; the 17 grey levels v become bytes ⌊255 v/16 + ½⌋.

    Args:
        train: the first 1500 examples, or else the last 297.

    Reference:
        Alpaydin, Kaynak: Optical recognition of handwritten digits, UCI repository, 1998 (its test set).
    """
    values, labels = _table()
    levels = (values.astype(np.int64) * 255 + 8) // 16
    kept = slice(None, -_TEST) if train else slice(-_TEST, None)
    x = torch.from_numpy(levels.astype(np.uint8)).reshape(-1, 1, 8, 8)
    return Dataset(x, torch.tensor(labels), "digits").subset(kept)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return values and labels; to read their text takes longer than a small network's training step."""
    with importing():
        from sklearn.datasets import load_digits  # takes seconds

    values, labels = load_digits(return_X_y=True)
    return np.asarray(values), np.asarray(labels)
