"""What results rest on: recipe, PyTorch, weights, code; and what is said of results whose basis is no longer there."""

import ast
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from scorefield_claims import results
from scorefield_claims.basis import PACKAGES, Basis, basis
from scorefield_claims.catalogue import BUDGETS, CLAIMS, module_of
from scorefield_claims.results import standing
from scorefield_claims.store import find

NOW = Basis(recipe="r", torch="2.13", models={"mnist": "m"}, code={"a": "1", "b": "2"})
CHANGES = {
    "recipe": replace(NOW, recipe="s"),
    "torch 2.13 → 2.14": replace(NOW, torch="2.14"),
    "mnist": replace(NOW, models={"mnist": "n"}),
    "a": replace(NOW, code={"a": "0", "b": "2"}),
    "b": replace(NOW, code={"a": "1"}),
    "c": replace(NOW, code={**NOW.code, "c": "3"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_any_part_is_another_key_and_is_named(what: str):
    assert CHANGES[what].key != NOW.key
    assert CHANGES[what].changes(json.loads(json.dumps(asdict(NOW)))) == [what]


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_a_basis_that_names_its_own_module_and_models(name: str):
    small, full = (basis(name, budget) for budget in BUDGETS)
    assert small.key != full.key
    assert small.code == full.code
    assert module_of(name) in small.code
    assert tuple(small.models) == find(name).models
    assert not any(part.startswith(("scorefield.cli", "scorefield_claims.store")) for part in small.code)


def test_code_that_results_rest_on_imports_nothing_by_a_computed_name():
    reached = {part for name in CLAIMS for part in basis(name, "small").code}
    for part in reached:
        path = PACKAGES["scorefield"].parent / part.replace(".", "/")
        text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        assert not names & {"import_module", "importlib", "__import__"}, part


def test_the_weights_of_a_model_are_known_by_its_manifest(tmp_path: Path, monkeypatch):
    before = basis("mnist-memory", "small")  # which has read the code: that stays as it is
    monkeypatch.setitem(PACKAGES, "scorefield", tmp_path)
    manifest = tmp_path / "weights" / "mnist" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("other weights")
    assert basis("mnist-memory", "small").changes(json.loads(json.dumps(asdict(before)))) == ["mnist"]


def write(folder: Path, **parts: object) -> None:
    place = folder / "a-claim"
    place.mkdir(exist_ok=True)
    whole = {"budget": "full", "key": NOW.key, "basis": asdict(NOW), "environment": {"git": "abc", "dirty": []}}
    (place / "result.json").write_text(json.dumps(whole | parts))
    for name in ("figure.png", "rows.csv"):
        (place / name).touch()


def test_a_result_is_missing_current_or_stale_and_clean_or_dirty(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(results, "basis", lambda name, budget: NOW)
    assert standing("a-claim", tmp_path).state == "missing"
    write(tmp_path)
    assert standing("a-claim", tmp_path) == ("current", "full", "abc", False, ())
    old = CHANGES["a"]
    write(tmp_path, key=old.key, basis=asdict(old), environment={"git": "abc", "dirty": ["models.py"]})
    assert standing("a-claim", tmp_path) == ("stale", "full", "abc", True, ("a",))
    write(tmp_path, key="old", basis=None, environment={"git": "abc-dirty"})  # as results were written before
    assert standing("a-claim", tmp_path) == ("stale", "full", "abc", True, ())
    (tmp_path / "a-claim" / "figure.png").unlink()
    assert standing("a-claim", tmp_path).state == "missing"


def test_results_that_are_kept_name_the_commit_they_were_measured_at():
    kept = Path(__file__).parents[2] / "results" / "reproduce"
    for name in CLAIMS:
        found = standing(name, kept)
        assert found.state != "missing", name
        assert len(found.commit) == 12, name
