"""Code that changed confirms a result where the numbers of its tiny measurement are the same, and only there."""

import json
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tools import confirm

from scorefield_claims.base import Claim, Recipe
from scorefield_claims.basis import Basis

NOW = Basis(recipe="r", torch="2.13", models={"mnist": "m"}, code={"a": "1"})
THEN = replace(NOW, code={"a": "0"})
CODE = """
from dataclasses import dataclass
from types import SimpleNamespace as Has
@dataclass(frozen=True)
class Recipe: n: int; sizes: tuple = (1, 2)
def measure(r): return Has(measures={"x": Has(value=r.n / 3, error=0.1)}, rows=[{"sizes": str(r.sizes), "lost": float("nan")}])
CLAIM = Has(measure=measure, small=Recipe(9))
"""


@dataclass(frozen=True, kw_only=True)
class Toy(Recipe):
    n: int
    sizes: tuple[int, ...] = (1, 2)


CLAIM = Claim("toy", "", "", lambda recipe: None, tiny=Toy(n=1), small=Toy(n=9), full=Toy(n=99))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that holds the claim's module, and its commit, in ``commit``."""
    path = tmp_path / "src" / "scorefield_claims" / "claims" / "toy.py"
    path.parent.mkdir(parents=True)
    for folder in (path.parent, path.parent.parent):
        (folder / "__init__.py").touch()
    path.write_text(CODE)
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm c"):
        subprocess.run(f"git {command}", shell=True, cwd=tmp_path, check=True)
    monkeypatch.setattr(confirm, "HERE", tmp_path)
    return path


def found(**parts: Any) -> str:
    return confirm.unconfirmed(CLAIM, {"environment": {"git": "HEAD"}, "basis": asdict(THEN)} | parts, NOW)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("r.n / 3", "r.n * (1 / 3)", ""),
        ("r.n / 3", "r.n / 3 * (1 + 1e-7)", ""),
        ("r.n / 3", "r.n / 3.001", "1 numbers are not as at HEAD: measures/x/0 0.333"),
        ("error=0.1", "error=0.2", "measures/x/1 0.1 then, 0.2 now"),
        ("n / 3, e", "n // 3, e", "measures/x/0"),
        ('"x"', '"y"', "measures"),
        ('"nan"', '"inf"', "rows/0/lost nan then, inf now"),
        ("str(r.sizes)", "str(r.sizes[::-1])", "rows/0/sizes (1, 2) then, (2, 1) now"),
        ("rows=[", "rows=2 * [", "rows"),
    ],
)
def test_the_numbers_of_a_commit_are_compared_with_the_present(place: Path, old: str, new: str, why: str) -> None:
    place.write_text(CODE.replace(old, new))
    assert (why in found()) if why else found() == ""
    trees = subprocess.run(["git", "worktree", "list"], cwd=confirm.HERE, capture_output=True, text=True, check=True)
    assert trees.stdout.count("\n") == 1  # what was checked out for it is gone


@pytest.mark.parametrize("part", [{"recipe": "s"}, {"torch": "2.12"}, {"models": {"other": "m"}}])
def test_more_than_code_and_models_is_not_confirmed(place: Path, part: dict[str, Any]) -> None:
    assert "more than code and models has changed" in found(basis=asdict(replace(THEN, **part)))


@pytest.mark.parametrize(("error", "why"), [("0.1", ""), ("0.2", "measures/x/1 0.1 then, 0.2 now")])
def test_a_model_that_changes_no_number_is_confirmed(place: Path, error: str, why: str) -> None:
    place.write_text(CODE.replace("error=0.1", f"error={error}"))
    assert found(basis=asdict(replace(THEN, models={"mnist": "n"}))) == (why and f"1 numbers are not as at HEAD: {why}")


def test_what_cannot_be_compared_is_not_confirmed(place: Path) -> None:
    assert "does not say" in found(basis=None)
    with pytest.raises(RuntimeError, match="worktree"):
        found(environment={"git": "0123456789ab"})
    place.write_text("1 / 0")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        found()


def test_a_result_is_rewritten_only_where_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    names = {
        "ring-mixing": "",
        "solver-orders": "2 numbers are not as at abc",
        "circle-field": RuntimeError("no such commit"),
    }
    monkeypatch.setattr(confirm, "RESULTS", tmp_path)
    monkeypatch.setattr(confirm, "CLAIMS", names)
    monkeypatch.setattr(confirm, "source", lambda: {"git": "def", "dirty": []})
    for name in names:
        (tmp_path / name).mkdir()
        for file in ("figure.png", "rows.csv"):
            (tmp_path / name / file).touch()
        result = {"key": "old", "budget": "full", "environment": {"git": "abc"}, "verdict": "PASS", "measures": {}}
        (tmp_path / name / "result.json").write_text(json.dumps(result))

    def answer(claim: Claim[Any], *rest: object) -> str:
        if isinstance(why := names[claim.name], Exception):
            raise why
        return why

    monkeypatch.setattr(confirm, "unconfirmed", answer)
    confirm.main([])
    assert capsys.readouterr().out.splitlines() == [f"{name}: {why or 'confirmed'}" for name, why in names.items()]
    states = {name: confirm.standing(name, tmp_path).state for name in names}
    assert states == {"ring-mixing": "confirmed", "solver-orders": "stale", "circle-field": "stale"}
    monkeypatch.setattr(confirm, "source", lambda: {"git": "def", "dirty": ["src/a.py"]})
    with pytest.raises(SystemExit, match=r"src/a\.py"):
        confirm.main([])
