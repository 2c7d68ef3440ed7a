"""From a configuration with classes to samples of a class."""

from pathlib import Path

import numpy as np
import pytest

from scorefield.cli.main import main

TINY = ["--data.kind", "digits", "--network.width", "16", "--network.classes", "10", "--fast-dev-run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classes") / "tiny"
    assert main(["train", *TINY, "--run", str(path)]) == 0
    return path


def draw(run: Path, out: Path, *more: str) -> np.ndarray:
    assert main(["sample", str(run), "-n", "4", "--steps", "4", "--decode", "none", "--out", str(out), *more]) == 0
    return np.load(out)["x"]


def test_the_class_decides_what_is_drawn_and_takes_turns(run: Path, tmp_path: Path):
    """Four steps of training leave the labels' embeddings random, so every class draws differently, and equal labels draw alike."""
    of = {text: draw(run, tmp_path / "x.npz", "--class", text) for text in ("4", "7", "4,7")}
    assert not np.array_equal(of["4"], of["7"])
    np.testing.assert_allclose(of["4,7"][::2], of["4"][::2], atol=1e-5)
    np.testing.assert_allclose(of["4,7"][1::2], of["7"][1::2], atol=1e-5)


def test_a_weight_of_zero_is_the_class_as_learned(run: Path, tmp_path: Path):
    plain = draw(run, tmp_path / "x.npz", "--class", "4")
    assert np.array_equal(plain, draw(run, tmp_path / "x.npz", "--class", "4", "--weight", "0"))
    assert not np.array_equal(plain, draw(run, tmp_path / "x.npz", "--class", "4", "--weight", "3"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--class", "10"], ["--class 10", "0 to 9"]),
        (["--class", "four"], ["--class", "four"]),
        (["--weight", "2"], ["--weight", "--class"]),
    ],
)
def test_classes_that_are_not_there_are_refused(
    capsys: pytest.CaptureFixture[str], run: Path, arguments: list[str], words: list[str]
):
    assert main(["sample", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(word in error for word in words), error
