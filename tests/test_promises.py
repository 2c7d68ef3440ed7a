"""Every promise is held by a test, or says what it waits for; what is recorded is what happened; slow tests take turns."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from promises import WORDS, is_due

TESTS = Path(__file__).parent
WAITING = {
    "B7": "a GPU",
    **dict.fromkeys(("H1", "H3", "H4"), "a quiet machine: speed is measured in benchmarks, never asserted in a test"),
}


def marked() -> set[str]:
    """Return the promises that some test is of."""
    sources = "".join(path.read_text() for path in TESTS.rglob("test_*.py") if path != Path(__file__))
    return {name for mark in re.findall(r"mark\.promise\(([^)]*)\)", sources) for name in re.findall(r'"(\w+)"', mark)}


def test_every_promise_is_held_by_a_test_or_says_what_it_waits_for() -> None:
    assert set(WORDS) - marked() == set(WAITING)


def test_what_is_recorded_is_what_happened(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        '@pytest.mark.promise("A1")\n@pytest.mark.parametrize("k", [1, 2])\ndef test_a(k): assert k == 1\n'
        '@pytest.mark.promise("A1", "B1")\ndef test_b(): pytest.skip("")\n'
        "def test_c(): pass\n"
    )
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=.", "-n", "1"]
    subprocess.run([*run, "--promises=kept.json"], cwd=tmp_path, env=_with_tests(), check=False, capture_output=True)
    kept = json.loads((tmp_path / "kept.json").read_text())["promises"]
    assert kept == {
        "A1": {"tests": ["test_some.py::test_a", "test_some.py::test_b"], "passed": 1, "failed": 1, "skipped": 1},
        "B1": {"tests": ["test_some.py::test_b"], "skipped": 1},
    }


def test_an_unknown_promise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text('import pytest\n@pytest.mark.promise("Z9")\ndef test_a(): pass\n')
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    done = subprocess.run(run, cwd=tmp_path, env=_with_tests(), check=False, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no promise ['Z9']" in done.stderr


def _with_tests() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"}


def test_each_slow_test_has_its_day() -> None:
    days = [{name for name in map(str, range(50)) if is_due(name, day, 7)} for day in range(1000, 1007)]
    assert set.union(*days) == {str(name) for name in range(50)}
    assert sum(map(len, days)) == 50
