"""A grid that states no ratios is fitted to the model: at the run's end for good, before it when somebody draws."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small_run

from scorefield import DPMpp2M, Euler, Grid, Heun, load_model
from scorefield.cli import main
from scorefield.config.sampling import SamplingConfig
from scorefield.errors import ConfigError
from scorefield.evaluation.page import _drawn
from scorefield.grids.local_errors import Held
from scorefield.samplers import Multistep
from scorefield.sampling import Sampler
from scorefield.training import checkpoint

FITTED = {"sampler": {"kind": "dpmpp2m"}, "grid": {"kind": "fitted", "steps": 3}}


def kept(run: Path, step: int) -> dict[str, Any]:
    """Return the grid in a checkpoint of a run."""
    state = checkpoint.load(run / "checkpoints" / f"step-{step:08d}").state
    return state["config"]["sampling"]["grid"]


def test_the_grid_of_a_run_is_fitted_at_its_end(tmp_path, monkeypatch) -> None:
    """To the averaged model, guided as configured; until then to whatever is there when it is loaded."""
    run, _ = small_run(tmp_path / "run", guided=2, sampling=FITTED, steps=8, sample_every=4)
    with run:
        for record in run:
            if record.step == 5:
                run.save()
                early = load_model(run.path)
    assert kept(run.path, 5)["ratios"] is None
    loaded = load_model(run.path)
    for model in (early, loaded):
        expected = Grid.fit(model.steered(), 3, (1, 8, 8), of="data", places=48).ratios
        torch.testing.assert_close(model.sampling().grid.build().ratios, expected, rtol=1e-5, atol=0)
    assert early.config.sampling != loaded.config.sampling
    assert not torch.equal(loaded.sample(2, decode="none").x, loaded.sample(2, guide=0, decode="none").x)
    assert (run.path / "samples" / "step-00000004.png").exists()
    assert kept(run.path, 8)["ratios"]["levels"] == loaded.config.sampling.grid.ratios.levels
    monkeypatch.setattr(Grid, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert load_model(run.path).config == loaded.config


def test_a_grid_that_cannot_be_fitted_costs_no_checkpoint(tmp_path, monkeypatch) -> None:
    run, warned = small_run(tmp_path / "run", sampling=FITTED, steps=2)
    monkeypatch.setattr(Grid, "fit", lambda *_, **__: torch.zeros(1) @ torch.zeros(2))
    with run:
        for _ in run:
            pass
    assert kept(run.path, 2)["ratios"] is None
    assert "sampling.grid could not be fitted (RuntimeError: " in warned[0]


def test_a_grid_is_fitted_when_a_command_asks_for_one(tmp_path, capsys) -> None:
    run, _ = small_run(tmp_path / "run", steps=2)
    with run:
        for _ in run:
            pass
    out = tmp_path / "x.npz"
    ask = ["--sampler", "heun", "--steps", "4", "--options.grid", "fitted", "-n", "2", "--device", "cpu", "--json"]
    assert main(["sample", str(run.path), *ask, "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)["sampler"]["grid_ratios_levels"]
    expected = Grid.fit(load_model(run.path).model, 4, (1, 8, 8), of="noise", places=48)
    assert told == pytest.approx(expected.ratios.tolist(), rel=1e-5)


def test_a_page_leaves_levels_to_the_report() -> None:
    sampler = {
        "kind": "dpmpp2m",
        "grid": "fitted",
        "grid_steps": 10,
        "grid_ratios": "listed",
        "grid_ratios_levels": [2.0, 1.0],
    }
    how = {"n": 9, "evaluations_per_sample": 11.0, "seconds": {"sampling": 1.0}, "guide": 0.7, "precision": "fp32"}
    told = _drawn({"from_samples": None, "sampler": sampler, **how})
    assert told.startswith("9 samples by dpmpp2m (grid fitted, grid steps 10, guide 0.7, precision fp32), 11 network")


def test_a_grid_that_nothing_was_fitted_to_says_so() -> None:
    with pytest.raises(ConfigError, match="training fits them at its end"):
        SamplingConfig.model_validate(FITTED).build(load_model("digits").model.process)


@pytest.mark.parametrize(
    ("sampler", "held"),
    [
        *((Heun(), "noise"), (Euler(), "noise"), (DPMpp2M(), "data"), (Multistep("unipc"), "data")),
        *((Multistep("dpmpp3m"), "data"), (Multistep("deis"), "noise"), (Multistep("ipndm"), "noise")),
    ],
)
def test_samplers_say_what_they_extrapolate(sampler: Sampler[Any], held: Held) -> None:
    assert sampler.extrapolates == held
