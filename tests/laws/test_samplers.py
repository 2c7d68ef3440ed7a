"""Laws of samplers on exact scores: they reach the exact law, at the order they declare; and broken ones do not."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scorefield import (
    DDIM,
    VE,
    VP,
    AdaptiveODE,
    Ancestral,
    AnnealedLangevin,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Exact,
    Gaussian,
    Heun,
    Karras,
    Langevin,
    LangevinCorrector,
    Noise,
    PredictorCorrector,
    Process,
    ReverseDiffusion,
    Sampler,
    ScoreModel,
    Similarity,
    Step,
    sample,
)
from scorefield.samplers import Multistep
from scorefield.units import Units
from turns import in_turn

from .altered import AlteredSampler, SecondSlope
from .cases import ROUTE_PROCESSES, SAMPLERS, TARGETS, Route, coarse, normal
from .chains import affine, follow, gaussian_law
from .statistics import LEVEL, accept, count_p, fitted_order, ks_p, mean_p, variance_p

MEAN = torch.tensor([1.0, -0.5], dtype=torch.float64)
VARIANCE = torch.tensor([0.3, 1.5], dtype=torch.float64)
DATA = Gaussian(MEAN, VARIANCE)
DIRECTIONS = [np.array(d) / math.hypot(*d) for d in ((1, 0), (0, 1), (1, 1), (1, -1))]
CASES = len(SAMPLERS) * len(TARGETS) * len(ROUTE_PROCESSES)
NEVER = torch.zeros(0)

every = pytest.mark.parametrize("name", SAMPLERS)
processes = pytest.mark.parametrize("process", ROUTE_PROCESSES)


# --- the exact law ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copy:
    """Where a target is put: shifted where the process noises it, and in other units than those, m + c x."""

    process: Process
    shift: tuple[float, float] = (0.0, 0.0)
    location: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    def model(self, target: str) -> Exact:
        density = Similarity(TARGETS[target].density, shift=torch.tensor(self.shift))
        return Exact(density, self.process).in_units(Units(torch.tensor(self.location), torch.tensor(self.scale)))

    def back(self, x: Tensor, alpha: float) -> Tensor:
        """Return where samples would be of the target itself."""
        location, scale, shift = (torch.tensor(a).double() for a in (self.location, self.scale, self.shift))
        return (x.double() - location) / scale - alpha * shift


# Where α changes, some samplers discretise the drift f x itself, and err by a share of the mean: there data far away come in units.
COPIES = {
    "VE": Copy(ROUTE_PROCESSES["VE"], shift=(300.0, -300.0)),
    "VP": Copy(ROUTE_PROCESSES["VP"], location=(127.5, 127.5), scale=(255.0, 255.0)),
    "SubVP": Copy(ROUTE_PROCESSES["SubVP"]),
    "EDM": Copy(ROUTE_PROCESSES["EDM"], location=(-3e4, 0.1), scale=(1e5, 1e-3)),
}
CENTRED = Copy(ROUTE_PROCESSES["VE"])


def reaches_the_law(
    route: Route, target: str, copy: Copy, level: float, n: int = 2_000, fine: int = 1, model: Exact | None = None
) -> None:
    """Begun with the model's own prior: KS tests along four directions, a binomial test of the half-plane between the modes, and z-tests
    of mean and variance."""
    law, times = TARGETS[target], route.times(copy.process, fine)
    drawn = sample(model or copy.model(target), route.finer(fine), (n, 2), grid=times, seed=11, denoise=False)
    alpha, sigma = (scale.item() for scale in copy.process.alpha_sigma(times[-1]))
    x, p = copy.back(drawn.x, alpha), []
    for direction in DIRECTIONS:
        projected, cdf = x @ torch.tensor(direction), law.along(direction, alpha, sigma)
        p.append(ks_p(projected, cdf))
        if direction is DIRECTIONS[0]:
            p.append(count_p(int((projected < 0).sum()), n, float(cdf(np.zeros(1))[0])))
    moments = law.density.diffuse(alpha, sigma).moments
    assert moments is not None
    x = x - moments.mean
    accept([*p, *mean_p(x), *mean_p(x**2, moments.std**2)], level)


def cases() -> Iterator[Any]:
    """Yield every sampler on every target and copy; quick are two targets of each sampler, each in a copy of its own, others in turn."""
    for (i, name), (j, target), (k, copy) in product(*map(enumerate, (SAMPLERS, TARGETS, COPIES))):
        quick = (i + j + k) % len(COPIES) == 0 and (j - i // 4) % len(TARGETS) < 2
        yield pytest.param(name, target, copy, 2_000, 1, marks=() if quick else pytest.mark.slow)
        yield pytest.param(name, target, copy, 20_000, 5, marks=pytest.mark.slow)


@pytest.mark.promise("D5")
@pytest.mark.parametrize(("name", "target", "copy", "n", "fine"), list(cases()))
def test_a_sampler_with_the_exact_score_reaches_the_exact_law(
    name: str, target: str, copy: str, n: int, fine: int
) -> None:
    """Wherever the target lies, and in whatever units; family level 1e-3 over all samplers, targets and processes."""
    reaches_the_law(SAMPLERS[name], target, COPIES[copy], LEVEL / CASES, n, fine)


def test_the_quick_cases_show_each_sampler_two_targets_and_copies_and_some_sampler_each_pair() -> None:
    quick = [case.values for case in cases() if not case.marks]
    assert {(target, copy) for _, target, copy, *_ in quick} == set(product(TARGETS, COPIES))
    for sampler in SAMPLERS:
        targets, copies = ({case[part] for case in quick if case[0] == sampler} for part in (1, 2))
        assert len(targets) == len(copies) == 2


FROM_NOISE = [name for name, route in SAMPLERS.items() if route.times(VP(), 1)[0] > 0.99 * VP().t_max]


@pytest.mark.parametrize("name", FROM_NOISE)  # a chain forgets where it began
def test_a_model_that_does_not_know_where_its_data_are_is_rejected(name: str) -> None:
    model = COPIES["VE"].model("mixture")
    model.moments = None
    with pytest.raises(AssertionError):
        reaches_the_law(SAMPLERS[name], "mixture", COPIES["VE"], LEVEL / CASES, model=model)


@pytest.mark.parametrize(
    "wrong",
    [Units(torch.tensor(0.0), torch.tensor(255.0)), Units(torch.tensor(127.5), torch.tensor(200.0))],
    ids=["location", "scale"],
)
def test_samples_in_other_units_are_rejected(wrong: Units) -> None:
    copy = COPIES["VP"]
    with pytest.raises(AssertionError):
        reaches_the_law(SAMPLERS["Heun"], "mixture", copy, LEVEL / CASES, model=copy.model("mixture").in_units(wrong))


BROKEN: dict[str, tuple[str, Sampler]] = {
    "Euler, half the score": ("Euler", AlteredSampler(Euler(), score=lambda p, t: 0.5)),
    "Euler, score of the wrong sign": ("Euler", AlteredSampler(Euler(), score=lambda p, t: -1.0)),
    "Euler, time reversed": ("Euler", AlteredSampler(Euler(), clock=lambda p, t: p.t_min + p.t_max - t)),
    "Heun, twice the score": ("Heun", AlteredSampler(Heun(), score=lambda p, t: 2.0)),
    "HeunChurned, too much noise": ("HeunChurned", Heun(churn=10.0, churn_noise=1.3)),
    "AdaptiveODE, half the score": ("AdaptiveODE", AlteredSampler(AdaptiveODE(1e-4, 1e-4), score=lambda p, t: 0.5)),
    "DPMpp2M, half the score": ("DPMpp2M", AlteredSampler(DPMpp2M(), score=lambda p, t: 0.5)),
    "DDIM, half the noise": ("DDIM", AlteredSampler(DDIM(eta=0.5), noise=lambda t, s: 0.5)),
    "Ancestral, √2 missing": ("Ancestral", AlteredSampler(Ancestral(), noise=lambda t, s: 0.5**0.5)),
    "ReverseDiffusion, the flow's ½": ("ReverseDiffusion", AlteredSampler(ReverseDiffusion(), score=lambda p, t: 0.5)),
    "EulerMaruyama, g² missing": (
        "EulerMaruyama",
        AlteredSampler(EulerMaruyama(), score=lambda p, t: p.drift_diffusion(t)[1] ** -2),
    ),
    "EulerMaruyama, noise g h": ("EulerMaruyama", AlteredSampler(EulerMaruyama(), noise=lambda t, s: math.sqrt(t - s))),
    "EulerMaruyama, the flow's ½": ("EulerMaruyama", AlteredSampler(EulerMaruyama(), score=lambda p, t: 0.5)),
    "PredictorCorrector, √2 missing in the corrector": (
        "PredictorCorrector",
        PredictorCorrector(EulerMaruyama(), AlteredSampler(LangevinCorrector(snr=0.4), noise=lambda t, s: 0.5**0.5)),
    ),
    "PredictorCorrector, twice the score in the corrector": (
        "PredictorCorrector",
        PredictorCorrector(EulerMaruyama(), AlteredSampler(LangevinCorrector(snr=0.4), score=lambda p, t: 2.0)),
    ),
    "Langevin, √2 missing": ("Langevin", AlteredSampler(Langevin(step_size=0.12), noise=lambda t, s: 0.5**0.5)),
    "Langevin, ½ missing": ("Langevin", AlteredSampler(Langevin(step_size=0.12), score=lambda p, t: 2.0)),
    "LangevinCorrector, √2 missing": (
        "LangevinCorrector",
        AlteredSampler(LangevinCorrector(snr=0.18), noise=lambda t, s: 0.5**0.5),
    ),
    "AnnealedLangevin, √2 missing": (
        "AnnealedLangevin",
        AlteredSampler(AnnealedLangevin(step_size=0.02, repeats=40), noise=lambda t, s: 0.5**0.5),
    ),
    "AnnealedLangevin, too few steps": ("AnnealedLangevin", AnnealedLangevin(step_size=0.02, repeats=1)),
}
TOLD = {name for name, _ in BROKEN.values()}
BROKEN |= {
    f"{name}, half the score": (name, AlteredSampler(route.sampler, score=lambda p, t: 0.5))
    for name, route in SAMPLERS.items()
    if name not in TOLD
}


@pytest.mark.parametrize(("mutant", "target"), in_turn(BROKEN, ("gaussian", "mixture")))
def test_a_broken_sampler_does_not(mutant: str, target: str) -> None:
    name, sampler = BROKEN[mutant]
    with pytest.raises(AssertionError):
        reaches_the_law(Route(sampler, SAMPLERS[name].times), target, CENTRED, LEVEL / CASES)


def test_every_sampler_has_a_mutant() -> None:
    assert {name for name, _ in BROKEN.values()} == set(SAMPLERS)


# --- the order of convergence ----------------------------------------------------------------------------------------------------

STEPS = (64, 128, 256)
# A range narrow enough that these steps are small: the first-order term then leads by the factor the tolerance asks.
ORDER_PROCESSES: dict[str, Process] = {"VE": VE(sigma_min=0.3, sigma_max=2.0), "VP": VP()}
# Euler's step at the start of a multistep method leads over a range narrower still.
NARROW = {"VE": ORDER_PROCESSES["VE"], "VP": VP(beta_min=0.5, beta_max=1.0, t_min=0.2)}


def moment_errors(sampler: Sampler, process: Process, steps: int) -> float:
    """Return the largest error of mean and variance at t_min, for Gaussian data: exact, no samples."""
    model, times = Exact(DATA, process), Karras(steps).times(process)
    begin, end = (gaussian_law(process, t, MEAN, VARIANCE) for t in (times[0], times[-1]))
    found = affine(model, sampler, times).moments(*begin)
    return max((a - b).abs().max().item() for a, b in zip(found, end, strict=True))


def path_errors(sampler: Sampler, process: Process, steps: int) -> float:
    """Return the largest error of a path of the flow: x − mean keeps its number of standard deviations."""
    model, times = Exact(DATA, process), Karras(steps).times(process)
    (mean_t, var_t), (mean_s, var_s) = (gaussian_law(process, t, MEAN, VARIANCE) for t in (times[0], times[-1]))
    z = normal(16, 2)
    found = follow(model, sampler, times, mean_t + var_t.sqrt() * z, NEVER)
    return (found - mean_s - var_s.sqrt() * z).abs().max().item()


ORDERED = {name: route.sampler for name, route in SAMPLERS.items() if route.sampler.order is not None}
FLOWS = {
    name: s
    for name, s in ORDERED.items()
    if affine(Exact(DATA, ROUTE_PROCESSES["VP"]), s, Karras(2).times(ROUTE_PROCESSES["VP"])).draws == 0
}


@pytest.mark.promise("D3")
@pytest.mark.parametrize(("name", "process"), in_turn(ORDERED, ORDER_PROCESSES))
def test_moments_converge_at_the_declared_order(name: str, process: str) -> None:
    within = NARROW if isinstance(ORDERED[name], Multistep) else ORDER_PROCESSES
    errors = [moment_errors(ORDERED[name], within[process], n) for n in STEPS]
    assert fitted_order(STEPS, errors) == pytest.approx(ORDERED[name].order, abs=0.1)


@pytest.mark.promise("D3")
@pytest.mark.parametrize(("name", "process"), in_turn(FLOWS, ORDER_PROCESSES))
def test_paths_converge_at_the_declared_order(name: str, process: str) -> None:
    within = NARROW if isinstance(FLOWS[name], Multistep) else ORDER_PROCESSES
    errors = [path_errors(FLOWS[name], within[process], n) for n in STEPS]
    assert fitted_order(STEPS, errors) == pytest.approx(FLOWS[name].order, abs=0.1)


@pytest.mark.parametrize(
    ("mutant", "order"),
    [
        (SecondSlope(), 2),
        (AlteredSampler(Euler(), score=lambda p, t: 0.9), 1),
        (AlteredSampler(EulerMaruyama(), noise=lambda t, s: 0.9), 1),
    ],
)
def test_a_sampler_of_a_lower_order_is_rejected(mutant: Sampler, order: int) -> None:
    errors = [moment_errors(mutant, ORDER_PROCESSES["VP"], n) for n in STEPS]
    assert fitted_order(STEPS, errors) != pytest.approx(order, abs=0.1)


# The steps of AdaptiveSDE depend on the path, so its map is not affine; test_adaptive_sde.py has its laws.
@pytest.mark.promise("D5")
@pytest.mark.parametrize(("name", "process"), in_turn(sorted(set(SAMPLERS) - {"AdaptiveSDE"}), ROUTE_PROCESSES))
def test_samples_have_the_moments_of_the_exact_recursion(name: str, process: str) -> None:
    """`sample` against the affine recursion of the same run, whose bias on a coarse grid is its: z- and χ²-tests, family level 1e-3."""
    p, route = ROUTE_PROCESSES[process], SAMPLERS[name]
    model, times = Exact(DATA, p), coarse(route.times(p, 1))
    begin = gaussian_law(p, torch.tensor(p.t_max, dtype=torch.float64), MEAN, VARIANCE)
    init = begin[0] + begin[1].sqrt() * normal(4000, 2, seed=3)
    x = sample(model, route.sampler, init=init, grid=times, seed=5, denoise=False).x
    mean, variance = affine(model, route.sampler, times).moments(*begin)
    spread = [variance_p(x[:, i], variance[i].item()) for i in range(2)]
    accept([*mean_p(x, mean), *spread], LEVEL / (len(ROUTE_PROCESSES) * len(SAMPLERS)))


class Diary(Sampler[None]):
    """A sampler that stays where it is and writes down what it was asked."""

    def __init__(self, name: str, pages: list[tuple[str, float, float]]) -> None:
        self.name, self.pages = name, pages

    def step(self, model: ScoreModel, x: Tensor, step: Step, memory: None, noise: Noise) -> tuple[Tensor, None]:
        self.pages.append((self.name, step.t.item(), step.s.item()))
        return x, None


@pytest.mark.promise("D8")
def test_a_corrector_works_at_the_level_it_finds_and_the_predictor_leaves_it() -> None:
    pages: list[tuple[str, float, float]] = []
    times = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
    pair = PredictorCorrector(Diary("predict", pages), Diary("correct", pages))
    sample(Exact(DATA, VP()), pair, (1, 2), grid=times)
    assert pages == [("correct", 1.0, 1.0), ("predict", 1.0, 0.5), ("correct", 0.5, 0.5), ("predict", 0.5, 0.2)]


@processes
@pytest.mark.parametrize("sampler", [Ancestral(), DDIM(eta=0.0), DDIM(eta=0.5), DDIM(eta=1.0)], ids=str)
def test_the_transitions_of_a_single_point_are_exact_however_long(sampler: Sampler, process: str) -> None:
    """Where E[x_0 | x_t] is x_0 itself, these samplers draw from q(x_s | x_t, x_0), and q(x_s | x_0) comes out after three steps."""
    p = ROUTE_PROCESSES[process]
    point, times = torch.full((2,), 1e-16, dtype=torch.float64), Karras(3).times(p)
    begin, end = (gaussian_law(p, t, MEAN, point) for t in (times[0], times[-1]))
    found = affine(Exact(Gaussian(MEAN, point), p), sampler, times).moments(*begin)
    for a, b in zip(found, end, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
