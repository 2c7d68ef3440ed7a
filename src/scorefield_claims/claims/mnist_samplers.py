r"""All samplers on one network, by what they cost: MNIST.

Quality is the Fréchet distance between features that an independent judge sees, FID (MNIST features), of n samples against the test set;
the floor is what n training digits get. Every sampler draws from the same weights at several budgets of network evaluations.

A sampler arrives where its distance comes within ``reach`` of the best any sampler reached. The deterministic samplers hold their own if
the best of them is within ``parity`` of the best stochastic one, intervals included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, mean
from scorefield_claims.base import Claim, Finding, Recipe, rule
from scorefield_claims.drawing import canvas, curve, label, save
from scorefield_claims.mnist import draw, fid, read, shipped, show, training_digits

__all__ = ["CLAIM", "MnistSamplers"]

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
    # It would take the rounding of bfloat16 for curvature.
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
    ode = min((*_DETERMINISTIC, _ADAPTIVE), key=lambda name: best[name].distance.value)
    sde = min(_STOCHASTIC, key=lambda name: best[name].distance.value)
    slack = best[ode].distance.error + recipe.parity * best[sde].distance.error
    text = (
        f"the best deterministic sampler, {ode}, reaches a distance of {best[ode].distance} in {best[ode].evaluations} evaluations, the "
        f"best stochastic one, {sde}, {best[sde].distance} in {best[sde].evaluations} (training digits: {floor})"
    )
    held = best[ode].distance.value <= recipe.parity * best[sde].distance.value + 2 * slack
    rows = [
        {"sampler": name, "evaluations": p.evaluations, "fid_mnist_features": p.distance.value, "standard_error": p.distance.error,
         "times_floor": p.distance.value / floor.value, "confidence": p.confidence.value, "within_reach_of_best_at": arrival[name]}
        for name, points in found.items()
        for p in points
    ]  # fmt: skip
    measures = {f"FID (MNIST features), {name}, best": point.distance for name, point in best.items()}
    measures |= {"FID (MNIST features) of training digits": floor}
    return Finding(*rule({text: held}), measures, rows, lambda path: _draw(path, found, best, floor, limit))


def _draw(
    path: Path, found: Mapping[str, list[_Point]], best: Mapping[str, _Point], floor: Estimate, limit: float
) -> None:
    """Draw quality against cost, and ten digits of each sampler at its best."""
    figure, axes = canvas(1, 2, width=7.4, height=6.0)
    quality, picture = axes[0]
    for k, (name, points) in enumerate(found.items()):
        curve(quality, [p.evaluations for p in points], [p.distance for p in points], name, k)
    quality.axhline(floor.value, color="black", linestyle="--", linewidth=1.4, label="training digits")
    quality.axhline(limit, color="0.5", linestyle=":", linewidth=1.4, label="within reach of the best")
    quality.set(xscale="log", yscale="log")
    label(quality, "one network, every sampler", "network evaluations per digit", "FID (MNIST features)")
    names = [f"{name}, {point.evaluations}" for name, point in best.items()]
    pictures = torch.cat([point.x for point in best.values()])
    show(picture, pictures, "at its best, after so many evaluations", 10, rows=names)
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
