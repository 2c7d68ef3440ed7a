r"""All samplers on one network, by what they cost: MNIST.

Quality is the Fréchet distance between features that an independent judge sees, FID (MNIST features), of n samples against the test set;
the floor is what n training digits get. Every sampler draws from the same weights at several budgets of network evaluations.

A sampler arrives where its distance comes within ``reach`` of the best any sampler reached. The claim holds if the best deterministic
sampler is below ``parity`` = 1.1 times the best stochastic one by more than 2 standard errors of the difference; it does not hold if it is
above by as much; otherwise it cannot be told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, mean
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, below, rule
from scorefield_claims.drawing import canvas, curve, label, legend, save
from scorefield_claims.mnist import draw, fid, read, shipped, show, training_digits

__all__ = ["CLAIM", "MnistSamplers"]

_FLOOR = "FID (MNIST features) of training digits"
_Plan = tuple[sf.Sampler, sf.Grid]


def _annealed(evaluations: int, repeats: int = 5) -> _Plan:
    """Return annealed Langevin dynamics down the range of the shipped model, α = 0.15 σ²."""
    levels = sf.geometric(40.0, 0.01, max(2, evaluations // repeats))
    return sf.AnnealedLangevin(relative_step=0.15, repeats=repeats), sf.Ladder(levels)


# What a number of evaluations buys; one of them closes, by denoising.
_DETERMINISTIC: dict[str, Callable[[int], _Plan]] = {
    "Euler": lambda k: (sf.Euler(), sf.Karras(k - 1)),
    "DPM-Solver++(2M)": lambda k: (sf.DPMpp2M(), sf.Karras(k - 1)),
    "Heun": lambda k: (sf.Heun(), sf.Karras((k - 1) // 2)),
}
_STOCHASTIC: dict[str, Callable[[int], _Plan]] = {
    "Heun with churn": lambda k: (sf.Heun(k / 4, churn_min=0.05, churn_max=10.0), sf.Karras((k - 1) // 2)),
    "Euler-Maruyama": lambda k: (sf.EulerMaruyama(), sf.Karras(k - 1)),
    "reverse diffusion": lambda k: (sf.ReverseDiffusion(), sf.Karras(k - 1)),
    "predictor-corrector": lambda k: (_CORRECTED, sf.LogSNR(k // 2 - 1)),
    "annealed Langevin": _annealed,
}
_CORRECTED = sf.PredictorCorrector(sf.ReverseDiffusion(), sf.LangevinCorrector(0.16))
_ADAPTIVE = "adaptive ODE"


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


def measure(recipe: MnistSamplers) -> Finding:
    """Return every sampler's quality at every budget."""
    model, precise = shipped(recipe.model), sf.load_model(recipe.model).model
    floor = fid(training_digits(recipe.n, recipe.seed), recipe.reference)

    def point(sampler: sf.Sampler, grid: sf.Grid, model: sf.ScoreModel = model) -> _Point:
        drawn = draw(model, sampler, grid, recipe.n, recipe.seed)
        confidence = mean(read(drawn.x).confidence)
        return _Point(drawn.evaluations, fid(drawn.x, recipe.reference), confidence, drawn.x[:10])

    found = {
        name: [point(*build(k)) for k in budgets]
        for builders, budgets in ((_DETERMINISTIC, recipe.deterministic), (_STOCHASTIC, recipe.stochastic))
        for name, build in builders.items()
    }
    # It measures its error, in which bfloat16's rounding would count.
    found[_ADAPTIVE] = [point(sf.AdaptiveODE(tol, tol), sf.LogSNR(1), precise) for tol in recipe.tolerances]
    by_cost = {name: sorted(points, key=lambda point: point.evaluations) for name, points in found.items()}
    return _finding(recipe, by_cost, floor)


