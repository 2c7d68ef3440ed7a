"""What quickstart says at its beginning and end."""

import sys
from pathlib import Path

import pytest

from scorefield.cli import main
from scorefield.cli.console import Progress
from scorefield.cli.quickstart import _farewell


@pytest.mark.parametrize("activated", [True, False])
def test_it_says_how_its_commands_are_found(
    activated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Make runs it without the environment's folder on the path, where the shell would not find the commands it names."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("activate", "scorefield"):
        (commands / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(commands) if activated else str(tmp_path))
    _farewell(tmp_path / "my run", {"seconds": 1.0})
    said = capsys.readouterr().out
    assert f"scorefield sample '{tmp_path / 'my run'}' -" in said
    assert (f"source {commands / 'activate'}" in said) is not activated


def test_it_says_that_it_starts_anew_beside_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scorefield.cli.train.follow", lambda made: len(Progress(1, made.path.name)._shown) or 7)
    for _ in range(2):
        assert main(["quickstart"]) == 7
    first, _, second = capsys.readouterr().err.partition("runs/quickstart is there already: this run starts anew, in ")
    assert "quickstart: 1 step\n" in first
    assert second.startswith("runs/quickstart-2\nscorefield: quickstart-2: 1 step\n")
