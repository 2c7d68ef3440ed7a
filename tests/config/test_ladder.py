"""Ladders in configurations: NCSN's published settings are what is built, and settings that contradict each other are refused."""

from pathlib import Path

import pytest
import torch

from scorefield import CondRefineNet, ConfigError, LadderNet, NCSNv2Net, UNet, fit, geometric, sample
from scorefield.config import RunConfig, merge, read_yaml, validate

pytestmark = pytest.mark.usefixtures("seeded")  # initial weights are drawn from the global generator

CONFIGS = Path(__file__).parents[2] / "configs"
LADDER = {"process": {"kind": "ve", "sigma_min": 0.01, "sigma_max": 1.0}, "model": {"kind": "ladder", "levels": 7}}
SMALL = {"kind": "cond_refinenet", "ngf": 2}


def config(values: dict) -> RunConfig:
    return validate(RunConfig, merge(RunConfig().model_dump(mode="json"), values), "test")


def published(name: str) -> RunConfig:
    return config(read_yaml(CONFIGS / f"{name}.yaml"))


def test_the_ncsn_recipe_is_the_published_one() -> None:
    recipe = published("mnist-ncsn")
    t = recipe.train
    assert (t.batch_size, t.steps, t.checkpoint_every, recipe.seed) == (128, 200_000, 1000, 1234)
    assert (t.learning_rate, t.betas, t.warmup, t.decay, t.clip, t.ema_decay) == (
        1e-3,
        (0.9, 0.999),
        0,
        "constant",
        None,
        0,
    )
    model, objective = recipe.build_model((1, 28, 28)), recipe.build_objective()
    assert isinstance(model, LadderNet)
    assert isinstance(model.net, CondRefineNet)
    assert sum(p.numel() for p in model.parameters()) == 7_638_657
    levels = torch.tensor(
        [1, 0.59948425, 0.35938137, 0.21544347, 0.12915497, 0.07742637, 0.04641589, 0.02782559, 0.01668101, 0.01]
    )
    torch.testing.assert_close(model.levels.float(), levels, rtol=0, atol=5e-8)
    torch.testing.assert_close(objective.levels, model.levels)
    assert objective.anneal_power == 2
    sampler, grid = recipe.sampling.build(model.process)
    assert sampler.relative_step * 0.01**2 == pytest.approx(2 * 2e-5, rel=1e-9)  # the code's convention and ours
    assert sampler.repeats == 100
    torch.testing.assert_close(model.process.alpha_sigma(grid.times(model.process)[:-1])[1], model.levels)


def test_the_ncsnv2_recipe_is_what_its_techniques_give() -> None:
    """For D = 784: γ = √(2D)/(√(2D) − 3) = 1.0820, and Technique 4's step for it."""
    from scorefield import advice

    recipe = published("mnist-ncsnv2")
    model = recipe.build_model((1, 28, 28))
    assert isinstance(model.net, NCSNv2Net)
    assert len(model.levels) == recipe.objective.levels.levels == 95
    ratio = (model.levels[0] / model.levels[1]).item()
    assert 0.999 < ratio / advice.level_ratio(784) <= 1
    sampler, _ = recipe.sampling.build(model.process)
    assert sampler.relative_step * 0.01**2 == pytest.approx(
        2 * advice.step_size(ratio, 0.01, sampler.repeats), rel=0.01
    )
    assert recipe.train.ema_decay == 0.999


@pytest.mark.parametrize(
    ("network", "kind"),
    [(SMALL, CondRefineNet), ({"kind": "ncsnv2", "ngf": 2}, NCSNv2Net), ({"kind": "unet", "width": 8}, UNet)],
)
def test_networks_are_told_the_ladders_levels(network: dict, kind: type) -> None:
    model = config({**LADDER, "network": network}).build_model((1, 8, 8))
    assert isinstance(model.net, kind)
    torch.testing.assert_close(model.levels, geometric(1.0, 0.01, 7))
    assert torch.isfinite(model.score(torch.rand(2, 1, 8, 8), model.process.time(model.levels[[0, 6]]))).all()


@pytest.mark.parametrize(
    ("values", "event", "words"),
    [
        ({"network": SMALL}, (1, 8, 8), "use model.kind=ladder"),
        ({**LADDER, "network": SMALL}, (2,), "needs images"),
        ({**LADDER, "network": SMALL}, (1, 7, 8), "even sides"),
        ({**LADDER, "process": {"kind": "vp"}, "network": SMALL}, (1, 8, 8), "process.kind=ve"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(values: dict, event: tuple[int, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(values).build_model(event)


@pytest.mark.parametrize("network", [SMALL, {"kind": "ncsnv2", "ngf": 2}, {"kind": "unet", "width": 8}])
def test_a_ladder_of_one_level_trains_and_samples(network: dict) -> None:
    """The ablation L = 1: the level is the lower end, in the model, the objective and the grid."""
    one = {
        "model": {**LADDER["model"], "levels": 1},
        "objective": {"kind": "multilevel_dsm", "levels": 1},
        "sampling": {"sampler": {"kind": "ald", "repeats": 2}, "grid": {"kind": "ladder", "levels": 1}},
    }
    asked = config({**LADDER, "network": network, **one})
    model, objective = asked.build_model((1, 8, 8)), asked.build_objective()
    assert model.levels.tolist() == objective.levels.tolist() == [0.01]
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, torch.rand(20, 1, 8, 8), objective, steps=2, batch_size=4)
    assert any((now != then).any() for now, then in zip(model.parameters(), before, strict=True))
    sampler, grid = asked.sampling.build(model.process)
    drawn = sample(model, sampler, (2, 1, 8, 8), grid=grid)
    assert drawn.evaluations == 3
    assert torch.isfinite(drawn.x).all()
    with pytest.raises(ConfigError, match="levels' ends"):
        config({**LADDER, "network": network, **one, "process": {"kind": "vp"}}).build_model((1, 8, 8))


@pytest.mark.parametrize("changed", [{"levels": 8}, {"sigma_1": 2.0}, {"sigma_L": 0.02}], ids=str)
def test_an_objective_on_another_ladder_is_refused(changed: dict) -> None:
    same = {"kind": "multilevel_dsm", "sigma_1": 1.0, "sigma_L": 0.01, "levels": 7}
    config({**LADDER, "objective": same}).build_objective()
    with pytest.raises(ConfigError, match=r"two ladders, 7 levels from 1 to 0.01 and .*give both the same"):
        config({**LADDER, "objective": {**same, **changed}}).build_objective()
