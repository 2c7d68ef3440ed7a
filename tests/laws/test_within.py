"""What is chosen for so many evaluations costs no more, and is what was measured to come nearest to the data for them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    EDM,
    VE,
    AutoGuided,
    Denoiser,
    Exact,
    FromScore,
    GaussianMixture,
    Grid,
    Process,
    ScoreModel,
    sample,
)
from scorefield.config import RunConfig
from scorefield.errors import ConfigError
from scorefield.loaded import LoadedModel
from scorefield.networks import MLP
from scorefield.samplers import within

from .cases import PROCESSES

STORED = json.loads((Path(__file__).parents[2] / "results" / "budgets.json").read_text())
RING = GaussianMixture.ring()


class Counted:
    """The true score, and how often it was asked."""

    def __init__(self, process: Process) -> None:
        self.exact, self.calls = Exact(RING, process), 0

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.calls += 1
        return self.exact.score(x, t)


def spent(model: ScoreModel, evaluations: int, counters: list[Counted]) -> float:
    """Return how often the counters were asked while a sample was drawn, which is what `sample` says it spent."""
    sampler, grid = within(evaluations, model, (2,))
    before = sum(counter.calls for counter in counters)
    said = sample(model, sampler, (3, 2), grid=grid).evaluations
    assert sum(counter.calls for counter in counters) - before == said
    return said


@pytest.mark.parametrize("process", PROCESSES)
def test_all_of_a_budget_is_spent_and_no_more(process: str) -> None:
    counter = Counted(PROCESSES[process])
    for evaluations in (2, 3, 8, 33):
        assert spent(FromScore(counter, counter.exact.process), evaluations, [counter]) == evaluations


@pytest.mark.parametrize("interval", [(0.0, math.inf), (0.15, 3.0)])
def test_guidance_is_paid_of_the_budget(interval: tuple[float, float]) -> None:
    counters = [Counted(VE()), Counted(VE())]
    model = AutoGuided(*(FromScore(counter, VE()) for counter in counters), 1.5, interval)  # pyright: ignore[reportArgumentType]
    for evaluations in (4, 8, 9, 32):
        assert evaluations - 2 < spent(model, evaluations, counters) <= evaluations  # a guided step more would cost two


def test_the_least_is_named_and_is_enough() -> None:
    counter = Counted(EDM())
    model = FromScore(counter, EDM())
    with pytest.raises(ConfigError, match=r"at least 5, which one step of this model .* received 4"):
        within(4, model, (2,), beside=3)
    assert within(5, model, (2,), beside=3)[1].steps == 1


def test_the_grid_is_the_one_fitted_to_as_many_steps_for_what_the_sampler_extrapolates() -> None:
    model = Exact(RING, VE())
    sampler, grid = within(8, model, (2,))
    fitted = Grid.fit(model, 7, (2,), of=sampler.extrapolates, places=48)
    levels = model.process.ratio(fitted.times(model.process))
    torch.testing.assert_close(grid.ratios, levels, rtol=1e-2, atol=0)


@pytest.mark.parametrize("scores", STORED)
def test_nothing_measured_comes_nearer(scores: str) -> None:
    """By two standard errors of the difference, taken as independent: draws are, and share but the data they are held to."""
    rows = STORED[scores]["rows"]
    for evaluations, own in rows["within"].items():
        for name, row in rows.items():
            other = row[evaluations]
            reach = 2 * math.hypot(own["error"], other["error"])
            assert own["value"] <= other["value"] + reach or name == "truth", (
                name,
                evaluations,
            )


def test_the_stored_numbers_are_of_this_rule() -> None:
    """The exact score's after four evaluations, measured again."""
    from benchmarks import budgets

    found, stored = budgets.bought("within", 4, budgets.exact()), STORED["exact"]["rows"]["within"]["4"]
    assert found.value == pytest.approx(stored["value"], rel=1e-3)


def tiny(**settings: Any) -> LoadedModel:
    """Return a labelled model of points with a weaker one, as a run would have left them."""
    torch.manual_seed(0)
    model, weak = (Denoiser(MLP(dim=2, width=8, depth=1, classes=3), EDM(), sigma_data=1.0) for _ in range(2))
    return LoadedModel(model, RunConfig.model_validate(settings), (2,), Path("tiny"), weak)


@pytest.mark.parametrize(
    "how",
    [{}, {"labels": 1}, {"labels": [0, 1, 2]}, {"labels": 1, "weight": 2.0}, {"guide": 0.0}, {"guide": 2.0}],
    ids=str,
)
def test_a_loaded_model_asks_its_networks_so_often(how: dict[str, Any]) -> None:
    loaded, calls = tiny(), []
    way = loaded.within(9, **how).build(loaded.model.process)
    assert loaded.weak is not None
    for model in (loaded.model, loaded.weak):
        model.net.register_forward_hook(lambda *_: calls.append(1))
    drawn = loaded.sample(3, seed=1, sampler=way[0], grid=way[1], **how)
    assert 7 < len(calls) == drawn.evaluations <= 9
    assert torch.equal(loaded.sample(3, seed=1, evaluations=9, **how).x, drawn.x)


def test_the_grid_is_that_of_the_guided_model_whatever_the_labels() -> None:
    loaded = tiny()
    assert loaded.within(9) == loaded.within(9, labels=[0, 1, 2])
    weak, strong = (loaded.within(9, guide=guide).grid for guide in (1.0, 3.0))
    assert weak.steps == strong.steps
    assert weak.ratios != strong.ratios


def test_evaluations_beside_what_they_choose_are_refused() -> None:
    for other in ({"steps": 3}, {"grid": torch.tensor([1.0, 0.1])}, {"sampler": within(4, tiny().model, (2,))[0]}):
        with pytest.raises(ConfigError, match="evaluations=8 chooses sampler, grid and steps"):
            tiny().sample(evaluations=8, **other)
