"""``scorefield reproduce``: names, verdicts, results kept, crashes contained. The claims are stand-ins of no cost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scorefield.cli import main, workers
from scorefield.cli import reproduce as command
from scorefield.metrics import Estimate
from scorefield_claims import results, store
from scorefield_claims.base import Claim, Finding, Recipe, Verdict
from scorefield_claims.basis import Basis
from scorefield_claims.catalogue import CLAIMS

FAILING, CRASHING, FINE = "circle-field", "ring-mixing", "solver-orders"


def stand_in(name: str) -> "Claim[Recipe]":
    def measure(recipe: Recipe) -> Finding:
        if name == CRASHING:
            raise RuntimeError("the dog ate it\nand so on")
        verdict = Verdict.FAIL if name == FAILING else Verdict.PASS
        return Finding(verdict, "because", {"weight": Estimate(2.0, 0.5)}, [{"a": 1}], lambda p: p.write_bytes(b"png"))

    return Claim(name, f"statement of {name}", "a source", measure, Recipe(), Recipe(), Recipe(seed=1))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    monkeypatch.setattr(store, "find", stand_in)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # other processes would find the real ones
    monkeypatch.setattr(command, "CLAIMS", {name: CLAIMS[name] for name in (FAILING, CRASHING, FINE)})


def test_the_list_has_every_name(capsys, monkeypatch):
    monkeypatch.setattr(command, "CLAIMS", CLAIMS)
    assert main(["reproduce", "--list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == list(CLAIMS)


def test_a_verdict_of_fail_is_a_result_and_exit_0(capsys, tmp_path: Path):
    assert main(["reproduce", FAILING, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for word in (FAILING, "FAIL", "because", "a source", "2.00 [1.02, 2.98]", "figure.png"):
        assert word in out
    assert json.loads((tmp_path / FAILING / "result.json").read_text())["verdict"] == "FAIL"


def test_a_crash_is_told_apart_and_does_not_stop_the_others(capsys, tmp_path: Path):
    assert main(["reproduce", "--all", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "the dog ate it" in err
    assert "Traceback" not in err
    table = out.splitlines()[-4:]
    assert [line.split()[:2] for line in table] == [
        ["claim", "verdict"], [FAILING, "FAIL"], [CRASHING, "CRASHED"], [FINE, "PASS"],
    ]  # fmt: skip
    assert not (tmp_path / CRASHING / "result.json").exists()


def test_a_claim_whose_process_died_is_told_and_the_others_stand(capsys, tmp_path: Path, monkeypatch):
    def each(function, names):
        return ((name, None if name == CRASHING else function(name)) for name in names)

    monkeypatch.setattr(workers, "each", each)
    assert main(["reproduce", CRASHING, FINE, "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "its process ended" in err
    assert [line.split()[:2] for line in out.splitlines()[-2:]] == [[CRASHING, "CRASHED"], [FINE, "PASS"]]


def test_a_second_run_is_kept_unless_forced(capsys, tmp_path: Path):
    for extra, kept in (([], False), ([], True), (["--force"], False)):
        assert main(["reproduce", FINE, "--out", str(tmp_path), *extra]) == 0
        assert (capsys.readouterr().out.splitlines()[-1].split()[-1] == "cached") is kept


def test_the_budget_chooses_the_recipe(tmp_path: Path):
    assert main(["reproduce", FINE, "--budget", "full", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / FINE / "result.json").read_text())["recipe"] == {"seed": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["NAME", "--all", FINE]),
        ([FINE, "--all"], ["--all"]),
        (["moon-landing"], ["moon-landing", FINE]),
        ([FINE, "--budget", "huge"], ["huge"]),
        ([FINE, "--out", "/proc/nowhere"], ["/proc/nowhere", "--out"]),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(capsys, arguments: list[str], words: list[str]):
    assert main(["reproduce", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def test_the_status_tells_what_stands(capsys, tmp_path: Path, monkeypatch):
    rests = Basis(recipe="r", torch="2", models={}, code=dict.fromkeys("abcde", "1"))
    monkeypatch.setattr(store, "basis", lambda name, budget: rests)
    monkeypatch.setattr(store, "source", lambda: {"git": "0123456789ab", "dirty": []})
    monkeypatch.setattr(results, "basis", lambda name, budget: rests)
    assert main(["reproduce", FINE, "--out", str(tmp_path)]) == 0
    monkeypatch.setattr(store, "source", lambda: {"git": "0123456789ab", "dirty": ["a.py"]})
    assert main(["reproduce", FAILING, "--out", str(tmp_path)]) == 0
    now = {FINE: rests, FAILING: replace(rests, code={})}
    monkeypatch.setattr(results, "basis", lambda name, budget: now[name])
    capsys.readouterr()
    assert main(["reproduce", "--status", "--out", str(tmp_path)]) == 0
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()}
    assert rows[FINE].split() == ["current", "small,", "0123456789ab,", "clean"]
    assert rows[FAILING].split(maxsplit=4) == ["stale", "small,", "0123456789ab,", "dirty", "a, b, c and 2 more"]
    assert rows[CRASHING] == "missing"
    assert main(["reproduce", FINE, "--status", "--out", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_processes_take_claims_in_turn(capsys, monkeypatch, tmp_path: Path):
    """Each of torchrun's measures its own and ends by itself; one process then has all of them from what is kept."""
    monkeypatch.setattr(command, "CLAIMS", {name: CLAIMS[name] for name in (FAILING, FINE)})
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, (mine, other) in enumerate([(FAILING, FINE), (FINE, FAILING)]):
        monkeypatch.setenv("RANK", str(rank))
        assert main(["reproduce", "--all", "--out", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert mine in out
        assert other not in out
        assert f"process {rank} of 2" in err
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert main(["reproduce", "--all", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("cached") == 2
