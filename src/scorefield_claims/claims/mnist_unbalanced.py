r"""Unbalanced data: one digit kept at 35 %, is its share recovered?

A small denoiser learns MNIST of which only a share ``kept`` of one digit is left; the judge reads what it draws. The claim is about the
rare digit: its share among samples must lie within ``margin`` standard errors of its share of the data, allowing for ``confused``, the
part of a class that an imperfect model and judge mistake, and must be told apart from the share it has in balanced data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

import scorefield as sf
from scorefield.data import Dataset, keep_share
from scorefield.metrics import ModeWeights, class_shares
from scorefield_claims.base import Claim, Finding, Recipe, exactly, rule, share_rows
from scorefield_claims.drawing import canvas, save
from scorefield_claims.learning import learned
from scorefield_claims.mnist import CHURNED, class_weights, digit_shares, digits, draw, read, show

__all__ = ["CLAIM", "MnistUnbalanced"]


@dataclass(frozen=True, kw_only=True)
class MnistUnbalanced(Recipe):
    """Training steps and samples."""

    steps: int
    n: int
    width: int
    digit: int = 3
    kept: float = 0.35
    batch_size: int = 64
    margin: float = 3.0
    confused: float = 0.2


def _learn(recipe: MnistUnbalanced, data: Dataset) -> sf.ScoreModel:
    """Return a denoiser of the data."""
    values = data.scaled()
    mean, std = values.mean().item(), values.std().item()
    build = lambda: sf.Denoiser(sf.UNet(1, 28, width=recipe.width), sf.EDM(0.002, 40.0), std, mean)  # noqa: E731
    objective = sf.DSM(sf.LogNormal(-0.7, 1.2), sf.edm_weight(std))
    settings = {"steps": recipe.steps, "batch_size": recipe.batch_size, "learning_rate": 2e-3, "seed": recipe.seed}
    return learned(build, data, objective, **settings)


def measure(recipe: MnistUnbalanced) -> Finding:
    """Return the shares of digits drawn after unbalanced training."""
    balanced = digits(train=True)
    data = keep_share(balanced, recipe.digit, recipe.kept, seed=recipe.seed)
    x = draw(_learn(recipe, data), CHURNED, sf.Karras(17), recipe.n, recipe.seed).x
    found = class_shares(read(x).labels, class_weights(data))
    return _finding(recipe, found, class_weights(balanced), x[:100])


def _finding(recipe: MnistUnbalanced, found: ModeWeights, balanced: Sequence[float], x: Tensor) -> Finding:
    """Return the verdict."""
    share, true, full = found.shares[recipe.digit], found.expected[recipe.digit], balanced[recipe.digit]
    error = (true * (1 - true) / found.n) ** 0.5
    near = abs(share - true) <= recipe.margin * error + recipe.confused * true
    checks = {
        f"the digit {recipe.digit} is {share:.4f} of {found.n} samples and {true:.4f} of the data": near,
        f"which is not the {full:.4f} of balanced data": found.high[recipe.digit] < full,
    }
    rows = [{"digit": k, **row, "balanced": balanced[k]} for k, row in enumerate(share_rows(found))]
    measures = {f"share of the digit {recipe.digit}": found.share(recipe.digit)}
    measures |= {"its share of the data": exactly(true), "χ² p-value of all ten": exactly(found.p_value)}
    return Finding(*rule(checks), measures, rows, lambda path: _draw(path, found, x))


def _draw(path: Path, found: ModeWeights, x: Tensor) -> None:
    """Draw samples, and the shares."""
    figure, axes = canvas(1, 2, width=5.6, height=5.0)
    show(axes[0, 0], x, "samples", 10)
    digit_shares(axes[0, 1], {"samples": found}, "shares of digits, 95 % intervals (dashed: the data's)")
    save(figure, path)


CLAIM = Claim(
    name="mnist-unbalanced",
    statement="A model of unbalanced data draws its classes in the data's proportions.",
    source="the unbalanced-MNIST experiment of student reproductions of Song & Ermon (2019)",
    measure=measure,
    small=MnistUnbalanced(steps=2000, n=500, width=64),
    full=MnistUnbalanced(steps=4000, n=2000, width=128),
    models=("mnist-judge",),
)
