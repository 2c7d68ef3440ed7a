r"""Are the digits new? Nearest neighbours in the training set, with the test set as control.

Distances are Euclidean between images in [0, 1]; all training digits are asked, since a copy of one left out would go unseen. Samples
that copied training digits would be nearer to them than to test digits: the share that are is compared with the share when the names
"training" and "test" are permuted at random (`scorefield.metrics.memorisation`). Copying is seen where the p-value is below ``level`` =
0.001. As proof that the test can fail, it is also put to a sampler that copies: ``copies`` = 30 % of the samples are replaced by training
digits under faint noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, Memorisation, memorisation, nearest_neighbours
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rule
from scorefield_claims.drawing import canvas, label, points, save
from scorefield_claims.mnist import BATCH, digits, show

__all__ = ["CLAIM", "MnistMemory"]


@dataclass(frozen=True, kw_only=True)
class MnistMemory(Recipe):
    """Samples."""

    n: int
    model: str = "mnist"
    copies: float = 0.3
    faint: float = 0.05
    level: float = 1e-3


def measure(recipe: MnistMemory) -> Finding:
    """Return whether samples are copies."""
    x = sf.load_model(recipe.model).sample(recipe.n, seed=recipe.seed, batch_size=BATCH, decode="none").x.clamp(0, 1)
    train, test = (digits(train=train).scaled() for train in (True, False))
    copied = x.clone()
    k, generator = round(recipe.copies * recipe.n), torch.Generator().manual_seed(recipe.seed)
    copied[:k] = train[:k] + recipe.faint * torch.randn(train[:k].shape, generator=generator)
    found = {"samples": memorisation(x, train, test), "a sampler that copies": memorisation(copied, train, test)}
    neighbours = train[nearest_neighbours(x[:8], train, 5)[1]]
    return _finding(recipe, found, torch.cat([x[:8, None], neighbours], dim=1).flatten(0, 1))


def _finding(recipe: MnistMemory, found: Mapping[str, Memorisation], pictures: Tensor) -> Finding:
    """Return the verdict."""
    rows = [
        {"sampler": name, "n": m.n, "train_share": m.train_share.value, "expected_share": m.expected_share, "p_value": m.p_value,
         "c_t": m.c_t, "distance_ratio": m.ratio.value, "distance_ratio_error": m.ratio.error}
        for name, m in found.items()
    ]  # fmt: skip
    measures = {f"share nearer to training digits, {name}": m.train_share for name, m in found.items()}
    measures |= {f"distance to training digits over test digits', {name}": m.ratio for name, m in found.items()}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, found, pictures))


def judge(recipe: MnistMemory, _measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: is no copying seen, by a test that does see it in a sampler that copies?"""
    ours, mutant = rows
    p, theirs = float(ours["p_value"]), float(mutant["p_value"])
    return rule(
        {
            f"{ours['train_share']:.3f} of the samples lie nearer to a training digit than to any test digit, where "
            f"{ours['expected_share']:.3f} would without memory (p = {p:.2g}; copying is seen below {recipe.level:g})": p
            > recipe.level,
            f"the same test refuses a sampler of which {recipe.copies:.0%} are copies (p = {theirs:.1g})": theirs
            < recipe.level,
        }
    )


def _draw(path: Path, found: Mapping[str, Memorisation], pictures: Tensor) -> None:
    """Draw samples, each with its five nearest training digits, and the share nearer to a training digit than to any test digit."""
    figure, axes = canvas(1, 2, width=5.4, height=5.4)
    show(axes[0, 0], pictures, "a sample, and the five nearest training digits", 6)
    points(axes[0, 1], {name: m.train_share for name, m in found.items()})
    expected = next(iter(found.values())).expected_share
    axes[0, 1].axvline(expected, color="black", linestyle="--", linewidth=1.4)
    what = "share nearer to a training digit\nthan to any test digit, 95 % intervals"
    label(axes[0, 1], f"{what}\n(dashed: without memory)")
    save(figure, path)


CLAIM = Claim(
    name="mnist-memory",
    statement="Samples are not copies of training examples.",
    source="Song & Ermon (2019), appendix C.3, Fig. 9; Meehan, Chaudhuri & Dasgupta (2020)",
    measure=measure,
    judge=judge,
    tiny=MnistMemory(n=15),
    small=MnistMemory(n=1000),
    full=MnistMemory(n=5000),
    models=("mnist",),
)
