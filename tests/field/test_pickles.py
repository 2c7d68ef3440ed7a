"""A file that wants to run code is refused in words of a person, not in half a sentence of torch."""

from pathlib import Path

import pytest
import torch

from scorefield.cli import main

FILES = {
    "a function": ({"a": print}, "found print, which is code to run"),
    "a module": (torch.nn.Identity(), "found torch.nn.modules.linear.Identity, which is code to run"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_would_run_is_named(tmp_path: Path, capsys, name: str) -> None:
    value, said = FILES[name]
    torch.save(value, tmp_path / "bad.pt")
    assert main(["convert", str(tmp_path / "bad.pt"), "--from", "ncsn", "--out", str(tmp_path / "run")]) == 4
    errors = capsys.readouterr().err
    assert said in errors
    assert "Weights only" not in errors
    assert errors.count("\n") == 1