def _finding(recipe: MnistSamplers, found: Mapping[str, list[_Point]], floor: Estimate) -> Finding:
    """Return the verdict."""
    best = {name: min(points, key=lambda point: point.distance.value) for name, points in found.items()}
    limit = recipe.reach * min(point.distance.value for point in best.values())
    arrival = {
        name: next((p.evaluations for p in points if p.distance.value <= limit), 0) for name, points in found.items()
    }
    rows = [
        {"sampler": name, "evaluations": p.evaluations, "fid_mnist_features": p.distance.value, "standard_error": p.distance.error,
         "times_floor": p.distance.value / floor.value, "confidence": p.confidence.value, "within_reach_of_best_at": arrival[name]}
        for name, points in found.items()
        for p in points
    ]  # fmt: skip
    measures = {f"FID (MNIST features), {name}, best": point.distance for name, point in best.items()}
    measures |= {_FLOOR: floor}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, found, best, floor, limit))


def judge(recipe: MnistSamplers, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: is the best deterministic distance at most ``parity`` times the best stochastic one?"""
    nearest = sorted(rows, key=lambda row: float(row["fid_mnist_features"]))
    ode = next(row for row in nearest if row["sampler"] in (*_DETERMINISTIC, _ADAPTIVE))
    sde = next(row for row in nearest if row["sampler"] in _STOCHASTIC)
    theirs, ours = (Estimate(float(r["fid_mnist_features"]), float(r["standard_error"])) for r in (sde, ode))
    limit = Estimate(recipe.parity * theirs.value, recipe.parity * theirs.error)
    held = None
    if below(ours, limit) or below(limit, ours):
        held = ours.value < limit.value
    text = (
        f"the best deterministic sampler, {ode['sampler']}, reaches a distance of {ours} in {ode['evaluations']:g} evaluations, the best "
        f"stochastic one, {sde['sampler']}, {theirs} in {sde['evaluations']:g} (training digits: {measures[_FLOOR]}); allowed are "
        f"{recipe.parity:g} times the latter, {limit}, and orders are seen from 2 standard errors of a difference"
    )
    return rule({text: held})


def _draw(
    path: Path, found: Mapping[str, list[_Point]], best: Mapping[str, _Point], floor: Estimate, limit: float
) -> None:
    """Draw the distance to test digits (FID) of each sampler against the evaluations it spends, and ten digits of each at its best."""
    figure, axes = canvas(1, 2, width=7.4, height=6.0)
    quality, picture = axes[0]
    for k, (name, points) in enumerate(found.items()):
        curve(quality, [p.evaluations for p in points], [p.distance for p in points], name, k)
    quality.axhline(floor.value, color="black", linestyle="--", linewidth=1.4, label="training digits")
    quality.axhline(limit, color="0.5", linestyle=":", linewidth=1.4, label="within reach of the best")
    quality.set(xscale="log", yscale="log")
    label(quality, "one network, every sampler", "network evaluations per digit", "FID (MNIST features)")
    names = [f"{name}, {point.evaluations:g}" for name, point in best.items()]
    pictures = torch.cat([point.x for point in best.values()])
    show(picture, pictures, "at its best, after so many evaluations", 10, rows=names)
    legend(quality, quality.get_legend_handles_labels(), columns=4)
    save(figure, path)


CLAIM = Claim(
    name="mnist-samplers",
    statement="On one network the probability-flow ODE draws as well as the samplers that add noise, at a fraction of the cost.",
    source="Song et al. (2021), section 4.3 and Table 1; Karras et al. (2022), Fig. 2",
    measure=measure,
    judge=judge,
    tiny=MnistSamplers(n=10, deterministic=(5,), stochastic=(5,), tolerances=(0.3,), reference=100),
    small=MnistSamplers(n=250, deterministic=(12, 36), stochastic=(12, 36), tolerances=(1e-2,)),
    full=MnistSamplers(n=1000, deterministic=(10, 20, 40, 80), stochastic=(20, 40, 80, 160), tolerances=(3e-2, 1e-2)),
    models=("mnist", "mnist-judge"),
)
