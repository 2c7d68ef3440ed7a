"""Settings of the first edition laid over configurations of this one: what an override says depends on what it is laid over."""

from pathlib import Path
from typing import Any

import pytest

import scorefield as sf
from scorefield.config import RunConfig, merge, read_yaml, stored, validate
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import Constant, LogSNR

CONFIGS = Path(__file__).parents[2] / "configs"
PROCESS = sf.VE(0.01, 10.0)


def laid(base: dict[str, Any], *overrides: dict[str, Any]) -> RunConfig:
    values = merge(RunConfig().model_dump(mode="json"), base)
    for override in overrides:
        values = merge(values, override)
    return validate(RunConfig, values, "test")


DRAWN = {
    "sampler": {"kind": "heun", "churn": 10.0, "churn_min": 0.05, "churn_max": 10.0},
    "grid": {"kind": "karras", "steps": 16},
}
CHURNED = sf.Heun(10.0, 0.05, 10.0)


def built(*overrides: dict[str, Any]) -> tuple[sf.Sampler, sf.Grid]:
    recipe = {**read_yaml(CONFIGS / "mnist.yaml"), "sampling": DRAWN}
    return laid(recipe, *({"sampling": part} for part in overrides)).sampling.build(PROCESS)


@pytest.mark.parametrize(
    ("overrides", "sampler", "grid"),
    [
        ([], CHURNED, sf.Karras(16)),
        ([{"steps": 9}], CHURNED, sf.Karras(8)),  # counted times
        ([{"grid": {"steps": 9}}], CHURNED, sf.Karras(9)),
        ([{"grid": "log_snr"}], CHURNED, LogSNR(16)),
        ([{"churn": 0}], sf.Heun(0.0, 0.05, 10.0), sf.Karras(16)),
        ([{"kind": "heun", "steps": 5}], CHURNED, sf.Karras(4)),
        ([{"sampler": "euler"}], sf.Euler(), sf.Karras(17)),
        ([{"kind": "em"}], sf.EulerMaruyama(), LogSNR(299)),
        ([{"kind": "em", "grid": "karras"}], sf.EulerMaruyama(), sf.Karras(299)),
        ([{"kind": "ode"}], sf.AdaptiveODE(1e-3, 1e-3), LogSNR(1)),
        (
            [{"kind": "pc", "snr": 0.1, "corrections": 2, "predictor": "ancestral"}, {"steps": 50}],
            sf.PredictorCorrector(sf.Ancestral(), sf.LangevinCorrector(0.1, 2)),
            LogSNR(49),
        ),
        (
            [{"kind": "pc", "snr": 0.1, "corrector": {"repeats": 2}}],
            sf.PredictorCorrector(sf.ReverseDiffusion(), sf.LangevinCorrector(0.1, 2)),
            LogSNR(149),
        ),
        ([{"sampler": {"kind": "langevin", "step_size": 0.1}}], sf.Langevin(0.1), Constant(0.0, 1000)),
    ],
    ids=str,
)
def test_overrides_mean_what_they_meant(overrides: list[dict], sampler: sf.Sampler, grid: sf.Grid) -> None:
    assert built(*overrides) == (sampler, grid)


@pytest.mark.parametrize(
    ("overrides", "sigma_1", "sigma_L", "levels"),
    [
        ([{"kind": "ald"}], 10.0, 0.01, 60),
        ([{"kind": "ald", "steps": 7}], 10.0, 0.01, 7),
        ([{"kind": "ald", "steps": 7, "sigma_L": 0.5}], 10.0, 0.5, 7),
        ([{"kind": "ald", "steps": 7, "sigma_L": 0.5}, {"steps": 9}], 10.0, 0.5, 9),
        ([{"sampler": "ald", "grid": {"kind": "ladder", "levels": [3.0, 2.0, 0.5]}}, {"steps": 4}], 10.0, 0.01, 4),
    ],
    ids=str,
)
def test_the_steps_of_a_ladder_are_its_levels(
    overrides: list[dict], sigma_1: float, sigma_L: float, levels: int
) -> None:
    sampler, grid = built(*overrides)
    assert sampler == sf.AnnealedLangevin(repeats=5, relative_step=0.15)
    sigma = PROCESS.alpha_sigma(grid.times(PROCESS)[:-1])[1]
    assert sigma.tolist() == pytest.approx(sf.geometric(sigma_1, sigma_L, levels).tolist(), rel=1e-9)


def test_laws_and_ladders_of_objectives_are_changed_in_part() -> None:
    law = laid(
        {"objective": {"kind": "dsm", "mean": -0.7}}, {"objective": {"std": 2.0}}, {"objective": {"times": "lognormal"}}
    )
    assert law.objective.build(sigma_data=0.5) == sf.DSM(sf.LogNormal(-0.7, 2.0), sf.edm_weight(0.5))
    uniform = laid({"objective": {"kind": "dsm", "times": "uniform", "mean": -1.2, "std": 1.2, "weight": "sigma"}})
    assert uniform.objective.build() == sf.DSM()
    ladder = {"kind": "multilevel_dsm", "sigma_1": 5.0, "sigma_L": 0.1, "levels": 4}
    objective = laid({"objective": ladder}, {"objective": {"levels": 8}}).build_objective()
    assert objective.levels.tolist() == sf.geometric(5.0, 0.1, 8).tolist()


def test_another_kind_starts_from_what_is_usual_for_it() -> None:
    assert laid({}).objective.build(sigma_data=0.5) == sf.DSM(sf.LogNormal(), sf.edm_weight(0.5))
    assert laid({"objective": {"kind": "cross_entropy"}}).objective.build() == sf.CrossEntropy(sf.LogNormal(-0.7))
    assert SamplingConfig.model_validate({}) == RunConfig().sampling


@pytest.mark.parametrize("start", ["noise", "moments"])
def test_a_run_of_the_first_edition_starts_from_noise_and_a_new_one_from_moments(start: str) -> None:
    section = {"kind": "denoiser", "sigma_data": 0.3, "mean_data": 2.0}
    values = {"model": section, "network": "mlp", "process": "ve"}
    config = validate(RunConfig, stored(values) if start == "noise" else values, "test")
    assert config.model.start == start
    assert (config.train.generator == "torch") == (start == "noise")
    prior = config.build_model((2,)).prior(1.0)
    assert prior.mean.item() == (0.0 if start == "noise" else 2.0)
    assert prior.std.item() == pytest.approx((50.0**2 + (0.0 if start == "noise" else 0.3**2)) ** 0.5, rel=1e-9)
    assert stored(config.model_dump(mode="json"))["model"]["start"] == start
