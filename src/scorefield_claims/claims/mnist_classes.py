r"""Asking for a digit: MNIST by class, four ways.

Three ask a network that was trained with labels (plainly, and by classifier-free guidance at two weights), one steers a network trained
without by a classifier of noisy states. An independent judge reads what was drawn. Strong guidance draws clearer and less diverse digits,
so the diversity within a class is reported beside the share of digits that are the class asked for: the mean distance between two samples
of a class, over that of two test digits of it.

A method passes where the share of asked digits, at its upper 95 % bound, is at least ``share`` = 99 %, and diversity at least
``diversity`` = 0.5; real test digits' share, read by the same judge, is given beside it. Plain conditioning, which draws from the learned
distribution of the class with all its errors, may fall short where exaggeration passes: then the claim holds only if the class is
exaggerated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, mean
from scorefield.pretrained import load_classifier
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rule
from scorefield_claims.drawing import canvas, label, points, save
from scorefield_claims.mnist import CHURNED, classes, digits, draw, read, shipped, show

__all__ = ["CLAIM", "MnistClasses"]


@dataclass(frozen=True, kw_only=True)
class MnistClasses(Recipe):
    """Samples per method; weights and scales compared; transitions: more than the models' own 16, for a classifier's gradient."""

    n: int
    weights: tuple[float, ...] = (0.5, 2.0)
    scales: tuple[float, ...] = (1.0, 4.0)
    steps: int = 27
    share: float = 0.99
    diversity: float = 0.5


class _Method(NamedTuple):
    """What one way of asking gives."""

    obtained: Estimate
    confidence: Estimate
    diversity: Estimate
    evaluations: float
    x: Tensor


_PLAIN = ("plain conditioning", "classifier, scale 1")


def _methods(recipe: MnistClasses, labels: Int[Tensor, " n"]) -> dict[str, sf.ScoreModel]:
    """Return the models of the asked classes, by name."""
    labelled, free = shipped("mnist-class"), shipped("mnist")
    classifier = load_classifier("mnist-classifier").model
    methods: dict[str, sf.ScoreModel] = {"plain conditioning": labelled.condition(labels)}
    methods |= {f"classifier-free, w = {w:g}": sf.ClassifierFree(labelled, labels, w) for w in recipe.weights}
    return methods | {
        f"classifier, scale {s:g}": sf.ClassifierGuided(free, classifier, labels, s) for s in recipe.scales
    }


def _spread(x: Float[Tensor, "n 1 h w"], labels: Int[Tensor, " n"]) -> Estimate:
    """Return the mean distance between two images of one class; the error is that of the mean over classes."""
    return mean(torch.stack([torch.pdist(x[labels == k].flatten(1).clamp(0, 1)).mean() for k in range(10)]))


def measure(recipe: MnistClasses) -> Finding:
    """Return how often each method draws what was asked for, and how diversely."""
    labels, test = torch.arange(recipe.n) % 10, digits(train=False)
    real = _spread(test.scaled(), classes(test))
    found = {}
    for name, model in _methods(recipe, labels).items():
        drawn = draw(model, CHURNED, sf.Karras(recipe.steps), recipe.n, recipe.seed)
        seen, spread = read(drawn.x), _spread(drawn.x, labels)
        diversity = Estimate(spread.value / real.value, spread.error / real.value)
        obtained, confidence = mean(seen.labels == labels), mean(seen.confidence)
        found[name] = _Method(obtained, confidence, diversity, drawn.evaluations, drawn.x[:20])
    return _finding(recipe, found, mean(read(test.scaled()).labels == classes(test)))


def _finding(recipe: MnistClasses, found: Mapping[str, _Method], real: Estimate) -> Finding:
    """Return the verdict."""
    rows = [
        {"method": name, "n": recipe.n, "evaluations": m.evaluations, "obtained": m.obtained.value, "obtained_error": m.obtained.error,
         "confidence": m.confidence.value, "diversity": m.diversity.value, "diversity_error": m.diversity.error}
        for name, m in found.items()
    ]  # fmt: skip
    measures = {f"share obtained, {name}": method.obtained for name, method in found.items()}
    measures |= {f"diversity, {name}": method.diversity for name, method in found.items()}
    measures |= {"share of test digits the judge reads right": real}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, found, real))


def judge(recipe: MnistClasses, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: by which methods is a digit asked for the digit drawn?"""
    checks, short = {}, []
    for name in (str(row["method"]) for row in rows):
        obtained, diversity = (measures[f"{what}, {name}"] for what in ("share obtained", "diversity"))
        low, high = obtained.interval
        text = f"{name} draws the digit in {obtained.value:.1%} [{low:.1%}, {high:.1%}] of {recipe.n}, with diversity {diversity.value:.2f}"
        held = high >= recipe.share and diversity.value >= recipe.diversity
        if held or name not in _PLAIN:
            checks[text] = held
        else:
            short.append(text)
    need = f"the class is exaggerated ({recipe.share:.0%} must lie in the interval or below it, and diversity reach {recipe.diversity:g})"
    return rule(checks, only_if=f"{need}: without that, {'; '.join(short)}" if short else "")


def _draw(path: Path, found: Mapping[str, _Method], real: Estimate) -> None:
    """Draw two digits of each class by each method, the share that the judge reads as asked for, and the diversity within a class."""
    figure, axes = canvas(1, 3, width=5.2, height=4.6)
    picture, shares, diversity = axes[0]
    names = [name for name in found for _ in range(2)]
    x = torch.cat([method.x for method in found.values()])
    show(picture, x, "asked for 0 to 9", 10, rows=[name if k % 2 == 0 else "" for k, name in enumerate(names)])
    points(shares, {name: method.obtained for name, method in found.items()})
    shares.axvline(real.value, color="black", linestyle="--", linewidth=1.4)
    label(shares, "share read as the class asked for\n(dashed: test digits)")
    points(diversity, {name: method.diversity for name, method in found.items()}, k=1)
    diversity.axvline(1.0, color="black", linestyle="--", linewidth=1.4)
    label(diversity, "diversity within the class\n(dashed: test digits)")
    diversity.set_yticks([])
    shares.set_yticks([])
    save(figure, path)


CLAIM = Claim(
    name="mnist-classes",
    statement="A digit asked for is the digit drawn, by a network trained with the classes or by a classifier of noisy states.",
    source="Song et al. (2021), section 5; Dhariwal & Nichol (2021); Ho & Salimans (2022)",
    measure=measure,
    judge=judge,
    tiny=MnistClasses(n=20, weights=(1.0,), scales=(1.0,), steps=3),
    small=MnistClasses(n=200),
    full=MnistClasses(n=1000),
    models=("mnist", "mnist-class", "mnist-classifier", "mnist-judge"),
)
