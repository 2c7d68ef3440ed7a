"""Every claim is whole, and its measurement runs, so small that some verdicts mean nothing; those that are exact must pass."""

import json
import math
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import torch
from PIL import Image
from test_mnist_claims import smallest_letters

from scorefield.metrics import Estimate
from scorefield_claims import predictors
from scorefield_claims.base import Claim, Finding, Recipe, Verdict, exactly
from scorefield_claims.catalogue import BUDGETS, CLAIMS
from scorefield_claims.store import find, judged

RESULTS = Path(__file__).parents[2] / "results" / "reproduce"

ABOUT_MNIST = {name for name in CLAIMS if name.startswith("mnist-")}
"""Claims whose data are not always there: see test_mnist_claims.py."""
LONG = {
    "ablation-levels",
    "circle-field",
    "likelihoods",
    "ncsnv2-techniques",
    "noise-helps-sliced",
    "solver-orders",
    "step-size-sweep",
}
"""Claims of two seconds and more each; what the field, likelihoods and orders state, test_toy.py, test_likelihood.py and
test_samplers.py ask quickly."""
EXACT = {"ring-mixing", "solver-orders"}  # nothing is learned, and tiny is enough


@cache
def measured(name: str) -> Finding:
    claim = find(name)
    return claim.measure(claim.tiny)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_whole(name: str):
    claim = find(name)
    assert isinstance(claim, Claim)
    assert claim.name == name
    assert len(claim.statement) > 40
    assert "20" in claim.source  # a paper has a year
    assert import_module(claim.measure.__module__).__doc__
    small, full = (claim.recipe(budget) for budget in BUDGETS)
    assert isinstance(small, Recipe)
    assert type(claim.tiny) is type(small) is type(full)
    assert claim.tiny != small != full


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in CLAIMS if name not in ABOUT_MNIST],
)
def test_a_tiny_measurement_runs_and_is_drawn(name: str, tmp_path: Path):
    finding = measured(name)
    assert isinstance(finding.verdict, Verdict)
    assert len(finding.reason) > 20
    assert finding.rows
    assert all(math.isfinite(e.value) and e.error >= 0 for e in finding.measures.values()), finding.measures
    if name in EXACT:
        assert finding.verdict == Verdict.PASS, finding.reason
    if name != "circle-field":  # whose words are outlines, as `scorefield.plotting` writes them
        finding.draw(tmp_path / "figure.svg")
        assert smallest_letters(tmp_path / "figure.svg") > 6.9
        return
    finding.draw(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert min(picture.size) > 300
        assert picture.convert("L").getextrema()[1] - picture.convert("L").getextrema()[0] > 100


def test_equal_recipes_give_equal_numbers():
    claim = find("ring-mixing")
    recipe = replace(claim.tiny, n=200, steps=4)
    torch.manual_seed(1)
    first = claim.measure(recipe)
    torch.manual_seed(2)
    assert claim.measure(recipe).measures == first.measures
    assert claim.measure(replace(recipe, seed=1)).measures != first.measures


def test_vincents_identity_holds_before_any_training_and_a_wrong_factor_would_show(monkeypatch):
    claim = find("vincent-identity")
    module = import_module(claim.measure.__module__)
    recipe = claim.tiny
    gap = measured("vincent-identity").measures["largest relative gap of the losses"].value
    assert gap < 1e-10
    both = module._both
    monkeypatch.setattr(module, "_both", lambda *a: (both(*a)[0], both(*a)[1] * (1 + 1e-5)))
    finding = claim.measure(recipe)
    assert finding.verdict == Verdict.FAIL
    assert finding.measures["largest relative gap of the losses"].value > 1e-6


def test_a_step_size_that_diverges_is_refused_and_reported():
    refused = [row for row in measured("langevin-weights").rows if "refused" in row]
    assert len(refused) == 1
    assert "diverges" in str(refused[0]["refused"])


def test_an_order_that_is_not_there_fails():
    from scorefield.samplers import Euler
    from scorefield_claims.claims import solver_orders

    class Claimed(Euler):
        order = 2

    claim = find("solver-orders")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver_orders, "_SOLVERS", {"Euler": Claimed()})
        assert claim.measure(replace(claim.tiny, steps=(16, 32, 64))).verdict == Verdict.FAIL


