"""The golden files, and how far an array is from the golden one."""

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "first_edition"


def read_arrays(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a golden file."""
    with np.load(FOLDER / name) as file:
        return dict(file)


def read_json(name: str) -> Any:
    """Return a golden text."""
    return json.loads((FOLDER / name).read_text())


def difference(got: np.ndarray, golden: np.ndarray) -> float:
    """Return the largest difference, relative to the largest golden number of its row: of a frame, a sample, a training step."""
    assert (got.shape, got.dtype) == (golden.shape, golden.dtype)
    got, golden = (a.reshape(len(a) if a.ndim else 1, -1).astype(np.float64) for a in (got, golden))
    error, scale = np.abs(got - golden).max(1), np.abs(golden).max(1)
    return float(np.divide(error, scale, out=error, where=scale > 0).max())
