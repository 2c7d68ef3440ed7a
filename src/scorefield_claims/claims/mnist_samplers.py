r"""All samplers on one network, by what they cost: MNIST.

Quality is the Fréchet distance between features that an independent judge sees, FID (MNIST features), of n samples against the test set;
the floor is what n training digits get. Every sampler draws from the same weights at several budgets of network evaluations.

A sampler arrives where its distance comes within ``reach`` of the best any sampler reached. The deterministic samplers hold their own if
the best of them is within ``parity`` of the best stochastic one, intervals included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from scorefield.grids import Grid, Karras, Ladder, LogSNR, ends, geometric
from scorefield.metrics import Estimate, frechet_distance
from scorefield.metrics.estimate import mean
from scorefield.pretrained import load_model
from scorefield.processes import Process
from scorefield.samplers import (
    AdaptiveODE,
    AnnealedLangevin,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Heun,
    LangevinCorrector,
    PredictorCorrector,
    ReverseDiffusion,
)
from scorefield.sampling import Sampler
from scorefield_claims.base import Claim, Finding, Recipe, rule
from scorefield_claims.drawing import canvas, curve, label, save
from scorefield_claims.mnist import digits, draw, examples, judge, read, real_features, show

__all__ = ["CLAIM", "MnistSamplers"]

_REPEATS = 5  # Langevin steps per level


@dataclass(frozen=True, kw_only=True)
class MnistSamplers(Recipe):
    """Samples per point, budgets of evaluations without noise and with it, tolerances of the adaptive solver, test digits compared with."""

    n: int
    deterministic: tuple[int, ...]
    stochastic: tuple[int, ...]
    tolerances: tuple[float, ...]
    reference: int = 10_000
    model: str = "mnist"
    reach: float = 1.1
    parity: float = 1.1


class _Point(NamedTuple):
    """One sampler at one budget."""

    evaluations: float
    distance: Estimate
    confidence: Estimate
    x: Tensor


Plan = tuple[Sampler, Grid]

_DETERMINISTIC: dict[str, Callable[[int, Process], Plan]] = {
    "Euler": lambda k, _: (Euler(), Karras(k - 1)),
    "DPM-Solver++(2M)": lambda k, _: (DPMpp2M(), Karras(k - 1)),
    "Heun": lambda k, _: (Heun(), Karras((k + 1) // 2 - 1)),
}
_STOCHASTIC: dict[str, Callable[[int, Process], Plan]] = {
    "Heun with churn": lambda k, _: (Heun(k / 4, 0.05, 10.0), Karras((k + 1) // 2 - 1)),
    "Euler-Maruyama": lambda k, _: (EulerMaruyama(), Karras(k - 1)),
    "reverse diffusion": lambda k, _: (ReverseDiffusion(), Karras(k - 1)),
    "predictor-corrector": lambda k, _: (
        PredictorCorrector(ReverseDiffusion(), LangevinCorrector()),
        LogSNR(k // 2 - 1),
    ),
    "annealed Langevin": lambda k, process: (
        AnnealedLangevin(repeats=_REPEATS, relative_step=0.15),
        Ladder(geometric(ends(process)[0], 0.01, max(2, k // _REPEATS))),
    ),
}
_ADAPTIVE = "adaptive ODE"


def measure(recipe: MnistSamplers) -> Finding:
    """Return every sampler's quality at every budget."""
    model, precise = load_model(recipe.model, precision="auto").model, load_model(recipe.model).model
    real = real_features(recipe.reference)
    floor = frechet_distance(judge().features(examples(digits(train=True), recipe.n, recipe.seed).scaled()), real)

    def point(sampler: Sampler, grid: Grid) -> _Point:
        drawn = draw(precise if isinstance(sampler, AdaptiveODE) else model, sampler, grid, recipe.n, recipe.seed)
        distance = frechet_distance(judge().features(drawn.x), real)
        return _Point(drawn.evaluations, distance, mean(read(drawn.x).confidence), drawn.x[:10])

    found = {
        name: [point(*build(k, model.process)) for k in budgets]
        for builders, budgets in ((_DETERMINISTIC, recipe.deterministic), (_STOCHASTIC, recipe.stochastic))
        for name, build in builders.items()
    }
    found[_ADAPTIVE] = [point(AdaptiveODE(tol, tol), LogSNR(1)) for tol in recipe.tolerances]
    return _finding(recipe, found, floor)