def test_one_published_step_size_that_does_not_follow_from_the_rule_contradicts_the_claim():
    from scorefield_claims.ncsnv2.ladder import CONFIGURATIONS, step_by_rule

    part = step_by_rule(find("ncsnv2-techniques").tiny)
    off = {c.name: part.measures[f"4: published over rule − 1, {c.name}"].value for c in CONFIGURATIONS}
    assert max(abs(gap) for name, gap in off.items() if name != "church 96") < 0.02
    assert off["church 96"] > 1
    claim, stored = find("ncsnv2-techniques"), json.loads((RESULTS / "ncsnv2-techniques" / "result.json").read_text())
    measures = {name: Estimate(found["value"], found["error"]) for name, found in stored["measures"].items()}
    for verdict, church in ((Verdict.FAIL, off["church 96"]), (Verdict.HOLDS_ONLY_IF, 0.04)):
        changed = measures | {"4: published over rule − 1, church 96": exactly(church)}
        found, reason = claim.judge(claim.full, changed, stored["rows"])
        assert found == verdict
        assert ("church 96 is off by +112%" in reason) == (verdict == Verdict.FAIL)


def test_an_order_of_two_errors_is_told_only_where_it_can_be():
    from scorefield.metrics import Estimate
    from scorefield_claims.predictors import _below

    small, large = Estimate(0.01, 0.001), Estimate(0.02, 0.001)
    assert _below(small, large, 5) is True
    assert _below(large, small, 5) is False
    assert _below(small, Estimate(0.011, 0.001), 5) is None  # a tie contradicts nothing
    assert _below(Estimate(0.0, 0.001), Estimate(0.004, 0.001), 5) is None


@pytest.mark.parametrize("name", CLAIMS)
def test_stored_verdicts_are_those_of_the_present_rule(name: str):
    """If not: ``python -m tools.judge``. A verdict that stored numbers do not give could not be applied again."""
    assert find(name).judge is not None
    stored = json.loads((RESULTS / name / "result.json").read_text(encoding="utf-8"))
    assert judged(find(name), stored) == stored


@pytest.mark.parametrize(
    ("predictor", "both", "expected"),
    [
        (1.0, 0.5, Verdict.PASS),
        (1.0, 1.0, Verdict.CANNOT_BE_TOLD),  # predictor and predictor-corrector are equally good
        (1.0, 1.5, Verdict.FAIL),
        (3.0, 0.5, Verdict.FAIL),  # the predictor is worse than the corrector
    ],
)
def test_an_order_is_judged_by_the_cases_that_decide_it(predictor: float, both: float, expected: Verdict):
    assert predictors.verdict(_errors(predictor, both), 5.0)[0] == expected


def test_an_order_seen_in_some_cases_and_contradicted_in_none_holds_only_if_it_can_be_seen():
    errors = _errors(1.0, 0.5) | {"VP": _errors(1.0, 1.0)["VE"]}
    verdict, reason = predictors.verdict(errors, 5.0)
    assert verdict == Verdict.HOLDS_ONLY_IF
    assert "2 standard errors" in reason
    assert "in 2 of 4 cases, is too close to tell in 2" in reason


def _errors(predictor: float, both: float) -> predictors.Errors:
    """Return errors of one process at one cost, 0.01 each; the corrector's is 2."""
    values = {"ancestral": predictor, "reverse diffusion": predictor, "corrector only": 2.0}
    values |= {"ancestral + corrector": both, "reverse diffusion + corrector": both}
    return {"VE": {16: {name: Estimate(value, 0.01) for name, value in values.items()}}}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.04, Verdict.PASS), (0.055, Verdict.HOLDS_ONLY_IF), (0.07, Verdict.FAIL)]
)
def test_a_rare_digit_is_judged_by_chance_first_and_by_the_allowance_then(share: float, expected: Verdict):
    claim = find("mnist-unbalanced")
    rows = [{"share": share, "low": share - 0.01, "high": share + 0.01, "balanced": 0.1}] * 10
    measures = {"its share of the data": exactly(0.0383), "χ² p-value of all ten": exactly(0.5)}
    assert claim.judge is not None
    verdict, reason = claim.judge(claim.full, measures, rows)
    assert verdict == expected
    assert ("allows 20%" in reason) == (expected != Verdict.PASS)


@pytest.mark.parametrize(
    ("deterministic", "expected"), [(0.5, Verdict.PASS), (1.1, Verdict.CANNOT_BE_TOLD), (2.0, Verdict.FAIL)]
)
def test_equal_quality_is_judged_by_the_error_of_the_difference(deterministic: float, expected: Verdict):
    claim = find("mnist-samplers")
    found = {"Heun": deterministic, "Heun with churn": 1.0, "Euler": 9.0, "Euler-Maruyama": 9.0}
    rows = [{"sampler": k, "evaluations": 9, "fid_mnist_features": v, "standard_error": 0.1} for k, v in found.items()]
    assert claim.judge is not None
    verdict, _ = claim.judge(claim.full, {"FID (MNIST features) of training digits": exactly(0.1)}, rows)
    assert verdict == expected
