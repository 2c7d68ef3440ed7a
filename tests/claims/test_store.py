"""Results on disk: what is written, when it is kept, and what a verdict follows from."""

import csv
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scorefield.metrics import Estimate
from scorefield_claims import store
from scorefield_claims.base import Claim, Finding, Recipe, Verdict, exactly, rule
from scorefield_claims.basis import Basis
from scorefield_claims.results import SCHEMA
from scorefield_claims.store import reproduce


@dataclass(frozen=True, kw_only=True)
class Toy(Recipe):
    n: int = 3
    sizes: tuple[int, ...] = (1, 2)


@dataclass
class Counter:
    """A measurement that knows how often it was made."""

    runs: int = 0

    def __call__(self, recipe: Toy) -> Finding:
        self.runs += 1
        rows = [{"n": recipe.n, "error": 0.5}, {"n": recipe.n, "extra": float("nan")}]
        measures = {"error": Estimate(0.5, 0.1), "lost": exactly(float("inf"))}
        return Finding(Verdict.FAIL, "too large", measures, rows, lambda path: path.write_bytes(b"png"))


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture(autouse=True)
def rests(monkeypatch):
    """Toys are in no catalogue: what they rest on is given."""
    given = {budget: Basis(recipe=budget, torch="2", models={}, code={"a": "1"}) for budget in ("small", "full")}
    monkeypatch.setattr(store, "basis", lambda name, budget: given[budget])


@pytest.fixture
def claim(counter: Counter) -> "Claim[Toy]":
    return Claim("toy-claim", "toys are claims", "nobody (2000)", counter, Toy(n=1), Toy(), Toy(n=30))


def test_a_result_says_all_that_was_asked_of_it(claim, tmp_path: Path):
    returned = reproduce(claim, "small", tmp_path)
    place = tmp_path / "toy-claim"
    assert {path.name for path in place.iterdir()} == {"figure.png", "figure.svg", "result.json", "rows.csv"}
    text = (place / "result.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    result = json.loads(text)
    assert returned == {**result, "cached": False}
    assert set(result) == {
        *("schema", "name", "claim", "source", "verdict", "reason", "measures", "rows", "budget", "recipe", "key"),
        *("basis", "seconds", "environment"),
    }
    assert (result["schema"], result["verdict"], result["budget"]) == (SCHEMA, "FAIL", "small")
    assert result["recipe"] == {"seed": 0, "n": 3, "sizes": [1, 2]}
    assert result["measures"]["error"] == pytest.approx({"value": 0.5, "error": 0.1, "low": 0.304, "high": 0.696})
    assert result["measures"]["lost"]["value"] is None
    assert result["environment"]["torch"]
    with (place / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["n", "error", "extra"]
    assert rows[0]["error"] == "0.5"


def test_the_environment_is_that_before_anything_is_written(claim, tmp_path: Path, monkeypatch):
    reproduce(claim, "small", tmp_path)
    file = tmp_path / "toy-claim" / "result.json"
    monkeypatch.setattr(store, "source", lambda: {"whole": file.exists()})
    assert reproduce(claim, "small", tmp_path, force=True)["environment"]["whole"] is True


def test_the_same_recipe_is_not_run_twice(claim, counter, tmp_path: Path):
    first = reproduce(claim, "small", tmp_path)
    again = reproduce(claim, "small", tmp_path)
    assert counter.runs == 1
    assert again == {**first, "cached": True}
    assert reproduce(claim, "small", tmp_path, force=True)["cached"] is False
    assert counter.runs == 2
    assert reproduce(claim, "full", tmp_path)["recipe"]["n"] == 30
    assert counter.runs == 3


@pytest.mark.parametrize("damage", ["figure.png", "rows.csv", "result.json", '{"key": ', "[" * 10**5, "{}", "[]"])
def test_a_result_that_is_not_whole_is_measured_again(claim, counter, tmp_path: Path, damage: str):
    reproduce(claim, "small", tmp_path)
    place = tmp_path / "toy-claim"
    if damage[0] in "{[":
        (place / "result.json").write_text(damage)
    else:
        (place / damage).unlink()
    assert reproduce(claim, "small", tmp_path)["cached"] is False
    assert counter.runs == 2


def test_a_measurement_that_crashes_while_drawing_leaves_the_former_result(claim, tmp_path: Path):
    """An hour's result is not given up for one that the disk has no place for."""
    reproduce(claim, "small", tmp_path)
    place = tmp_path / "toy-claim"
    former = {path.name: path.read_bytes() for path in place.iterdir()}

    def broken(recipe: Toy) -> Finding:
        def draw(path: Path) -> None:
            path.write_bytes(b"half")
            if path.suffix == ".svg":
                raise RuntimeError("no ink")

        return Finding(Verdict.PASS, "", {"x": exactly(1)}, [{"x": 1}], draw)

    with pytest.raises(RuntimeError, match="no ink"):
        reproduce(replace(claim, measure=broken), "small", tmp_path, force=True)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == former


def test_what_a_result_rests_on_decides_whether_it_is_kept(claim, counter, tmp_path: Path, monkeypatch):
    reproduce(claim, "small", tmp_path)
    changed = Basis(recipe="small", torch="2", models={}, code={"a": "2"})
    monkeypatch.setattr(store, "basis", lambda name, budget: changed)
    assert reproduce(claim, "small", tmp_path)["basis"]["code"] == {"a": "2"}
    assert counter.runs == 2


def test_the_source_is_named_by_its_commit_and_by_what_differs_from_it(tmp_path: Path, monkeypatch):
    folder = tmp_path / "src" / "package"
    folder.mkdir(parents=True)
    (folder / "code.py").write_text("x = 1")
    monkeypatch.setattr(store, "_FOLDERS", (str(folder),))
    assert store.source() == {"git": None, "dirty": []}
    for command in ("init", "add .", "-c user.name=a -c user.email=a@b commit -m c"):
        assert store.source()["git"] is None, command  # a repository around it, that does not hold it
        subprocess.run(f"git {command}", shell=True, cwd=tmp_path, check=True, capture_output=True)
    assert len(store.source()["git"]) == 12
    (tmp_path / "result.json").write_text("{}")  # what is measured does not change by being written down
    assert store.source()["dirty"] == []
    (folder / "code.py").write_text("x = 2")
    (folder / "more.py").write_text("x = 3")
    assert store.source()["dirty"] == ["src/package/code.py", "src/package/more.py"]


def test_a_folder_that_cannot_be_is_refused_before_the_measurement(claim, counter, tmp_path: Path):
    (tmp_path / "toy-claim").write_text("")
    with pytest.raises(FileExistsError, match="toy-claim"):
        reproduce(claim, "small", tmp_path)
    assert counter.runs == 0


def test_verdicts_follow_from_checks():
    assert rule({"a": True, "b": True}) == (Verdict.PASS, "a; b")
    assert rule({"a": True, "b": False, "c": None}, only_if="it rains") == (
        Verdict.FAIL,
        "does not hold: b. What holds, if it rains: a",
    )
    assert rule({"a": True, "b": None}, only_if="it rains") == (
        Verdict.CANNOT_BE_TOLD,
        "cannot be told: b. What holds, if it rains: a",
    )
    verdict, reason = rule({"a": True}, only_if="it rains")
    assert verdict == Verdict.HOLDS_ONLY_IF
    assert "it rains" in reason
    assert "a" in reason
