"""Models to ship: averaged weights and configuration, equal to the run's own; and those that are shipped work."""

from pathlib import Path

import numpy as np
import pytest

from scorefield import Classifier
from scorefield.cli import main
from scorefield.errors import CheckpointError
from scorefield.pretrained import load_trained, shipped_models
from scorefield.training import checkpoint
from scorefield.training.export import export

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--device", "cpu", "--fast-dev-run"]


def draw(model: str, out: Path, *options: str) -> np.ndarray:
    assert main(["sample", model, "-n", "2", "--steps", "3", "--out", str(out), *options]) == 0
    return np.load(out)["x"]


def test_an_exported_model_is_the_run_without_its_optimiser(tmp_path: Path) -> None:
    run, shipped = tmp_path / "run", tmp_path / "shipped"
    assert main(["train", *TINY, "--train.decoder_steps", "2", "--run", str(run)]) == 0
    found = checkpoint.latest(run / "checkpoints", print)
    assert found is not None
    assert found.tensors["decoder"]["network.last.weight"].abs().max() > 0
    export(found, shipped)
    assert {path.name for path in shipped.iterdir()} == {
        "decoder.safetensors",
        "ema.safetensors",
        "manifest.json",
        "moments.safetensors",
        "state.json",
    }
    ended = draw(str(shipped), tmp_path / "a.npz")
    np.testing.assert_array_equal(ended, draw(str(run), tmp_path / "b.npz"))
    assert np.abs(255 * ended - (255 * ended).round()).max() < 1e-4  # bytes, of which between them none remains
    between = 255 * draw(str(run), tmp_path / "c.npz", "--decode", "none")
    assert np.abs(between - between.round()).max() > 0.1
    with pytest.raises(CheckpointError, match="exists already"):
        export(found, shipped)


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_works_and_is_small(name: str, tmp_path: Path) -> None:
    trained = load_trained(name)
    if isinstance(trained.model, Classifier):
        assert trained.model.classes == 10
    else:
        assert np.isfinite(draw(name, tmp_path / "x.npz")).all()
    folder = Path(main.__code__.co_filename).parents[1] / "weights" / name
    assert all(path.stat().st_size <= 8_000_000 for path in folder.iterdir())


def test_mnist_is_shipped() -> None:
    assert "mnist" in shipped_models()
