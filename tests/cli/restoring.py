"""What the tests of ``inpaint`` and ``solve`` share: tiny runs, and how the commands are asked."""

import json
from pathlib import Path

import numpy as np
import pytest

from scorefield.cli import main

__all__ = ["TINY", "npz", "refused", "report", "train"]

# A small largest noise, for which a network of four steps does not matter.
TINY = ["--network.width", "8", "--network.depth", "1", "--device", "cpu", "--process.sigma_max", "2", "--fast-dev-run"]


def train(path: Path, *more: str) -> Path:
    """A run folder made by the command line itself."""
    assert main(["train", *TINY, "--run", str(path), *more]) == 0
    return path


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """What a command reports."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *words: str, code: int = 2) -> None:
    """The command ends with ``code`` and one line on stderr that has all of ``words``; nothing on stdout."""
    capsys.readouterr()
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert err.count("\n") == 1, err
    assert out == ""
    for word in words:
        assert word in err, err
