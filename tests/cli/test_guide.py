"""A run that keeps a weaker version of itself draws with its guidance, and without where it is told so."""

from pathlib import Path

import numpy as np
import pytest

from scorefield import load_model
from scorefield.cli.main import main
from scorefield.training import checkpoint
from scorefield.training.export import export

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--fast-dev-run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guide") / "tiny"
    assert main(["train", *TINY, "--guide.step", "2", "--guide.weight", "3", "--run", str(path)]) == 0
    return path


def draw(model: Path, *more: str) -> np.ndarray:
    out = model.parent / "x.npz"
    assert main(["sample", str(model), "-n", "2", "--steps", "3", "--out", str(out), *more]) == 0
    return np.load(out)["x"]


def test_the_run_says_how_strongly_it_is_guided(run: Path):
    guided = draw(run)
    np.testing.assert_array_equal(guided, draw(run, "--guide", "3"))
    assert not np.array_equal(guided, draw(run, "--guide", "0"))
    assert not np.array_equal(guided, draw(run, "--guide", "1"))
    assert load_model(str(run)).weak is not None


def test_an_exported_model_keeps_its_guide(run: Path, tmp_path: Path):
    found = checkpoint.latest(run / "checkpoints", print)
    assert found is not None
    export(found, tmp_path / "exported")
    np.testing.assert_array_equal(draw(tmp_path / "exported"), draw(run))


def test_a_guide_that_is_not_there_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plain = tmp_path / "plain"
    assert main(["train", *TINY, "--run", str(plain)]) == 0
    assert main(["sample", str(plain), "--guide", "1"]) == 2
    assert "keeps no weaker version; train one that does with guide.step" in capsys.readouterr().err
    labelled = tmp_path / "labelled"
    assert main(["train", *TINY, "--network.classes", "10", "--guide.step", "2", "--run", str(labelled)]) == 0
    assert main(["sample", str(labelled), "--class", "1", "--weight", "1", "--guide", "1"]) == 2
    assert "two ways to strengthen guidance" in capsys.readouterr().err


def test_an_interval_that_descends_is_refused_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        main(["train", *TINY, "--guide.step", "2", "--guide.interval", "[4.0, 0.2]", "--run", str(tmp_path / "run")])
        == 2
    )
    assert "guide.interval" in (error := capsys.readouterr().err)
    assert "must ascend" in error
    assert not (tmp_path / "run").exists()
