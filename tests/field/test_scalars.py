"""What a shell or a YAML file says is taken as it was meant: names that YAML reads as something else, shares without spaces."""

import re
from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import main

SMALL = ["--network.kind", "mlp", "--network.width", "8", "--device", "cpu", "--dry-run"]
NAMES = [
    "2024",
    "007",
    "1e3",
    "no",
    "null",
    "~",
    "true",
    "a: b",
    "[x]",
    "{a: b}",
    '"q"',
    "#x",
    "a b",
    "x:y",
    "é",
    "a=b",
    "100%",
]


@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_may_have_any_name(tmp_path: Path, monkeypatch, capsys, name: str, joined: bool) -> None:
    monkeypatch.chdir(tmp_path)
    with Path(name).open("wb") as file:
        np.savez(file, **{name: np.zeros((3, 2)) + np.arange(2), "other": np.ones((3, 1))})
    data = [f"--data.path={name}", f"--data.array={name}"] if joined else ["--data.path", name, "--data.array", name]
    assert main(["train", "--data.kind", "path", *data, *SMALL]) == 0, capsys.readouterr().err
    assert "3 examples of shape (2,)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "keep",
    [
        ["--data.keep", "{3:0.35}"],
        ["--data.keep={3:.35}"],
        ["--data.keep", "{3: 0.35}"],
        ["--data.keep.3", "0.35"],
        ["--data.keep", '{"3":0.35}'],
    ],
)
def test_shares_of_classes_need_no_space(capsys, keep: list[str]) -> None:
    assert main(["train", "--data.kind", "digits", *keep, *SMALL]) == 0, capsys.readouterr().err
    assert "digits (0.35 of class 3): 1401 examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {kind: path, path: 2024}", "data.path: expected text: .* in quotes; received 2024"),
        ("data: {kind: path, path: no}", "data.path: .* in quotes; received False"),
        ("data: {kind: path, array: [x]}", "data.array: .* in quotes"),
        ("name: 2024", "name: .* in quotes"),
        ("data: {kind: digits, keep: {3:0.35}}", r"data.keep: .* a space after the colon, such as \{3: 0.35\}"),
        ("data: {kind: digits, keep: {3:.35}}", "a space after the colon"),
        ("train: {steps: yes}", "train.steps: expected a number; received True"),
        ("train: {learning_rate: on}", "train.learning_rate: expected a number; received True"),
        ("seed: false", "seed: expected a number; received False"),
        ("process: {kind: ve, sigma_max: true}", "process.*sigma_max: expected a number; received True"),
        ("sampling: {grid: {kind: karras, steps: yes}}", "steps: expected a number; received True"),
    ],
)
def test_yaml_that_means_something_else_is_told_how_to_write_it(tmp_path: Path, capsys, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert main(["train", "--config", str(tmp_path / "c.yaml"), *SMALL]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert re.search(said, errors), errors


def test_a_relative_path_is_looked_for_in_the_folder_of_the_data(tmp_path: Path, monkeypatch, capsys) -> None:
    np.save(tmp_path / "mine.npy", np.arange(8.0).reshape(4, 2))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    mine = ["train", "--data.kind", "path", "--data.path", "mine.npy", *SMALL]
    assert main([*mine, "--data-dir", str(tmp_path)]) == 0
    assert main(mine) == 3
    assert "elsewhere', the folder this was started in" in capsys.readouterr().err
