"""Fixtures that more than one folder of tests needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """A folder that holds MNIST, itself or in ``mnist``: SCOREFIELD_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("SCOREFIELD_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not any((folder / place / "train-images-idx3-ubyte.gz").exists() for place in ("", "mnist")):
        pytest.skip(f"no MNIST in {folder}: set SCOREFIELD_DATA to the folder that holds its four files")
    return folder
