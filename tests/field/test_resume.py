"""``--resume`` goes on with what is there, and with nothing else."""

from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import main

TINY = ["--data.kind", "digits", "--network.kind", "mlp", "--network.width", "8", "--device", "cpu", "--fast-dev-run"]


@pytest.mark.parametrize("made", [False, True], ids=["no folder", "a folder of something else"])
def test_a_mistyped_folder_is_refused_and_not_made(tmp_path: Path, capsys, made: bool) -> None:
    run = tmp_path / "runs" / "mnits"
    if made:
        run.mkdir(parents=True)
    assert main(["train", *TINY, "--run", str(run), "--resume"]) == 4
    assert "holds no run to go on with; check its name" in capsys.readouterr().err
    assert run.exists() == made
    assert not made or not list(run.iterdir())


def test_a_run_that_died_before_its_first_checkpoint_begins_again_and_says_so(tmp_path: Path, capsys) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert main(["train", *TINY, "--run", str(tmp_path / "run"), "--resume"]) == 0
    assert "has no checkpoint yet; starting at step 0" in capsys.readouterr().err
    assert main(["train", *TINY, "--run", str(tmp_path / "run"), "--resume"]) == 0


def test_the_folder_alone_says_what_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--run", "runs/run"]) == 0
    assert main(["train", "--resume"]) == 0
    assert "trained to step 4" in capsys.readouterr().out
    assert main(["train", "--run", "runs/run", "--resume", "--network.width", "16"]) == 2
    assert "network.width" in capsys.readouterr().err


def test_a_run_goes_on_without_its_configuration_file(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--run", "runs/run"]) == 0
    for empty in (False, True):
        Path("runs/run/config.yaml").unlink()
        Path("runs/run/config.yaml").touch() if empty else None
        assert main(["train", "--resume"]) == 0, capsys.readouterr().err
        assert "kind: digits" in Path("runs/run/config.yaml").read_text()


def test_data_that_changed_their_scale_are_not_gone_on_with(tmp_path: Path, capsys) -> None:
    x, run = np.random.default_rng(0).normal(size=(64, 2)), ["train", "--run", str(tmp_path / "run")]
    data = ["--data.kind", "path", "--data.path", str(tmp_path / "x.npy"), "--network.kind", "mlp"]
    np.save(tmp_path / "x.npy", x)
    assert main([*run, *data, "--train.steps", "2", "--train.batch_size", "8", "--device", "cpu"]) == 0
    np.save(tmp_path / "x.npy", 1000 * x)
    assert main([*run, "--resume", "--override", "--train.steps", "4"]) == 2
    assert "a run that goes on needs the data it began with" in capsys.readouterr().err
