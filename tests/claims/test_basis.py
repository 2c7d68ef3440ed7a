"""What results rest on: recipe, PyTorch, weights, code; and what is said of results whose basis is no longer there."""

import ast
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from scorefield_claims import basis as room
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


@pytest.mark.parametrize(
    "name",
    [
        "predictor-corrector",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("ode-equals-sde", "step-size-sweep", "noise-helps-sliced")
        ),
    ],
)
def test_all_code_that_a_measurement_calls_is_in_its_basis(name: str, tmp_path: Path):
    claim = find(name)
    claim.measure(claim.tiny).draw(tmp_path / "figure.png")  # all that is imported late is, now
    called: set[str] = set()

    def see(frame, event: str, argument: object) -> None:
        called.add(frame.f_globals["__name__"])

    sys.setprofile(see)
    try:
        claim.measure(claim.tiny).draw(tmp_path / "figure.png")
    finally:
        sys.setprofile(None)
    # What a package's own __getattr__ does is to find names.
    ours = {module for module in called if module.partition(".")[0] in PACKAGES and not _lazy(module)}
    assert len(ours) > 10
    assert ours <= basis(name, "small").code.keys()


def _lazy(module: str) -> bool:
    return (PACKAGES["scorefield"].parent / module.replace(".", "/") / "__init__.pyi").exists()


TOY = """
N = 1
def measure(recipe): return recipe
def other(recipe): return N
CLAIM = Claim(name="toy", statement="so it is", source="2019", measure=measure, small=Toy(n=N), full=Toy(n=2), models=())
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("so it is", "so it was", []),
        ("Toy(n=2)", "Toy(n=3)", []),
        ("Toy(n=N)", "Toy(n=2 * N)", ["recipe"]),
        ("measure=measure", "measure=other", ["recipe"]),
        ("N = 1", "N = 2", ["scorefield_claims.claims.toy"]),
        ("return recipe", "return N", ["scorefield_claims.claims.toy"]),
    ],
)
def test_a_result_rests_on_its_own_recipe_and_on_no_words(
    old: str, new: str, changed: list[str], tmp_path, monkeypatch
):
    folder = tmp_path / "scorefield_claims"
    (folder / "claims").mkdir(parents=True)
    monkeypatch.setattr(room, "PACKAGES", {"scorefield_claims": folder})
    monkeypatch.setattr(room, "_sources", room._sources.__wrapped__)  # read anew, and not kept for other tests
    path = folder / "claims" / "toy.py"
    path.write_text(TOY)
    before = basis("toy", "small")
    path.write_text(TOY.replace(old, new))
    assert basis("toy", "small").changes(asdict(before)) == changed


def test_the_release_of_pytorch_counts_and_not_its_patch_or_build(monkeypatch):
    found = {}
    for version in ("2.13.0+cpu", "2.13.1+cu130", "2.14.0"):
        monkeypatch.setattr(room, "version", lambda package, version=version: version)
        found[version] = basis("ring-mixing", "small").key
    assert found["2.13.0+cpu"] == found["2.13.1+cu130"] != found["2.14.0"]


def test_no_pytorch_is_imported():
    code = "import sys; from scorefield_claims.results import basis; basis('mnist-memory', 'full'); "
    code += "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout.strip() == "[]"


def test_a_recipe_that_is_not_stated_is_an_error():
    with pytest.raises(LookupError, match=r"must state CLAIM .*huge=.*found .*full"):
        basis("ring-mixing", "huge")


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
    whole |= {"verdict": "PASS", "measures": {}}
    (place / "result.json").write_text(json.dumps(whole | parts))
    for name in ("figure.png", "rows.csv"):
        (place / name).touch()


def test_a_result_is_missing_current_confirmed_or_stale_and_clean_or_dirty(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(results, "basis", lambda name, budget: NOW)
    assert standing("a-claim", tmp_path).state == "missing"
    write(tmp_path)
    assert standing("a-claim", tmp_path) == ("current", "full", "abc", False, ())
    old = CHANGES["a"]
    write(tmp_path, key=old.key, basis=asdict(old), environment={"git": "abc", "dirty": ["models.py"]})
    assert standing("a-claim", tmp_path) == ("stale", "full", "abc", True, ("a",))
    write(tmp_path, key=old.key, basis=asdict(old), confirmed={"key": NOW.key, "git": "def"})
    assert standing("a-claim", tmp_path) == ("confirmed", "full", "abc", False, ("a",))
    write(tmp_path, key=old.key, basis=asdict(old), confirmed={"key": CHANGES["b"].key, "git": "def"})
    assert standing("a-claim", tmp_path).state == "stale"
    write(tmp_path, key="old", basis=None, environment={"git": "abc-dirty"})  # as results were written before
    assert standing("a-claim", tmp_path) == ("stale", "full", "abc", True, ())
    (tmp_path / "a-claim" / "figure.png").unlink()
    assert standing("a-claim", tmp_path).state == "missing"


def test_results_that_are_kept_name_the_clean_commit_they_were_measured_at():
    kept = Path(__file__).parents[2] / "results" / "reproduce"
    for name in CLAIMS:
        found = standing(name, kept)
        assert found.state != "missing", name
        assert len(found.commit) == 12, name
        assert not found.dirty, name
