"""Promises and the tests that hold us to them: ``@pytest.mark.promise("A2")``, with the words in ``promises.toml``.

``--promises FILE`` records how each promise fared, from which docs/reliability is made. ``--slow-share N`` runs, of the slow tests
selected, one in N: another share each day, so that in N days each is run.
"""

import datetime
import json
import platform
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


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--promises", metavar="FILE", type=Path, help="record there how each promise fared")
    parser.addoption(
        "--slow-share", metavar="N", type=int, help="of the slow tests, run one in N: another share each day"
    )


def prepare(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write on each test's report which promises it is of; leave out slow tests whose day it is not."""
    for item in items:
        for mark in item.iter_markers("promise"):
            if unknown := set(mark.args) - set(WORDS):
                raise pytest.UsageError(f"{item.nodeid}: no promise {sorted(unknown)} in tests/promises.toml")
            item.user_properties += [("promise", name) for name in mark.args]
    if days := config.getoption("--slow-share"):
        today = datetime.datetime.now(datetime.UTC).date().toordinal()
        out = [item for item in items if item.get_closest_marker("slow") and not is_due(item.nodeid, today, days)]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def is_due(test: str, day: int, days: int) -> bool:
    """Whether a test is run on that day, if each is to be in turn within so many."""
    return (zlib.crc32(test.encode()) + day) % days == 0


class Record:
    """How each promise fared in this run, over all workers."""

    def __init__(self, path: Path, selected: str) -> None:
        self.path, self.selected = path, selected
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            for name in {value for key, value in report.user_properties if key == "promise"}:
                assert isinstance(name, str)
                self.outcomes[name][report.outcome] += 1
                self.tests[name].add(report.nodeid.split("[")[0])

    def pytest_sessionfinish(self) -> None:
        kept = {
            name: {"tests": sorted(self.tests[name]), **self.outcomes[name]} for name in WORDS if name in self.tests
        }
        about = {
            "commit": _commit(),
            "selected": self.selected or "all",
            "python": platform.python_version(),
            "torch": torch.__version__,
        }
        self.path.write_text(json.dumps(about | {"promises": kept}, indent=1) + "\n")


def _commit() -> str:
    git = ["git", "-C", str(HERE)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
