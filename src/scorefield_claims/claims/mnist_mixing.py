r"""Mixing across digits: chains that all start at pictures of one digit, by one noise level and by annealing.

One level is a denoising autoencoder's walk: Langevin dynamics at σ = 0.1 on p_σ with the step α of the published setting, on a network
trained at that level alone, and on the one that knows every level. Annealing spends as many evaluations of the latter on a ladder from
σ_1 = 10, where all digits overlap. The judge reads where the chains end, and the χ² test compares that with the digits' shares.

Thresholds: at one level most chains must still show the digit they started with, on either network, and annealed at most
``kept`` = 30 % of them, three times that digit's share of the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import scorefield as sf
from scorefield.metrics import Estimate, ModeWeights, class_shares, mean
from scorefield.sampling import Samples
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule, share_rows
from scorefield_claims.drawing import canvas, save
from scorefield_claims.mnist import BATCH, class_weights, classes, digit_shares, digits, read, shipped, show, trained

__all__ = ["CLAIM", "MnistMixing"]

_KEPT = "share that shows the first digit, "  # then the walk


@dataclass(frozen=True, kw_only=True)
class MnistMixing(Recipe):
    """Chains, and how they walk."""

    n: int
    steps: int
    training: int
    width: int = 32
    batch_size: int = 64
    digit: int = 7
    sigma: float = 0.1
    step_size: float = 1e-4
    sigma_1: float = 10.0
    sigma_L: float = 0.02
    repeats: int = 10
    relative: float = 0.3
    kept: float = 0.3
    model: str = "mnist"


def measure(recipe: MnistMixing) -> Finding:
    """Return which digits the chains end at."""
    model, test = shipped(recipe.model), digits(train=False)
    start = test.scaled(classes(test) == recipe.digit)[: recipe.n]
    t = model.process.time(torch.tensor(recipe.sigma, dtype=torch.float64)).item()
    levels = sf.geometric(recipe.sigma_1, recipe.sigma_L, recipe.steps // recipe.repeats)
    autoencoder = trained(
        sf.DAE(recipe.sigma),
        model.process,
        steps=recipe.training,
        width=recipe.width,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
    )
    one_level = (sf.Langevin(recipe.step_size), sf.Constant(t, recipe.steps))
    walks = {
        f"autoencoder, σ = {recipe.sigma:g}": (autoencoder, *one_level),
        f"one level, σ = {recipe.sigma:g}": (model, *one_level),
        f"annealed, σ = {recipe.sigma_1:g} → {recipe.sigma_L:g}": (
            model,
            sf.AnnealedLangevin(relative_step=recipe.relative, repeats=recipe.repeats),
            sf.Ladder(levels),
        ),
    }
    drawn = {
        name: sf.sample(network, sampler, grid=grid, init=start, seed=recipe.seed, frames=6, batch_size=BATCH)
        for name, (network, sampler, grid) in walks.items()
    }
    return _finding(recipe, drawn, class_weights(test))


def _finding(recipe: MnistMixing, drawn: Mapping[str, Samples], expected: Sequence[float]) -> Finding:
    """Return the verdict."""
    labels = {name: read(walk.x).labels for name, walk in drawn.items()}
    kept = {name: mean(found == recipe.digit) for name, found in labels.items()}
    weights = {name: class_shares(found, expected) for name, found in labels.items()}
    rows = [
        {"sampler": name, "digit": k, **row, "n": w.n}
        for name, w in weights.items()
        for k, row in enumerate(share_rows(w))
    ]
    measures = {_KEPT + name: value for name, value in kept.items()}
    measures |= {f"χ² p-value of the digits, {name}": exactly(found.p_value) for name, found in weights.items()}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, drawn, weights))


def judge(recipe: MnistMixing, measures: Mapping[str, Estimate], _rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: do chains at one level keep their digit, and annealed ones not?"""
    kept = {name.removeprefix(_KEPT): found.value for name, found in measures.items() if name.startswith(_KEPT)}
    *one_level, (annealed, mixed) = kept.items()
    still = f"of the chains still show a {recipe.digit} after {recipe.steps} steps (more than 50%)"
    return rule(
        {f"{name}: {stuck:.0%} {still}": stuck > 0.5 for name, stuck in one_level}
        | {f"{annealed}: {mixed:.0%} do (at most {recipe.kept:.0%})": mixed <= recipe.kept}
    )


def _draw(path: Path, drawn: Mapping[str, Samples], weights: Mapping[str, ModeWeights]) -> None:
    """Draw eight chains from left to right, at one noise level and annealed, and the share of chains that end at each digit."""
    figure, axes = canvas(1, len(drawn) + 1, width=3.8)
    for panel, (name, walk) in zip(axes[0, :-1], drawn.items(), strict=True):
        assert walk.trajectory is not None  # noqa: S101 frames were asked for
        chains = walk.trajectory[:, :8].transpose(0, 1).flatten(0, 1)
        show(panel, chains, f"{name}\n(time runs to the right)", len(walk.trajectory))
    digit_shares(axes[0, -1], weights, "digits the chains end at,\n95 % intervals")
    save(figure, path)


CLAIM = Claim(
    name="mnist-mixing",
    statement="At one noise level a denoising autoencoder's walk keeps to the digit it starts from; annealed, chains visit all digits.",
    source="Song & Ermon (2019), sections 3.2.2 and 4.3; Bengio et al. (2013) on mixing",
    measure=measure,
    judge=judge,
    tiny=MnistMixing(n=8, steps=20, training=2, width=16),
    small=MnistMixing(n=40, steps=200, training=300),
    full=MnistMixing(n=250, steps=1000, training=3000),
    models=("mnist", "mnist-judge"),
)
