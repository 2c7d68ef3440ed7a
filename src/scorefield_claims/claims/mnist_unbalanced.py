r"""Unbalanced data: one digit kept at 35 %, is its share recovered?

A small denoiser learns MNIST of which only a share ``kept`` of one digit is left; the judge reads what it draws. The claim is about the
rare digit: its share among samples must lie within ``margin`` = 3 standard errors of its share of the data, and its 95 % interval below
the share it has in balanced data. A model and a judge that are imperfect mistake some digits for others: if the share lies within the
margin only after ``confused`` = 20 % of it are allowed for that, the claim holds only if one grants this allowance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

import scorefield as sf
from scorefield.data import Dataset, keep_share
from scorefield.metrics import Estimate, ModeWeights, class_shares
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule, share_rows
from scorefield_claims.drawing import canvas, save
from scorefield_claims.learning import learned
from scorefield_claims.mnist import CHURNED, class_weights, digit_shares, digits, draw, read, show

__all__ = ["CLAIM", "MnistUnbalanced"]

_DATA = "its share of the data"
_ALL = "χ² p-value of all ten"


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
    rows = [{"digit": k, **row, "balanced": balanced[k]} for k, row in enumerate(share_rows(found))]
    measures = {f"share of the digit {recipe.digit}": found.share(recipe.digit)}
    measures |= {_DATA: exactly(found.expected[recipe.digit]), _ALL: exactly(found.p_value)}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, found, x))


def judge(recipe: MnistUnbalanced, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: chance alone explains the share, or only with the allowance for what is mistaken, or neither does."""
    row = rows[recipe.digit]
    share, low, high, full = (float(row[name]) for name in ("share", "low", "high", "balanced"))
    true = measures[_DATA].value
    error = (true * (1 - true) / recipe.n) ** 0.5
    off, chance = abs(share - true), recipe.margin * error
    allowed = chance + recipe.confused * true
    drawn = f"the digit {recipe.digit} is {share:.4f} [{low:.4f}, {high:.4f}] of {recipe.n} samples and {true:.4f} of the data"
    checks = {drawn: off <= allowed, f"its interval lies below the {full:.4f} of balanced data": high < full}
    allowance = (
        f"one allows {recipe.confused:.0%} of the digit's share to be mistaken by the model and the judge: the share is {off:.4f} from "
        f"the data's, {off / error:.1f} standard errors, where chance explains {chance:.4f} ({recipe.margin:g} standard errors) and the "
        f"allowance {allowed - chance:.4f} more; the χ² test of all ten shares against the data's gives p = {measures[_ALL].value:.1e}"
    )
    return rule(checks, only_if=allowance if off > chance else "")


def _draw(path: Path, found: ModeWeights, x: Tensor) -> None:
    """Draw a hundred samples, and the share of each digit in all of them (dashed: in the data)."""
    figure, axes = canvas(1, 2, width=5.6, height=5.0)
    show(axes[0, 0], x, "samples", 10)
    digit_shares(axes[0, 1], {"samples": found}, "shares of digits, 95 % intervals (dashed: the data's)")
    save(figure, path)


CLAIM = Claim(
    name="mnist-unbalanced",
    statement="A model of unbalanced data draws its classes in the data's proportions.",
    source="the unbalanced-MNIST experiment of student reproductions of Song & Ermon (2019)",
    measure=measure,
    judge=judge,
    tiny=MnistUnbalanced(steps=2, n=20, width=16),
    small=MnistUnbalanced(steps=2000, n=500, width=64),
    full=MnistUnbalanced(steps=4000, n=2000, width=128),
    models=("mnist-judge",),
)
