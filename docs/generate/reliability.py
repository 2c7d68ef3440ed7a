"""The table of promises: in words, the tests that hold us to each, and how those of the time fared when all were last run."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from promises import CHAPTERS, held  # noqa: E402
from test_promises import WAITING  # noqa: E402


def write(folder: Path) -> None:
    """Write one table per chapter, and what was run."""
    stored = json.loads((ROOT / "results" / "reliability.json").read_text())
    tests, page = held(), []
    for chapter, words in CHAPTERS.items():
        page += [f"## {chapter}", "", "| | promise | tests | last result |", "|---|---|---|---|"]
        page += [
            f"| {name} | {text} | {_tests(tests[name], name)} | {_result(stored, name)} |"
            for name, text in words.items()
        ] + [""]
    which = {"not slow": "the tests that are not slow", "all": "all tests"}.get(stored["selected"], stored["selected"])
    about = f"Recorded last: {which}, at commit `{stored['commit']}`, with Python {stored['python']} and torch {stored['torch']}."
    (folder / "reliability.inc").write_text("\n".join([about, "", *page]) + "\n")


def _tests(tests: set[str], name: str) -> str:
    said = "<br>".join(test.removeprefix("test_").replace("_", " ") for test in sorted(tests))
    return said or f"waits for {WAITING.get(name, 'its first run')}"


def _result(stored: dict, name: str) -> str:
    kept = stored["promises"].get(name, {})
    return (
        ", ".join(f"{kept[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if outcome in kept) or "–"
    )
