"""Promises and the tests that hold us to them: ``@pytest.mark.promise("A2")``, with the words in ``promises.toml``.

``--promises FILE`` records how each promise fared, from which docs/reliability is made. ``--slow-share N`` runs, of the slow tests
selected, one in N: another share with each commit and each day, so that N commits tried in one day, or one tried in N days, run each.
"""

import ast
import datetime
import json
import platform
import re
import subprocess
import tomllib
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
CHAPTERS: dict[str, dict[str, str]] = tomllib.loads((HERE / "promises.toml").read_text())
WORDS = {name: words for chapter in CHAPTERS.values() for name, words in chapter.items()}


def held() -> dict[str, set[str]]:
    """Return the names of the tests of each promise, read from their marks, so that none is named that is no more."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in set(HERE.rglob("test_*.py")) - {HERE / "test_promises.py"}:
        body = ast.parse(text).body if "mark.promise" in (text := path.read_text()) else []
        whole = [line.value for line in body if isinstance(line, ast.Assign)]  # pytestmark = ...
        for test in body:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                marks = re.findall(r"mark\.promise\((.*?)\)", "\n".join(map(ast.unparse, test.decorator_list + whole)))
                for name in re.findall(r"\w+", " ".join(marks)):
                    found[name].add(test.name)
    return found


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--promises", metavar="FILE", type=Path, help="record there how each promise fared")
    parser.addoption(
        "--slow-share",
        metavar="N",
        type=int,
        help="of the slow tests, run one in N: another with each commit and each day",
    )


def prepare(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write on each test's report which promises it is of; leave out slow tests whose turn it is not, and begin with the others."""
    for item in items:
        for mark in item.iter_markers("promise"):
            if unknown := set(mark.args) - set(WORDS):
                raise pytest.UsageError(f"{item.nodeid}: no promise {sorted(unknown)} in tests/promises.toml")
            item.user_properties += [("promise", name) for name in mark.args]
    if shares := config.getoption("--slow-share"):
        now, slow = turn(), {item for item in items if item.get_closest_marker("slow")}
        due = {item for item in slow if is_due(item.nodeid, now, shares)}
        config.hook.pytest_deselected(items=[*(slow - due)])
        items[:] = [item for item in items if item in due] + [item for item in items if item not in slow]


def turn() -> int:
    """Return the number of commits and the day: a clone without its history has the day alone."""
    return int(_git("rev-list", "--count", "HEAD") or 0) + datetime.datetime.now(datetime.UTC).date().toordinal()


def is_due(test: str, turn: int, shares: int) -> bool:
    """Whether a test is of the share whose turn it is, among so many."""
    return (zlib.crc32(test.encode()) + turn) % shares == 0


class Record:
    """How each promise fared in this run, over all workers."""

    def __init__(self, path: Path, selected: str) -> None:
        self.path, self.selected = path, selected
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            for name in {value for key, value in report.user_properties if key == "promise"}:
                assert isinstance(name, str)
                self.outcomes[name][report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        kept = {name: self.outcomes[name] for name in WORDS if name in self.outcomes}
        about = {
            "commit": _commit(),
            "selected": self.selected or "all",
            "python": platform.python_version(),
            "torch": torch.__version__,
        }
        self.path.write_text(json.dumps(about | {"promises": kept}, indent=1) + "\n")


def _commit() -> str:
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if _git("status", "--porcelain") else "")


def _git(*question: str) -> str:
    """Return the answer, nothing where this is no clone."""
    return subprocess.run(
        ["git", "-C", str(HERE), *question], capture_output=True, text=True, check=False
    ).stdout.strip()
