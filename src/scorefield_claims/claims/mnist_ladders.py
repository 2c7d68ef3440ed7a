r"""How many noise levels annealed Langevin dynamics needs, and how large a step: MNIST, one learned network, equal evaluations.

The network knows every level, so that ladders differ in the sampler alone: L = 1 at σ_L, L = 10 and L = 50 from σ_1 to σ_L with the
published relative step (ε = 2·10⁻⁵ of the released code at σ_L = 0.01: α/σ² = 0.4), and L = 50 with the step that Technique 4 of NCSNv2
finds for its γ and T.
Quality is precision: the share of samples that lie among test digits in the features of an independent judge, over that of training
digits. The judge's confidence would not do: it is high for noise, too.

Beside it a network of its own for each L, trained on its ladder alone as NCSN is: with a verdict each, "fails" below ``fails`` = 10 % of
real digits' precision and "works" from ``works`` = 50 % on. The claim does not depend on these: how far they were
trained is part of it.

The claim holds if one level fails (below ``fails`` of real digits' precision), ten levels reach ``works``, and the rule's fifty reach
``works`` too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

import scorefield as sf
from scorefield.advice import step_size
from scorefield.metrics import Estimate, Soundness, precision_recall, soundness
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rule
from scorefield_claims.drawing import bars, label, save, two_rows
from scorefield_claims.mnist import BATCH, judge, real_features, shipped, show, trained, training_digits

__all__ = ["CLAIM", "MnistLadders"]


@dataclass(frozen=True, kw_only=True)
class MnistLadders(Recipe):
    """Samples, the evaluations each ladder spends, and test digits compared with."""

    n: int
    evaluations: int
    training: int
    width: int = 32
    batch_size: int = 64
    sigma_1: float = 10.0
    sigma_L: float = 0.01
    relative: float = 0.4
    fails: float = 0.1
    works: float = 0.5
    reference: int = 10_000
    model: str = "mnist"


class _Drawn(NamedTuple):
    """What a ladder gives."""

    precision: Estimate
    sound: Soundness
    relative: float
    x: Tensor


def measure(recipe: MnistLadders) -> Finding:
    """Return the quality of each ladder."""
    model = shipped(recipe.model)
    real = _precision(recipe, training_digits(recipe.n, recipe.seed))
    repeats = recipe.evaluations // 50
    ratio = (recipe.sigma_1 / recipe.sigma_L) ** (1 / 49)
    # Technique 4 speaks of the released code's ε, which is half the paper's α.
    by_rule = 2 * step_size(ratio, recipe.sigma_L, repeats) / recipe.sigma_L**2
    found = {f"L = {levels}": _run(recipe, model, levels, recipe.relative) for levels in (1, 10, 50)}
    found["L = 50, step by rule"] = _run(recipe, model, 50, by_rule)
    for levels in (1, 10, 50):
        found[f"L = {levels}, own network"] = _run(
            recipe, _network(recipe, model.process, levels), levels, recipe.relative
        )
    return _finding(recipe, found, real)


def _run(recipe: MnistLadders, model: sf.ScoreModel, levels: int, relative: float) -> _Drawn:
    """Return samples of a ladder."""
    grid = sf.Ladder(sf.geometric(recipe.sigma_1, recipe.sigma_L, levels))
    sampler = sf.AnnealedLangevin(relative_step=relative, repeats=recipe.evaluations // levels)
    # NCSN starts from uniform noise in [0, 1]; a ladder from σ_1 = 10 forgets it.
    start = torch.rand((recipe.n, 1, 28, 28), generator=torch.Generator().manual_seed(recipe.seed))
    x = sf.sample(model, sampler, grid=grid, init=start, seed=recipe.seed, batch_size=BATCH).x
    return _Drawn(_precision(recipe, x), soundness(x), relative, x[:40])


def _network(recipe: MnistLadders, process: sf.Process, levels: int) -> sf.ScoreModel:
    """Return a network trained on one ladder."""
    objective = sf.MultiLevelDSM(sf.geometric(recipe.sigma_1, recipe.sigma_L, levels))
    settings = {"steps": recipe.training, "width": recipe.width, "batch_size": recipe.batch_size, "seed": recipe.seed}
    return trained(objective, process, **settings)


def _verdict(recipe: MnistLadders, share: float) -> str:
    """Return what a share of real digits' precision says of a ladder."""
    return "fails" if share < recipe.fails else "works" if share >= recipe.works else "between"


def _precision(recipe: MnistLadders, x: Tensor) -> Estimate:
    """Return the share of images that lie among test digits."""
    return precision_recall(judge().features(x), real_features(recipe.reference)).precision


def _finding(recipe: MnistLadders, found: Mapping[str, _Drawn], real: Estimate) -> Finding:
    """Return the verdict."""
    share = {name: drawn.precision.value / real.value for name, drawn in found.items()}
    rows = [
        {"ladder": name, "verdict": _verdict(recipe, share[name]),
         "evaluations": recipe.evaluations, "relative_step": d.relative, "precision": d.precision.value,
         "precision_error": d.precision.error, "finite": d.sound.finite, "in_range": d.sound.in_range, "saturated": d.sound.saturated,
         "total_variation": d.sound.total_variation or 0.0, "pairwise_distance": d.sound.pairwise_distance}
        for name, d in found.items()
    ]  # fmt: skip
    measures = {f"precision, {name}": drawn.precision for name, drawn in found.items()}
    measures |= {"precision, training digits": real}
    return Finding(*decide(recipe, measures, rows), measures, rows, lambda path: _draw(path, found, measures))


def decide(recipe: MnistLadders, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: does one level fail, and do ten and the rule's fifty work?"""
    real = measures["precision, training digits"].value
    share = {str(row["ladder"]): float(row["precision"]) / real for row in rows}
    works = ("L = 10", "L = 50, step by rule")
    text = {name: f"{name}: {share[name]:.3f} of the precision of training digits" for name in ("L = 1", *works)}
    finite = all(row["finite"] == 1 for row in rows)
    return rule(
        {f"{text['L = 1']} (fails: below {recipe.fails:g})": share["L = 1"] < recipe.fails}
        | {f"{text[name]} (works: from {recipe.works:g})": share[name] >= recipe.works for name in works}
        | {f"all samples are finite; fifty levels with the published step: {share['L = 50']:.3f}": finite}
    )


def _draw(path: Path, found: Mapping[str, _Drawn], measures: Mapping[str, Estimate]) -> None:
    """Draw digits by each ladder, and the share of digits that lies among test digits (the precision)."""
    figure, (*pictures, shares) = two_rows(len(found) + 1, width=3.4, height=3.6)
    for panel, (name, drawn) in zip(pictures, found.items(), strict=True):
        show(panel, drawn.x, name, 5)
    bars(shares, {name.removeprefix("precision, "): value for name, value in measures.items()})
    label(shares, "share among\ntest digits")
    save(figure, path)


CLAIM = Claim(
    name="mnist-ladders",
    statement="One noise level fails, ten work, and fifty work when the step size follows from γ and T.",
    source="Song & Ermon (2019), section 4.3 (one level fails); Song & Ermon (2020), Technique 4",
    measure=measure,
    judge=decide,
    tiny=MnistLadders(n=8, evaluations=50, reference=100, training=2, width=16),
    small=MnistLadders(n=40, evaluations=200, training=300),
    full=MnistLadders(n=250, evaluations=500, training=3000),
    models=("mnist", "mnist-judge"),
)
