"""Outputs are checked before the work begins, and what is no picture is written as numbers."""

from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import drawing, main

SETS = {
    "table": (80, 2),
    "series": (80, 1, 16),
    "two channels": (80, 2, 8, 8),
    "many channels": (80, 16, 8, 4),
    "volumes": (80, 1, 4, 4, 4),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name == "two channels" else ()) for name in SETS],
)
def run(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, ...]]:
    folder, shape = tmp_path_factory.mktemp("run"), SETS[request.param]
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=shape))
    data = ["--data.kind", "path", "--data.path", str(folder / "x.npy"), "--data.channels", "first"]
    small = ["--network.kind", "mlp", "--network.width", "8", "--fast-dev-run", "--device", "cpu"]
    assert main(["train", *data, *small, "--run", str(folder / "run")]) == 0
    return folder / "run", shape[1:]


@pytest.mark.parametrize("suffix", ["png", "gif", "mp4"])
def test_a_picture_of_no_pictures_is_refused_before_anything_is_drawn(
    run, tmp_path, monkeypatch, capsys, suffix
) -> None:
    monkeypatch.setattr(drawing, "draw", lambda *_, **__: pytest.fail("drawn"))
    assert main(["sample", str(run[0]), "--out", str(tmp_path / f"s.{suffix}")]) == 2
    assert "write .npz instead" in capsys.readouterr().err


@pytest.mark.usefixtures("hardly_told_apart")
def test_by_default_numbers_are_written_and_can_be_measured(run, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", str(run[0]), "-n", "40", "--device", "cpu"]) == 0
    assert np.load("samples.npz")["x"].shape == (40, *run[1])
    measured = ["evaluate", str(run[0]), "--from-samples", "samples.npz", "--out", "e", "--device", "cpu"]
    assert main(measured) == 0, capsys.readouterr().err
    assert not Path("e", "grid.png").exists()


def test_a_film_of_no_frames_is_refused_before_anything_is_drawn(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(drawing, "draw", lambda *_, **__: pytest.fail("drawn"))
    assert main(["sample", "digits", "--frames", "0", "--out", str(tmp_path / "s.gif")]) == 2
    assert "--frames" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--class", "4"], ["--class", "4", "--weight", "1"]])
def test_a_class_of_a_model_without_classes_names_the_model_and_one_that_has(tmp_path, capsys, options) -> None:
    assert main(["sample", "mnist", *options, "-n", "1", "--out", str(tmp_path / "s.npz")]) == 2
    errors = capsys.readouterr().err
    assert "mnist was trained without labels; name a model that has some, such as mnist-class" in errors
    assert "Denoiser" not in errors
    assert main(["sample", "mnist-class", "--class", "12", "-n", "1", "--out", str(tmp_path / "s.npz")]) == 2
    assert "--class 12: mnist-class knows the classes 0 to 9" in capsys.readouterr().err
