r"""Unbalanced data: one digit kept at 35 %, is its share recovered?

A small denoiser learns MNIST of which only a share ``kept`` of one digit is left; the judge reads what it draws. The claim is about the
rare digit: its share among samples must lie within ``margin`` standard errors of its share of the data, allowing for ``confused``, the
part of a class that an imperfect model and judge mistake, and must be told apart from the share it has in balanced data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scorefield._tensors import derive_seed
from scorefield.data import Dataset, keep_share
from scorefield.grids import Karras
from scorefield.metrics import Estimate, ModeWeights, class_shares
from scorefield.networks import UNet
from scorefield.objectives import DSM, LogNormal, edm_weight
from scorefield.preconditioning import Denoiser
from scorefield.processes import EDM
from scorefield.samplers import Heun
from scorefield.training import fit
from scorefield_claims.base import Claim, Finding, Recipe, Row, rule
from scorefield_claims.drawing import canvas, label, save, share_bars
from scorefield_claims.mnist import digits, draw, read, show

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


def _learn(recipe: MnistUnbalanced, data: Dataset) -> Denoiser:
    """Return a denoiser of the data."""
    values = data.scaled()
    mean, std = values.mean().item(), values.std().item()
    with torch.random.fork_rng(devices=[]):  # layers draw their initial weights from the global generator
        torch.manual_seed(derive_seed(recipe.seed, "init"))
        model = Denoiser(UNet(1, 28, width=recipe.width), EDM(0.002, 40.0), std, mean)
    objective = DSM(LogNormal(-0.7, 1.2), edm_weight(std))
    fit(model, data, objective, steps=recipe.steps, batch_size=recipe.batch_size, learning_rate=2e-3, seed=recipe.seed)
    return model


def measure(recipe: MnistUnbalanced) -> Finding:
    """Return the shares of digits drawn after unbalanced training."""
    balanced = digits(train=True)
    data = keep_share(balanced, recipe.digit, recipe.kept, seed=recipe.seed)
    x = draw(
        _learn(recipe, data), Heun(churn=10.0, churn_min=0.05, churn_max=10.0), Karras(17), recipe.n, recipe.seed
    ).x
    found = class_shares(read(x).labels, _shares(data))
    return _finding(recipe, found, _shares(balanced), x[:100])


def _shares(data: Dataset) -> Sequence[float]:
    """Return the share of each class."""
    assert data.labels is not None  # noqa: S101 MNIST has labels
    return (torch.bincount(data.labels).double() / len(data)).tolist()


def _finding(recipe: MnistUnbalanced, found: ModeWeights, balanced: Sequence[float], x: Tensor) -> Finding:
    """Return the verdict."""
    share, true, full = found.shares[recipe.digit], found.expected[recipe.digit], balanced[recipe.digit]
    error = (true * (1 - true) / found.n) ** 0.5
    allowed = recipe.margin * error + recipe.confused * true
    checks = {
        f"the digit {recipe.digit} is {share:.4f} of {found.n} samples and {true:.4f} of the data": abs(share - true)
        <= allowed,
        f"which is not the {full:.4f} of balanced data": found.high[recipe.digit] < full,
    }
    verdict, reason = rule(checks)
    ends = zip(found.shares, found.low, found.high, found.expected, balanced, strict=True)
    rows: list[Row] = [
        {"digit": k, "share": s, "low": low, "high": high, "data": e, "balanced": b}
        for k, (s, low, high, e, b) in enumerate(ends)
    ]
    measures = {f"share of the digit {recipe.digit}": found.share(recipe.digit)}
    measures |= {"its share of the data": Estimate(true, 0.0), "χ² p-value of all ten": Estimate(found.p_value, 0.0)}
    return Finding(verdict, reason, measures, rows, lambda path: _draw(path, found, x))


def _draw(path: Path, found: ModeWeights, x: Tensor) -> None:
    """Draw samples, and the shares."""
    figure, axes = canvas(1, 2, width=5.6, height=5.0)
    show(axes[0, 0], x, "samples", 10)
    share_bars(axes[0, 1], {"samples": found})
    axes[0, 1].set_xticks(range(10), [str(k) for k in range(10)])
    label(axes[0, 1], "shares of digits, 95 % intervals (dashed: the data's)", "digit", "share")
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
