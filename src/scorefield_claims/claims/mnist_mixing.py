r"""Mixing across digits: chains that all start at pictures of one digit, by one noise level and by annealing, on one learned network.

One level is a denoising autoencoder's walk: Langevin dynamics at σ = 0.1 on p_σ with the step α of the published setting. Annealing spends
the same number of evaluations on a ladder from σ_1 = 10, where all digits overlap. The judge reads where the chains end.

Thresholds: at one level most chains must still show the digit they started with, and annealed at most ``kept`` of them, three times
that digit's share of the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import scorefield as sf
from scorefield.metrics import ModeWeights, class_shares, mean
from scorefield.sampling import Samples
from scorefield_claims.base import Claim, Finding, Recipe, rule, share_rows
from scorefield_claims.drawing import canvas, save
from scorefield_claims.mnist import BATCH, class_weights, classes, digit_shares, digits, read, shipped, show

__all__ = ["CLAIM", "MnistMixing"]


@dataclass(frozen=True, kw_only=True)
class MnistMixing(Recipe):
    """Chains, and how they walk."""

    n: int
    steps: int
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
    walks = {
        f"one level, σ = {recipe.sigma:g}": (sf.Langevin(recipe.step_size), sf.Constant(t, recipe.steps)),
        f"annealed, σ = {recipe.sigma_1:g} → {recipe.sigma_L:g}": (
            sf.AnnealedLangevin(relative_step=recipe.relative, repeats=recipe.repeats),
            sf.Ladder(levels),
        ),
    }
    drawn = {
        name: sf.sample(model, sampler, grid=grid, init=start, seed=recipe.seed, frames=6, batch_size=BATCH)
        for name, (sampler, grid) in walks.items()
    }
    return _finding(recipe, drawn, class_weights(test))


def _finding(recipe: MnistMixing, drawn: Mapping[str, Samples], expected: Sequence[float]) -> Finding:
    """Return the verdict."""
    labels = {name: read(walk.x).labels for name, walk in drawn.items()}
    kept = {name: mean(found == recipe.digit) for name, found in labels.items()}
    weights = {name: class_shares(found, expected) for name, found in labels.items()}
    (stuck_name, stuck), (mixed_name, mixed) = kept.items()
    still = f"{stuck.value:.0%} of the chains still show a {recipe.digit} after {recipe.steps} steps"
    checks = {
        f"{stuck_name}: {still}": stuck.value > 0.5,
        f"{mixed_name}: {mixed.value:.0%} do": mixed.value <= recipe.kept,
    }
    rows = [
        {"sampler": name, "digit": k, **row, "n": w.n}
        for name, w in weights.items()
        for k, row in enumerate(share_rows(w))
    ]
    measures = {f"share that shows the first digit, {name}": value for name, value in kept.items()}
    return Finding(*rule(checks), measures, rows, lambda path: _draw(path, drawn, weights))


def _draw(path: Path, drawn: Mapping[str, Samples], weights: Mapping[str, ModeWeights]) -> None:
    """Draw eight chains from left to right, at one noise level and annealed, and the share of chains that end at each digit."""
    figure, axes = canvas(1, 3, width=5.0, height=5.0)
    for panel, (name, walk) in zip(axes[0, :2], drawn.items(), strict=True):
        assert walk.trajectory is not None  # noqa: S101 frames were asked for
        chains = walk.trajectory[:, :8].transpose(0, 1).flatten(0, 1)
        show(panel, chains, f"{name}\n(time runs to the right)", len(walk.trajectory))
    digit_shares(axes[0, 2], weights, "digits the chains end at, 95 % intervals")
    save(figure, path)


CLAIM = Claim(
    name="mnist-mixing",
    statement="At one noise level a denoising autoencoder's walk keeps to the digit it starts from; annealed, chains visit all digits.",
    source="Song & Ermon (2019), sections 3.2.2 and 4.3; Bengio et al. (2013) on mixing",
    measure=measure,
    small=MnistMixing(n=40, steps=200),
    full=MnistMixing(n=250, steps=1000),
    models=("mnist", "mnist-judge"),
)
