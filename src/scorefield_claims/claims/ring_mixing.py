r"""Mixing across gaps: eight modes of standard deviation ½ on a ring of radius 5, exact scores, every chain started in the first mode.

Half-way between neighbours the density is e^{−7} of a mode's top, so a chain at one noise level stays where it starts; at noise as wide as
the ring there are no gaps, and annealing starts there. Both spend the same number of steps of the same relative size α = ``relative`` σ².
The start makes the difference visible: from an even start both would fill a ring evenly, by symmetry.

Thresholds: a chain at one level leaves its mode with probability below a half, and the χ² test of its histogram rejects the true shares at
1e-6; annealed, the test accepts them at level ``p_value`` = 1e-3, and every share lies within ``share`` = 0.02 of an eighth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, ModeWeights
from scorefield.plotting import Square, Terrain, share_bars
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule, share_rows
from scorefield_claims.chance import generator
from scorefield_claims.drawing import canvas, cloud, label, legend, save

__all__ = ["CLAIM", "RingMixing"]

_LAW = sf.GaussianMixture.ring(8, 5.0, 0.5)


@dataclass(frozen=True, kw_only=True)
class RingMixing(Recipe):
    """Samples, noise levels, and steps on each."""

    n: int
    sigma_1: float = 10.0
    sigma_L: float = 0.1
    levels: int = 10
    steps: int
    relative: float = 0.5
    single: float = 0.1
    p_value: float = 1e-3
    share: float = 0.02


def measure(recipe: RingMixing) -> Finding:
    """Return the histograms over modes."""
    noise = torch.randn(recipe.n, 2, generator=generator(recipe.seed, "start"))
    start = _LAW.components.means[0].float() + 0.5 * noise
    exact = sf.Exact(_LAW, sf.VE(recipe.sigma_L, recipe.sigma_1))
    budget = recipe.levels * recipe.steps
    t = exact.process.time(torch.tensor(recipe.single, dtype=torch.float64)).item()
    chains = {
        f"Langevin at σ = {recipe.single:g}": (sf.Langevin(recipe.relative * recipe.single**2), sf.Constant(t, budget)),
        f"annealed, σ = {recipe.sigma_1:g} → {recipe.sigma_L:g}": (
            sf.AnnealedLangevin(relative_step=recipe.relative, repeats=recipe.steps),
            sf.Ladder(sf.geometric(recipe.sigma_1, recipe.sigma_L, recipe.levels)),
        ),
    }
    drawn = {
        name: sf.sample(exact, sampler, grid=grid, init=start, seed=recipe.seed, batch_size=4096).x
        for name, (sampler, grid) in chains.items()
    }
    found = {name: sf.mode_weights(x, _LAW) for name, x in drawn.items()}
    measures = {f"share of the first mode, {name}": weights.share(0) for name, weights in found.items()} | {
        f"χ² p-value, {name}": exactly(weights.p_value) for name, weights in found.items()
    }
    rows = [{"sampler": name, "mode": k + 1, **row} for name, w in found.items() for k, row in enumerate(share_rows(w))]
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, drawn, found))


def judge(recipe: RingMixing, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: do chains at one level stay in their mode, and fill annealed ones all modes?"""
    one_level, annealed = dict.fromkeys(str(row["sampler"]) for row in rows)
    p = {name: measures[f"χ² p-value, {name}"].value for name in (one_level, annealed)}
    stuck = measures[f"share of the first mode, {one_level}"].value
    worst = max(abs(float(row["share"]) - float(row["expected"])) for row in rows if row["sampler"] == annealed)
    return rule(
        {
            f"{one_level}, {stuck:.1%} of the chains are still in the mode they started in after {recipe.levels * recipe.steps} steps "
            f"(more than 50%; χ² p = {p[one_level]:.1g}, below 1e-06)": stuck > 0.5 and p[one_level] < 1e-6,
            f"{annealed}, as many steps fill every mode within {worst:.3f} of its share (below {recipe.share:g}; "
            f"χ² p = {p[annealed]:.2g}, above {recipe.p_value:g})": p[annealed] > recipe.p_value
            and worst < recipe.share,
        }
    )


def _draw(path: Path, drawn: Mapping[str, Tensor], found: Mapping[str, ModeWeights]) -> None:
    """Draw samples (orange) over the true density (blue) of chains that start in mode 1, and the share of each mode."""
    terrain = Terrain.of(_LAW, Square(half=7.5))
    figure, ((left, middle, right),) = canvas(1, 3, height=4.6)
    for axes, (name, x) in zip((left, middle), drawn.items(), strict=True):
        cloud(axes, x, terrain, name)
    share_bars(right, found)
    label(right, "shares of the modes, 95 % intervals", "mode (chains start in 1)", "share")
    legend(right)
    save(figure, path)


CLAIM = Claim(
    name="ring-mixing",
    statement="Langevin dynamics at one small noise level stays in the mode it starts in; annealed, it visits all modes evenly.",
    source="Song & Ermon (2019), sections 3.2.2 and 4.3, on eight Gaussians in a ring",
    measure=measure,
    judge=judge,
    tiny=RingMixing(n=4000, steps=40),
    small=RingMixing(n=10_000, steps=100),
    full=RingMixing(seed=1, n=100_000, steps=200),
)
