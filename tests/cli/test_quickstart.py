"""What quickstart says at its end."""

import sys
from pathlib import Path

import pytest

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
    _farewell(tmp_path / "run", {"seconds": 1.0})
    said = capsys.readouterr().out
    assert (f"source {commands / 'activate'}" in said) is not activated
