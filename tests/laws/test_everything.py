"""Every public class has a law: what is added to a room runs through the laws, or is named here until it does."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    MALA,
    Density,
    Grid,
    LinearOperator,
    Noise,
    Process,
    Sampler,
    ScoreModel,
    Step,
    sample,
)
from scorefield.samplers import Heun

from . import cases, guided, test_contract, test_grids, test_models, test_objectives, test_processes
from .altered import AlteredDensity, AlteredSampler
from .cases import DENSITIES, PROCESSES, SAMPLERS, Route, normal, seeded, stay, usual
from .everything import by_default, public, without_a_law
from .statistics import LEVEL, accept, mean_p
from .test_models import rows_agree, views_agree
from .test_samplers import CENTRED, COPIES, reaches_the_law
from .test_sampling import MODEL, each_sample_belongs_to_its_seed

HERE = Path(__file__).parent


def texts(**files: str) -> dict[str, str]:
    """Return the text of the test file that holds the laws of each class named."""
    return {name: (HERE / f"test_{file}.py").read_text() for name, file in files.items()}


def kinds() -> dict[str, tuple[Mapping[str, type], Iterable[object], Mapping[str, str], str]]:
    """Return of each kind: the public classes, the cases there are, the classes whose laws stand elsewhere, and where to add a case."""
    guidance: dict[str, type] = public(ScoreModel, ["guidance"]) | public(Sampler, ["guidance"])
    biases = dict.fromkeys(guidance, "".join(path.read_text() for path in HERE.glob("test_guidance_*.py")))
    samplers = texts(MALA="mala") | {name: biases[name] for name in public(Sampler, ["guidance"])}
    grids: dict[str, type] = public(Grid)
    counted = [cls(3) for cls in test_grids.GRIDS.values()]
    denoising = [objective for objective, *_ in test_objectives.OBJECTIVES.values()]
    objectives = [*denoising, *test_objectives.LEAST.values()]
    elsewhere = texts(
        DAE="score_matching",
        Distillation="distillation",
        FisherDivergence="score_matching",
        CrossEntropy="cross_entropy",
        LogNormal="objectives",
        OneLevel="objectives",
        UniformTime="objectives",
    )
    models = [*(make((2,)) for make in test_models.MODELS.values()), *test_contract.models().values()]
    operators = [operator for operator, _ in guided.OPERATORS.values()]
    return {
        "samplers": (public(Sampler), [r.sampler for r in SAMPLERS.values()], samplers, "SAMPLERS of cases.py"),
        "densities": (public(Density), [*DENSITIES.values()], {}, "DENSITIES of cases.py"),
        "processes": (public(Process), [*PROCESSES.values()], {}, "PROCESSES of cases.py"),
        "grids": (grids, counted, texts(Ladder="grids", Constant="grids", Fitted="grids"), "GRIDS of test_grids.py"),
        "objectives": (public(object, ["objectives"]), objectives, elsewhere, "OBJECTIVES of test_objectives.py"),
        "guidance": (guidance, [], biases, "a test_guidance_*.py"),
        "models": (public(ScoreModel), models, {}, "models() of test_contract.py"),
        "operators": (public(LinearOperator), operators, {}, "OPERATORS of guided.py"),
    }


@pytest.mark.usefixtures("seeded")
def test_every_public_class_has_a_law() -> None:
    complaints = [line for kind in kinds().values() for line in without_a_law(*kind)]
    assert not complaints, "\n".join(complaints)


def test_every_process_has_the_formula_of_its_paper() -> None:
    missing = [cls.__name__ for cls in public(Process).values() if cls not in test_processes.TEXTBOOK]
    assert not missing, f"add (f, g) as the paper prints them to TEXTBOOK of test_processes.py: {missing}"


class Newcomer(Heun):
    """A sampler somebody adds."""


class Choosy(Heun):
    """One with a setting that has no default."""

    def __init__(self, setting: float) -> None:
        self.setting = setting


def test_a_newcomer_gets_a_case_and_one_that_must_be_told_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import scorefield.samplers as room

    for cls in (Newcomer, Choosy):
        monkeypatch.setattr(room, cls.__name__, cls, raising=False)
    monkeypatch.setattr(room, "__all__", [*room.__all__, "Newcomer", "Choosy"])
    found, told = public(Sampler), [route.sampler for route in SAMPLERS.values()]
    assert found["Newcomer"] is Newcomer
    made = by_default({k: v for k, v in found.items() if k not in cases.CONDITIONED}, told, lambda cls: usual(cls()))
    assert set(made) == {"Newcomer"}
    complaints = without_a_law(found, [*told, Newcomer()], kinds()["samplers"][2], "SAMPLERS of cases.py")
    assert complaints == [
        "Choosy is public and has no law: add a case to SAMPLERS of cases.py, or give its settings defaults"
    ]
    assert any("never makes one" in line for line in without_a_law(found, told, {"Choosy": "nothing"}, ""))
    assert any("no public class" in line for line in without_a_law(found, told, {"Nobody": "Nobody()"}, ""))
    reaches_the_law(made["Newcomer"], "gaussian", COPIES["VP"], LEVEL, n=1000)
    mutant = AlteredSampler(made["Newcomer"].sampler, score=lambda p, t: 0.5)
    with pytest.raises(AssertionError):
        reaches_the_law(Route(mutant, made["Newcomer"].times), "gaussian", COPIES["VP"], LEVEL, n=1000)


# --- laws of classes that had none -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", test_contract.MODELS)
@pytest.mark.usefixtures("seeded")
def test_every_model_guided_or_not_has_four_views_of_one_estimand_at_one_time_or_many(name: str) -> None:
    model = test_contract.models()[name].double()
    x, t = normal(3, 2), torch.tensor([0.7, 0.5, 0.4], dtype=torch.float64)
    views_agree(model, x, t)
    rows_agree(model, x)


@pytest.mark.parametrize("target", ["gaussian", "mixture"])
def test_mala_reaches_the_exact_law_and_half_its_noise_does_not(target: str) -> None:
    """KS and binomial tests at level 1e-3 over both targets."""
    route = Route(MALA(0.4), stay(1.0, 150))
    reaches_the_law(route, target, CENTRED, LEVEL / 2)
    with pytest.raises(AssertionError):
        reaches_the_law(Route(Hasty(0.4), route.times), target, CENTRED, LEVEL / 2)


class Hasty(MALA):
    """MALA that accepts a proposal twice as far away as the one it weighs."""

    def step(self, model: Any, x: Tensor, step: Step, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        y, memory = super().step(model, x, step, memory, noise)
        return x + 2 * (y - x), memory


def test_a_chain_of_mala_depends_on_its_own_seed_alone() -> None:
    how = {"grid": stay(1.0, 6)(MODEL.process, 1)}
    each_sample_belongs_to_its_seed(lambda **more: sample(MODEL, MALA(1.0), **how, **more))


def has_its_moments(density: Density, level: float, n: int = 20_000) -> None:
    """z-tests of mean and variance of each coordinate."""
    moments = density.moments
    assert moments is not None
    assert moments.mean.shape == moments.std.shape == density.event
    x = density.sample(n, seeded(6)).double()
    accept([*mean_p(x, moments.mean), *mean_p((x - moments.mean) ** 2, moments.std**2)], level)


KNOWN = [name for name, density in DENSITIES.items() if density.moments is not None]


@pytest.mark.parametrize("name", KNOWN)
def test_moments_are_those_of_the_samples_noised_or_not(name: str) -> None:
    """Family level 1e-3."""
    for density in (DENSITIES[name], DENSITIES[name].diffuse(0.6, 0.7)):
        has_its_moments(density, LEVEL / (2 * len(KNOWN)))


def test_only_a_rotation_leaves_moments_unknown() -> None:
    assert set(DENSITIES) - set(KNOWN) == {"similarity"}


@pytest.mark.parametrize("name", KNOWN)
def test_moments_of_another_law_are_rejected(name: str) -> None:
    density = DENSITIES[name]
    wider = AlteredDensity(density, sample=lambda d, n, generator: 1.3 * d.sample(n, generator))
    with pytest.raises(AssertionError):
        has_its_moments(wider, LEVEL)
    moved = AlteredDensity(density, sample=lambda d, n, g: d.sample(n, g) + 0.2 * d.moments.std.float())
    with pytest.raises(AssertionError):
        has_its_moments(moved, LEVEL)
