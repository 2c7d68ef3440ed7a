"""Completion scripts are read by the shells they are for, and complete."""

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("shtab", reason="shtab is not installed: pip install shtab")
SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed"))
    for shell in ("bash", "zsh", "fish")
]


def script(shell: str) -> str:
    command = [sys.executable, "-m", "scorefield", "--print_completion", f"shtab-{shell}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def parses(shell: str, text: str) -> bool:
    """Return whether the shell reads the script, which it does not run."""
    return subprocess.run([shell, "-n"], check=False, input=text, text=True, capture_output=True).returncode == 0


@pytest.mark.promise("G5")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_parses(shell: str) -> None:
    text = script(shell)
    assert "inpaint" in text
    assert parses(shell, text)
    assert not parses(shell, text + "\nif (\n")


def completed(text: str, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    asked = " ".join(f"'{word}'" for word in words)
    call = f'COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _shtab_scorefield; echo "${{COMPREPLY[@]}}"'
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{text}\n{call}"], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.split()


@pytest.mark.promise("G5")
def test_bash_completes_commands_and_options() -> None:
    text = script("bash")
    assert completed(text, "scorefield", "in") == ["inpaint"]
    assert "--out" in completed(text, "scorefield", "sample", "--o")
    assert completed(text, "scorefield", "nothing") == []
