"""Whoever builds the wheel builds the same bytes, wherever and whenever; and it holds what the package needs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed: pip install hatchling")

ROOT = Path(__file__).parents[1]
NEEDED = ("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml")


def built(folder: Path, when: int, *, epoch: str | None = None) -> Path:
    """Build the wheel of a copy of the tree whose files are ``when`` seconds old in the sense of Unix, and return it."""
    folder.mkdir()
    for tree in ("src", "configs"):
        shutil.copytree(ROOT / tree, folder / tree, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEEDED:
        shutil.copy(ROOT / name, folder)
    for path in folder.rglob("*"):
        os.utime(path, (when, when))
        path.chmod(0o755 if path.is_dir() else (0o600 if when % 2 else 0o664))
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment | ({"SOURCE_DATE_EPOCH": epoch} if epoch else {}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.mark.slow
@pytest.mark.promise("E11")
def test_the_wheel_built_twice_is_equal_to_the_byte(tmp_path: Path) -> None:
    first = built(tmp_path / "here", 1_600_000_000)
    second = built(tmp_path / "elsewhere", 1_700_000_001)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    later = built(tmp_path / "later", 1_700_000_001, epoch="1700000000")
    assert later.read_bytes() != first.read_bytes()  # the comparison sees a date


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_the_recipes(tmp_path: Path) -> None:
    wheel = built(tmp_path / "here", 1_600_000_000)
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [path for package in ("scorefield", "scorefield_claims") for path in (ROOT / "src" / package).rglob("*")]
    expected = {p.relative_to(ROOT / "src").as_posix() for p in sources if p.is_file() and "__pycache__" not in p.parts}
    expected |= {
        f"scorefield/configs/{path.name}" for path in (ROOT / "configs").iterdir()
    }  # a link, which rglob does not enter
    assert expected <= names
    assert {name.partition("/")[0] for name in names - expected} == {f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
