"""Data of every shape, from the command line: trained on, drawn, measured, restored, and given a likelihood."""

import json
from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import main

N = 60
RANDOM = np.random.default_rng(0)
SHAPES = {
    "table": RANDOM.normal([3.0, -2e4, 5e-3], [1.0, 3e4, 1e-3], (N, 3)),
    "series": np.sin(np.arange(8) / 4 + RANDOM.uniform(0, 6, (N, 1, 1))),
    "grey": RANDOM.integers(0, 256, (N, 8, 8), dtype=np.uint8),
    "colour": RANDOM.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8),
    "volume": RANDOM.normal(300.0, 50.0, (N, 1, 8, 8, 8)),
}
EVENTS = {"table": (3,), "series": (1, 8), "grey": (1, 8, 8), "colour": (3, 8, 8), "volume": (1, 8, 8, 8)}
SMALL = {"table": ["--network.kind", "mlp", "--network.width", "8", "--network.depth", "1"]}
GRIDS = ["--network.width", "8", "--network.depth", "1"]


@pytest.mark.usefixtures("hardly_told_apart")
@pytest.mark.parametrize(
    "shape",
    [pytest.param(shape, marks=pytest.mark.slow if shape not in ("colour", "table") else ()) for shape in SHAPES],
)
def test_data_of_every_shape(shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", SHAPES[shape])
    run, files = str(tmp_path / "run"), {name: str(tmp_path / name) for name in ("x.npy", "drawn.npz", "hidden.npy")}
    event, cpu = EVENTS[shape], ["--device", "cpu"]
    of_data = ["--data.kind", "path", "--data.path", files["x.npy"]]
    settings = [*SMALL.get(shape, GRIDS), "--train.steps", "2", "--train.batch_size", "8"]
    assert main(["train", *of_data, *settings, *cpu, "--run", run]) == 0
    assert main(["sample", run, "-n", "3", "--steps", "3", *cpu, "--out", files["drawn.npz"]]) == 0
    drawn = np.load(files["drawn.npz"])["x"]
    assert drawn.shape == (3, *event)
    if SHAPES[shape].dtype != np.uint8:  # untrained, and yet of the data's location and scale
        assert np.abs(drawn.mean() - SHAPES[shape].mean()) < 3 * SHAPES[shape].std()
        assert 0.2 < drawn.std() / SHAPES[shape].std() < 5
    assert main(["evaluate", run, "-n", "20", "--steps", "2", *cpu, "--out", str(tmp_path / "evaluation")]) == 0
    capsys.readouterr()
    assert main(["likelihood", run, "-n", "2", "--json", *cpu]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured
    assert all(np.isfinite(v) for v in measured.values() if isinstance(v, float))
    hidden = np.zeros(event[-1:] if shape == "table" else event[1:], bool)
    hidden[..., :2] = True
    np.save(files["hidden.npy"], hidden)
    np.save(tmp_path / "one.npy", drawn[0])
    what = [
        "--image",
        str(tmp_path / "one.npy"),
        "--mask",
        files["hidden.npy"],
        "--out",
        str(tmp_path / "restored.npz"),
    ]
    assert main(["inpaint", run, *what, "-n", "2", "--steps", "3", *cpu]) == 0
    known = np.broadcast_to(~hidden, event)
    np.testing.assert_array_equal(np.load(tmp_path / "restored.npz")["x"][0][known], drawn[0][known])
