"""From a configuration to a classifier of noisy states."""

import json
from pathlib import Path

import pytest

from scorefield import load_classifier, load_model
from scorefield.cli.main import main
from scorefield.errors import ConfigError

PARTS = ["--network.kind", "noisy_classifier", "--model.kind", "classifier", "--objective.kind", "cross_entropy"]
TINY = ["--data.kind", "digits", *PARTS, "--network.width", "16", "--train.label_dropout", "0", "--fast-dev-run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "tiny"
    assert main(["train", *TINY, "--run", str(path)]) == 0
    return path


def test_a_classifier_is_trained_and_loaded_by_name(run: Path, capsys: pytest.CaptureFixture[str]):
    loaded = load_classifier(str(run))
    assert loaded.model.classes == 10
    assert list((run / "samples").iterdir()) == []
    with pytest.raises(ConfigError, match="is a classifier, where a score model is needed"):
        load_model(str(run))
    assert main(["sample", str(run)]) == 2
    assert "is a classifier" in capsys.readouterr().err


def test_the_shipped_denoiser_is_no_classifier():
    with pytest.raises(ConfigError, match="mnist: is a score model, where a classifier is needed"):
        load_classifier("mnist")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (PARTS[:2], ["network.kind=noisy_classifier", "model.kind=denoiser"]),
        (PARTS[:4], ["objective.kind=dsm"]),
        (PARTS[4:], ["objective.kind=cross_entropy", "network.kind=unet"]),
        (PARTS, ["train.label_dropout", "set it to 0"]),
    ],
)
def test_a_part_of_a_classifier_in_a_score_model_is_refused(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["train", "--data.kind", "digits", *arguments, "--fast-dev-run", "--run", str(tmp_path / "run")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(word in error for word in words), error


def test_a_classifier_is_measured_at_every_noise_level(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), "-n", "50", "--out", str(tmp_path), "--json"]) == 0
    levels = json.loads((tmp_path / "calibration.json").read_text())["levels"]
    assert [level["ratio"] for level in levels] == sorted(level["ratio"] for level in levels)
    assert all(level["n"] == 50 and 0 <= level["accuracy"][0] <= 1 for level in levels)
    assert (tmp_path / "calibration.png").stat().st_size > 5_000
    assert json.loads(capsys.readouterr().out)["levels"] == levels
    assert main(["evaluate", str(run), "-n", "50", "--out", str(tmp_path), "--sampler", "heun"]) == 2
    assert "draws nothing: leave out --sampler" in capsys.readouterr().err
