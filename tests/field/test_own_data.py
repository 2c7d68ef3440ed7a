"""One's own data from the shell: too few examples, units that do not fit, folders at home, names with spaces."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import drawing, main

SMALL = ["--network.kind", "mlp", "--network.width", "8", "--device", "cpu"]
SHAPES = {"a row": (1, 3), "two rows": (2, 3), "rows": (22, 3), "images": (23, 1, 8, 8), "volumes": (6, 1, 2, 3, 4)}
NORMAL = np.random.default_rng(0).normal


def trained(folder: Path, x: np.ndarray, run: str = "run") -> str:
    np.save(folder / "x.npy", x)
    asked = ["train", "--data.kind", "path", "--data.path", str(folder / "x.npy"), *SMALL, "--fast-dev-run"]
    assert main([*asked, "--run", str(folder / run)]) == 0
    return str(folder / run)


@pytest.mark.parametrize("name", SHAPES)
def test_too_few_examples_to_measure_with_are_said_before_anything_is_drawn(
    tmp_path, monkeypatch, capsys, name
) -> None:
    run = trained(tmp_path, NORMAL(size=SHAPES[name]))
    monkeypatch.setattr(drawing, "draw", lambda *_, **__: pytest.fail("drawn"))
    capsys.readouterr()
    assert main(["evaluate", run, "--out", str(tmp_path / "e"), "--device", "cpu"]) == 3
    errors = capsys.readouterr().err.splitlines()[-1]
    assert f"found {SHAPES[name][0] // 2} examples to compare with, one half of the data" in errors
    assert "at least 12" in errors
    assert not (tmp_path / "e").exists()


@pytest.mark.usefixtures("hardly_told_apart")
@pytest.mark.parametrize("shape", [(24, 3), (24, 1, 4, 4)], ids=str)
def test_as_few_examples_as_are_asked_for_can_be_measured_with(tmp_path, capsys, shape) -> None:
    run = trained(tmp_path, NORMAL(size=shape))
    asked = ["evaluate", run, "-n", "20", "--steps", "2", "--out", str(tmp_path / "e"), "--device", "cpu"]
    assert main(asked) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("hardly_told_apart")
def test_a_table_of_rare_events_is_measured(tmp_path, capsys) -> None:
    x = np.zeros((60, 4))
    x[::20, 1] = 1
    run = trained(tmp_path, x)
    np.savez(tmp_path / "s.npz", x=x[:30])
    asked = [
        "evaluate",
        run,
        "--from-samples",
        str(tmp_path / "s.npz"),
        "--out",
        str(tmp_path / "e"),
        "--device",
        "cpu",
    ]
    assert main(asked) == 0, capsys.readouterr().err


@pytest.mark.parametrize("rows", [1, 3])
def test_a_likelihood_without_an_error_is_refused_as_data_are(tmp_path, capsys, rows) -> None:
    run = trained(tmp_path, NORMAL(size=(rows, 3)))
    assert main(["likelihood", run, "--device", "cpu"]) == 3
    assert "at least 2" in capsys.readouterr().err
    (tmp_path / "x.npy").unlink()
    assert main(["likelihood", run, "--device", "cpu"]) == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--guide.weight", "3"], "guide.weight and guide.interval change nothing without guide.step"),
        (["--train.decoder_steps", "5"], "train.decoder_steps trains nothing"),
    ],
)
def test_a_setting_that_changes_nothing_is_doubted(tmp_path, capsys, asked, said) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 2)))
    assert main(["train", "--data.path", str(tmp_path / "x.npy"), "--dry-run", "--device", "cpu", *asked]) == 0
    assert f"warning: {said}" in capsys.readouterr().err


def test_a_column_that_never_changes_is_doubted(tmp_path, capsys) -> None:
    x = np.c_[np.full(30, 2020), NORMAL(size=30), np.full(30, 1e-5)]
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="year,height,rate", comments="", fmt="%.9g")
    assert main(["train", "--data.path", str(tmp_path / "x.csv"), *SMALL, "--dry-run"]) == 0
    assert "in every row 'year' is 2020, 'rate' is 1e-05: a model draws near" in capsys.readouterr().err
    asked = ["--data.columns", "height", "--dry-run"]
    assert main(["train", "--data.path", str(tmp_path / "x.csv"), *SMALL, *asked]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("spread", [1, 6])
def test_values_that_a_few_others_hide_are_doubted(tmp_path, capsys, spread) -> None:
    np.save(tmp_path / "x.npy", np.exp(spread * NORMAL(size=(400, 2))))
    assert main(["train", "--data.path", str(tmp_path / "x.npy"), *SMALL, "--dry-run"]) == 0
    assert ("half of column 0 lies between" in capsys.readouterr().err) == (spread == 6)


UNITS = {
    "no scale": (["--model.scale", "0"], "scale finite and positive"),
    "two of three": (["--model.scale", "[1,2]"], r"model.scale: .* shape (3,); received shape (2,)"),
    "both": (["--model.location", "[1,2]", "--model.scale", "[1,2]"], "model.location: "),
    "rows": (["--model.location", "[[1,2,3]]"], "received shape (1, 3)"),
    "ragged": (
        ["--model.scale", "[1,[2]]"],
        "model: scale must be .* received list, not of numbers or not of equal lengths",
    ),
}


@pytest.mark.parametrize("name", UNITS)
def test_units_that_do_not_fit_the_data_are_refused(tmp_path, capsys, name) -> None:
    np.save(tmp_path / "x.npy", NORMAL(size=(30, 3)))
    asked, said = UNITS[name]
    data = ["--data.kind", "path", "--data.path", str(tmp_path / "x.npy")]
    assert main(["train", *data, *SMALL, *asked, "--dry-run"]) == 2
    errors = capsys.readouterr().err.splitlines()[-1]
    assert all(part in errors for part in said.split(" .* "))


@pytest.mark.parametrize("asked", ["yaml", "--data.path=~/x.npy", "--data.dir=~/"])
def test_a_path_may_begin_at_home(tmp_path, monkeypatch, capsys, asked) -> None:
    (tmp_path / "home").mkdir()
    np.save(tmp_path / "home" / "x.npy", NORMAL(size=(30, 3)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = {"yaml": "~/x.npy", "--data.dir=~/": "x.npy"}.get(asked, "elsewhere")
    (tmp_path / "c.yaml").write_text(f"data: {{kind: path, path: {path}}}")
    more = [] if asked == "yaml" else [asked]
    made = ["train", "--config", "c.yaml", *SMALL, *more, "--run=~/runs/a", "--fast-dev-run"]
    assert main(made) == 0, capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml", "home"]
    assert (tmp_path / "home" / "runs" / "a" / "checkpoints").is_dir()


def test_what_is_advised_can_be_pasted(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run = trained(tmp_path, NORMAL(size=(30, 3)), "my run's")
    advised = capsys.readouterr().out.splitlines()[-1].strip()
    assert shlex.split(advised)[:3] == ["scorefield", "sample", run]
    assert main([*shlex.split(advised)[1:], "--device", "cpu"]) == 0


BAD = {
    "a run of no name": (["train", "--run", "", *SMALL, "--data.kind", "digits", "--fast-dev-run"], "--run: expected"),
    "a seed with a point": (["sample", "digits", "--seed", "1.5"], "--seed: expected a whole number; received 1.5"),
    "a folder for a file of the Hub": (["sample", "./my runs/a"], "of the Hugging Face Hub is named hf:ORG/NAME"),
    "a file with a space": (["sample", "my file"], "scorefield convert 'my file'"),
    "blocks that do not tile": (
        ["solve", "digits", "--image", "0", "--problem", "downsample:3"],
        "--problem downsample:3: samples of shape (1, 8, 8)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_meant_so_is_refused_in_a_line(tmp_path, monkeypatch, capsys, name) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my file").write_text("x")
    (tmp_path / "my runs" / "a").mkdir(parents=True)
    asked, said = BAD[name]
    assert main(asked) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("part", ["checkpoints", "config.yaml"])
def test_a_part_of_a_run_is_told_the_run(tmp_path: Path, capsys, part: str) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").touch()
    assert main(["sample", str(run / part)]) == 2
    assert capsys.readouterr().err.endswith(f"did you mean the run {run}?\n")