def _best(points: Sequence[_Point]) -> _Point:
    return min(points, key=lambda point: point.distance.value)


def _finding(recipe: MnistSamplers, found: Mapping[str, list[_Point]], floor: Estimate) -> Finding:
    """Return the verdict."""
    best = {name: _best(points) for name, points in found.items()}
    name_of_best = min(best, key=lambda name: best[name].distance.value)
    limit = recipe.reach * best[name_of_best].distance.value
    arrival = {
        name: next((p.evaluations for p in sorted(points) if p.distance.value <= limit), 0)
        for name, points in found.items()
    }
    ode = min((*_DETERMINISTIC, _ADAPTIVE), key=lambda name: best[name].distance.value)
    sde = min(_STOCHASTIC, key=lambda name: best[name].distance.value)
    slack = best[ode].distance.error + recipe.parity * best[sde].distance.error
    text = (
        f"the best deterministic sampler, {ode}, reaches a distance of {best[ode].distance} in {best[ode].evaluations} evaluations, the "
        f"best stochastic one, {sde}, {best[sde].distance} in {best[sde].evaluations} (training digits: {floor})"
    )
    held = best[ode].distance.value <= recipe.parity * best[sde].distance.value + 2 * slack
    verdict, reason = rule({text: held})
    rows = [
        {
            "sampler": name,
            "evaluations": p.evaluations,
            "fid_mnist_features": p.distance.value,
            "standard_error": p.distance.error,
            "times_floor": p.distance.value / floor.value,
            "confidence": p.confidence.value,
            "within_reach_of_best_at": arrival[name],
        }
        for name, points in found.items()
        for p in points
    ]
    measures = {f"FID (MNIST features), {name}, best": point.distance for name, point in best.items()}
    measures |= {"FID (MNIST features) of training digits": floor}
    return Finding(verdict, reason, measures, rows, lambda path: _draw(path, found, best, floor, limit))


def _draw(
    path: Path, found: Mapping[str, list[_Point]], best: Mapping[str, _Point], floor: Estimate, limit: float
) -> None:
    """Draw quality against cost, and ten digits of each sampler at its best."""
    figure, axes = canvas(1, 2, width=7.4, height=6.0)
    quality, picture = axes[0]
    for k, (name, points) in enumerate(found.items()):
        ordered = sorted(points)
        curve(quality, [p.evaluations for p in ordered], [p.distance for p in ordered], name, k)
    quality.axhline(floor.value, color="black", linestyle="--", linewidth=1.4, label="training digits")
    quality.axhline(limit, color="0.5", linestyle=":", linewidth=1.4, label="within reach of the best")
    quality.set_xscale("log")
    quality.set_yscale("log")
    label(quality, "one network, every sampler", "network evaluations per digit", "FID (MNIST features)")
    names = [f"{name}, {point.evaluations}" for name, point in best.items()]
    show(
        picture,
        torch.cat([point.x for point in best.values()]),
        "at its best, after so many evaluations",
        10,
        rows=names,
    )
    figure.legend(*quality.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=10)
    save(figure, path)


CLAIM = Claim(
    name="mnist-samplers",
    statement="On one network the probability-flow ODE draws as well as the samplers that add noise, at a fraction of the cost.",
    source="Song et al. (2021), section 4.3 and Table 1; Karras et al. (2022), Fig. 2",
    measure=measure,
    small=MnistSamplers(n=250, deterministic=(12, 36), stochastic=(12, 36), tolerances=(1e-2,)),
    full=MnistSamplers(n=1000, deterministic=(10, 20, 40, 80), stochastic=(20, 40, 80, 160), tolerances=(3e-2, 1e-2)),
    models=("mnist", "mnist-judge"),
)
