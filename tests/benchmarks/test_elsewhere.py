"""The study of other images draws in the ways it names, and keeps one entry of each."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import elsewhere, minutes
from scorefield import Heun, Karras, load_model
from scorefield.config import read_yaml
from scorefield.config.sampling import SamplingConfig

SHORT = SamplingConfig.model_validate(
    {"sampler": {"kind": "heun", "churn": 10.0}, "grid": {"kind": "karras", "steps": 3}}
)


def test_ways_are_what_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "TRANSITIONS", 3)
    monkeypatch.setattr(elsewhere.Grid, "fit", lambda model, steps, event, of: Karras(steps))
    loaded = load_model("digits")
    loaded = replace(loaded, weak=loaded.model)  # a guide that changes nothing
    loaded = replace(loaded, config=loaded.config.model_copy(update={"sampling": SHORT}))
    own, _ = loaded.config.sampling.build(loaded.model.process)
    assert isinstance(own, Heun)
    still = loaded.sample(2, sampler=replace(own, churn=0.0), decode="none")
    drawn = {way: elsewhere.drawn(loaded, way, 2, 0) for way in ("as configured", "churn 0", "fitted grid")}
    assert torch.equal(drawn["as configured"].x, loaded.sample(2, decode="none").x)
    assert torch.equal(drawn["churn 0"].x, still.x)
    assert drawn["fitted grid"].evaluations == 2 * (3 + 1)


def test_a_way_measured_again_replaces_its_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(elsewhere, "RESULTS", tmp_path / "found.json")
    entry = {"run": "clothes", "way": "churn 0", "n": 20, "seed": 0}
    for found in (entry | {"value": 1}, entry | {"seed": 1}, entry | {"value": 2}):
        elsewhere.save(found)
    assert json.loads((tmp_path / "found.json").read_text()) == [entry | {"seed": 1}, entry | {"value": 2}]


def test_the_small_recipe_draws_as_the_study_says() -> None:
    small, (_, share) = read_yaml(minutes.CONFIG.with_name("mnist-small.yaml")), elsewhere.WAYS[elsewhere.RECIPE]
    fitted = {"kind": "fitted", "steps": elsewhere.TRANSITIONS}
    assert small["sampling"] == {"sampler": {"kind": "dpmpp2m"}, "grid": fitted}
    assert small["guide"]["weight"] == share * minutes.DRAWN["guide"]["weight"]
