"""From an array in any units to samples in the same: trained, drawn and written alike, and never clamped."""

from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import main

SETTINGS = ["--network.kind", "mlp", "--network.width", "32", "--network.depth", "2", "--train.warmup", "10"]
FORM = np.random.default_rng(1).normal(size=(3, 1, 4, 4))
DIGITS = np.clip(
    0.5 + 0.2 * FORM[np.arange(600) % 3] + 0.05 * np.random.default_rng(2).normal(size=(600, 1, 4, 4)), 0, 1
)
TABLE = np.random.default_rng(3).normal(size=(600, 4)) @ np.linalg.cholesky(0.5 * np.eye(4) + 0.5).T


def draw(folder: Path, x: np.ndarray) -> np.ndarray:
    """Return what the command line makes of an array: train, then sample."""
    np.save(folder / "x.npy", x)
    run, out = str(folder / "run"), folder / "samples.npz"
    data = ["--data.kind", "path", "--data.path", str(folder / "x.npy"), "--train.steps", "300", "--device", "cpu"]
    assert main(["train", *data, *SETTINGS, "--train.batch_size", "128", "--run", run]) == 0
    assert main(["sample", run, "-n", "300", "--steps", "12", "--device", "cpu", "--out", str(out)]) == 0
    return np.load(out)["x"].astype(np.float64)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What is drawn of images in [0, 1]."""
    return draw(tmp_path_factory.mktemp("pictures"), DIGITS.astype(np.float32))


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.0, 1.0)])
@pytest.mark.slow  # columns in their units are quick
def test_images_in_any_range_are_learnt_and_drawn_alike(
    pictures: np.ndarray, tmp_path: Path, low: float, high: float
) -> None:
    """The same seeds give the same images, but for what rounding grows to in 300 steps."""
    drawn = (draw(tmp_path, (low + (high - low) * DIGITS).astype(np.float32)) - low) / (high - low)
    assert np.abs(drawn - pictures).mean() < 0.01
    assert np.abs(drawn.mean(0) - DIGITS.mean(0)).max() < 0.08
    assert drawn.min() < 0  # nothing was cut off where images end
    assert 0.7 < drawn.std() / DIGITS.std() < 1.3


def test_columns_from_a_thousandth_to_a_hundred_thousand_are_learnt_and_drawn_alike(tmp_path: Path) -> None:
    location, scale = np.array([0.02, 300.0, -7.0, -2e5]), np.array([1e-3, 0.1, 40.0, 1e5])
    drawn = (draw(tmp_path, (location + scale * TABLE).astype(np.float32)) - location) / scale
    assert np.abs(drawn.mean(0) - TABLE.mean(0)).max() < 0.25
    assert np.abs(drawn.std(0) / TABLE.std(0) - 1).max() < 0.25
    assert np.abs(np.corrcoef(drawn.T) - np.corrcoef(TABLE.T)).max() < 0.25
