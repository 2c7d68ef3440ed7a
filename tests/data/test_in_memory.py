"""Data from memory: what `fit` takes for examples and labels, and what it refuses in a sentence."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from scorefield.data import Batches, batches_of
from scorefield.errors import ScorefieldError

X = torch.arange(12.0).reshape(6, 2)
LABELS = torch.tensor([0, 1, 2, 0, 1, 3])


class Table:
    """As pandas has it: not a sequence, but NumPy makes an array of it."""

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return X.numpy()

    def __iter__(self):
        return iter(["a", "b"])


TAKEN = {
    "array": X.numpy(),
    "float64": X.double().numpy(),
    "integers": X.long(),
    "uint16": X.numpy().astype(np.uint16),
    "bfloat16": X.bfloat16(),
    "gradient": X.clone().requires_grad_(),
    "reversed": X.numpy()[::-1].copy()[::-1],
    "lists": X.tolist(),
    "rows": list(X),
    "pairs": list(zip(X, LABELS.tolist(), strict=True)),
    "pairs of tensors": list(zip(X, LABELS, strict=True)),
    "data set": TensorDataset(X, LABELS),
    "with labels": (X, LABELS),
    "arrays with labels": (X.numpy(), LABELS.numpy().astype(float)),
    "table": Table(),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_meant_is_taken(name):
    batches = batches_of(TAKEN[name], 4, 0)
    assert isinstance(batches, Batches)
    assert batches.dataset.x.tolist() == X.tolist()
    assert not batches.dataset.x.requires_grad
    if "pairs" in name or "labels" in name or name == "data set":
        assert batches.dataset.labels.tolist() == LABELS.tolist()
    else:
        assert batches.dataset.labels is None


def test_two_examples_are_no_pair_of_data_and_labels():
    assert batches_of((X[0], X[1]), 2, 0).dataset.x.tolist() == X[:2].tolist()


def test_bytes_in_memory_keep_their_axes():
    assert batches_of(np.zeros((6, 16, 16, 4), np.uint8), 2, 0).event == (16, 16, 4)


NAN = torch.where(X == 5, torch.nan, X)
REFUSED = {
    "one axis": (X[:, 0], "reshape"),
    "nothing": (X[:0], r"shape \(0, 2\)"),
    "not a number": (NAN, r"1 example with NaN .* position 2 "),
    "not a number among pairs": ([(row, 0) for row in NAN], "NaN"),
    "infinite": (X.numpy() + np.inf, "6 examples"),
    "complex": (X + 0j, "complex64"),
    "text": (np.array([["a", "b"]]), "<U1"),
    "objects": (np.array([[1, "b"]], dtype=object), "object"),
    "records": (np.zeros(3, [("a", "f4"), ("b", "f4")]), "structured_to_unstructured"),
    "ragged": ([X[0], X[0, :1]], "side by side"),
    "a path": ("table.npy", "from_path"),
    "a mapping": ({"x": X}, "received dict"),
    "none": (None, "received NoneType"),
    "names for labels": ([(row, "a") for row in X], "numpy.unique"),
    "fractions for labels": ([(row, 1.5) for row in X], "class numbers"),
    "negative labels": ((X, LABELS - 1), "from -1 to 2"),
    "labels of a loader": (
        DataLoader(TensorDataset(X, LABELS / 2), batch_size=3, generator=torch.Generator()),
        "class numbers",
    ),
    "one-hot rows of a loader": (
        DataLoader(TensorDataset(X, torch.eye(6)), batch_size=3, generator=torch.Generator()),
        "argmax",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    data, message = REFUSED[name]
    with pytest.raises(ScorefieldError, match=message) as caught:
        batches_of(data, 4, 0)
    assert "\n" not in str(caught.value)
