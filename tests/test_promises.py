"""Every promise is held by a test, or says what it waits for; what is recorded is what happened; slow tests take turns."""

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import promises
from forked import Forked
from promises import WORDS, held

TESTS = Path(__file__).parent
WAITING = {
    "B7": "a GPU",
    **dict.fromkeys(("H1", "H3", "H4"), "a quiet machine: speed is measured in benchmarks, never asserted in a test"),
}


def test_every_promise_is_held_by_a_test_or_says_what_it_waits_for() -> None:
    assert set(WORDS) - set(held()) == set(WAITING)


@pytest.mark.slow
def test_what_is_recorded_is_what_happened(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        '@pytest.mark.promise("A1")\n@pytest.mark.parametrize("k", [1, 2])\ndef test_a(k): assert k == 1\n'
        '@pytest.mark.promise("A1", "B1")\ndef test_b(): pytest.skip("")\n'
        "def test_c(): pass\n"
    )
    arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.", "-n", "1", "--promises=kept.json"]
    Forked(pytest.main, arguments, cwd=tmp_path, PYTHONPATH=f"{TESTS}:{os.environ.get('PYTHONPATH', '')}").communicate()
    kept = json.loads((tmp_path / "kept.json").read_text())["promises"]
    assert kept == {
        "A1": {"passed": 1, "failed": 1, "skipped": 1},
        "B1": {"skipped": 1},
    }


def test_an_unknown_promise_is_refused() -> None:
    item: Any = Mock(nodeid="test_a", user_properties=[], **{"iter_markers.return_value": [Mock(args=("A1", "Z9"))]})
    with pytest.raises(pytest.UsageError, match=r"test_a: no promise \['Z9'\]"):
        promises.prepare(Mock(**{"getoption.return_value": None}), [item])


def test_each_slow_test_is_of_one_share_and_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = Mock(**{"getoption.return_value": 7})
    shares: list[str] = []
    for turn in range(1000, 1007):
        monkeypatch.setattr(promises, "turn", lambda turn=turn: turn)
        items: list[Any] = [
            Mock(nodeid=f"test_{k}", **{"iter_markers.return_value": [], "get_closest_marker.return_value": k % 3 == 0})
            for k in range(150)
        ]
        promises.prepare(config, items)
        slow = [item.nodeid for item in items if item.get_closest_marker("slow")]
        assert [item.nodeid for item in items] == slow + [f"test_{k}" for k in range(150) if k % 3]
        shares += slow
    assert sorted(shares) == sorted(f"test_{k}" for k in range(0, 150, 3))
    assert sum(len(call.kwargs["items"]) for call in config.hook.pytest_deselected.call_args_list) == 6 * 50


def test_the_next_commit_and_the_next_day_have_their_own_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so has a day in a folder that is no clone."""
    answers = iter(["842", "843", ""])
    monkeypatch.setattr(promises, "_git", lambda *question: next(answers))
    first, second, day = (promises.turn() for _ in range(3))
    assert second - first in (1, 2)  # midnight may pass between
    assert day in (first - 842, first - 841)
