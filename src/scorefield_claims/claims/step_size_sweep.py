r"""The step size of annealed Langevin dynamics (Song & Ermon 2019, Algorithm 1; 2020, Technique 4), with exact scores.

Every pair of ε and T anneals the paper's mixture from the same even start over the same ten levels. The error is the energy distance
between the samples and the distribution they are meant to have, that of the last level; the spread of the same distance between two samples
of that distribution is what no sampler can beat (the floor). ε is given as α/σ², which is the same at every level: from 4 on, the chain
diverges.

What is claimed is a window: at each T the error first falls with ε (the chain gets further) and then rises (α/σ² inflates the variance by
1/(1 − α/4σ²)). More steps widen it, towards small ε. Thresholds: a setting is inside the window if its error is below ``window`` = 3 times
the best of the sweep or 3 times the floor, whichever is larger; chance alone moves errors near the floor by that much.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import LogNorm

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield.plotting import Square, Terrain
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule
from scorefield_claims.chance import generator
from scorefield_claims.drawing import canvas, cloud, label, merged, save, table

__all__ = ["CLAIM", "StepSizeSweep"]

_LAW = sf.GaussianMixture.song2019()
_FLOORS = 10  # pairs of samples of the true distribution behind the floor


@dataclass(frozen=True, kw_only=True)
class StepSizeSweep(Recipe):
    """The sweep: α/σ², and steps per level."""

    n: int
    relative: tuple[float, ...]
    steps: tuple[int, ...]
    sigma_1: float = 20.0
    sigma_L: float = 0.5
    window: float = 3.0


def measure(recipe: StepSizeSweep) -> Finding:
    """Return the error of every pair of step size and T."""
    exact = sf.Exact(_LAW, sf.VE(recipe.sigma_L, recipe.sigma_1))
    law = exact.marginal(torch.tensor(0.0))
    start = Square(half=8.0).uniform(recipe.n, generator(recipe.seed, "start"))
    truth = law.sample(recipe.n, generator(recipe.seed, "truth"))
    grid = sf.Ladder(sf.geometric(recipe.sigma_1, recipe.sigma_L, 10))
    floor = _floor(law, recipe)
    drawn, found = {}, {}
    for steps, relative in itertools.product(recipe.steps, recipe.relative):
        sampler = sf.AnnealedLangevin(relative * recipe.sigma_L**2, steps)
        try:
            x = sf.sample(exact, sampler, grid=grid, init=start, seed=recipe.seed, denoise=False, batch_size=4096).x
        except ValueError:  # refused: α ≥ 4σ²
            continue
        drawn[steps, relative], found[steps, relative] = x, sf.energy_distance(x, truth)
    errors = {pair: e.value for pair, e in found.items()}
    bound, windows = _windows(errors, floor, recipe)
    measures = {"least error": min(found.values(), key=lambda e: e.value), "floor": exactly(floor)} | {
        f"step sizes in the window, T = {steps}": exactly(len(inside)) for steps, inside in windows.items()
    }
    none = Estimate(float("nan"), float("nan"))  # of a pair that was refused
    pairs = {pair: found.get(pair, none) for pair in itertools.product(recipe.steps, recipe.relative)}
    rows = [
        {"T": steps, "alpha_over_sigma2": relative, "step_size": relative * recipe.sigma_L**2, "energy_distance": e.value,
         "standard_error": e.error}
        for (steps, relative), e in pairs.items()
    ]  # fmt: skip
    picture = lambda path: _draw(path, found, drawn, law, recipe, floor, bound)  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def _windows(
    errors: Mapping[tuple[int, float], float], floor: float, recipe: StepSizeSweep
) -> tuple[float, dict[int, list[float]]]:
    """Return the error below which a step size is inside the window, and those that are, at each T."""
    bound = recipe.window * max(floor, min(errors.values()))
    return bound, {steps: [r for (t, r), e in errors.items() if t == steps and e < bound] for steps in recipe.steps}


def judge(recipe: StepSizeSweep, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: is there a window, and does it widen?"""
    distances = {(int(row["T"]), float(row["alpha_over_sigma2"])): row["energy_distance"] for row in rows}
    # JSON has None where a step size was refused.
    errors = {pair: float(e) for pair, e in distances.items() if e is not None and not math.isnan(float(e))}
    bound, windows = _windows(errors, measures["floor"].value, recipe)
    most, few = max(recipe.steps), min(recipe.steps)
    stable = [r for r in recipe.relative if (most, r) in errors]
    refused = [r for r in recipe.relative if r not in stable]
    ends = {r for r in (stable[0], stable[-1]) for steps in recipe.steps if r in windows[steps]}
    counts = {steps: len(windows[steps]) for steps in sorted(recipe.steps)}
    widens = list(counts.values()) == sorted(counts.values()) and counts[most] > counts[few]
    lowest = min(windows[most], default=float("inf"))
    inside = ", ".join(f"{count} at T = {steps}" for steps, count in counts.items())
    return rule(
        {
            f"the ends of the sweep, α/σ² = {stable[0]:g} and {stable[-1]:g}, are outside the window at every T": not ends,
            f"of the {len(stable)} stable step sizes tried, the window (errors below {bound:.2g}) holds {inside}": widens,
            f"at T = {most} it reaches down to α/σ² = {lowest:g}": lowest < min(windows[few], default=float("inf")),
            f"α/σ² = {', '.join(f'{r:g}' for r in refused)} is refused": refused
            == [r for r in recipe.relative if r >= 4],
        }
    )


def _floor(law: sf.Density, recipe: StepSizeSweep) -> float:
    """Return the root mean square of the energy distance between two samples of the distribution itself."""
    values = []
    for k in range(_FLOORS):
        stream = generator(recipe.seed, "floor", k)
        values.append(sf.energy_distance(law.sample(recipe.n, stream), law.sample(recipe.n, stream)).value)
    return float(np.sqrt(np.mean(np.square(values))))


def _draw(
    path: Path,
    found: dict[tuple[int, float], Estimate],
    drawn: dict[tuple[int, float], torch.Tensor],
    law: sf.Density,
    recipe: StepSizeSweep,
    floor: float,
    bound: float,
) -> None:
    """Draw samples (orange) over the true density (blue) at four step sizes, with the fewest and the most steps T.

    Below: the error for every step size and T.
    """
    stable = [r for r in recipe.relative if (recipe.steps[0], r) in found]
    chosen = [stable[round(k * (len(stable) - 1) / 3)] for k in range(4)]
    tall = [recipe.steps[0], recipe.steps[-1]]
    figure, axes = canvas(3, 4, width=3.2, height=2.9)
    terrain = Terrain.of(law, Square(half=11.0))
    for line, steps in zip(axes, tall, strict=False):
        for panel, relative in zip(line, chosen, strict=True):
            cloud(panel, drawn[steps, relative], terrain, f"T = {steps}, α/σ² = {relative:g}")
    (below,) = merged(axes[2], 1)
    values = np.array(
        [[max(found[t, r].value, floor) if (t, r) in found else np.nan for r in recipe.relative] for t in recipe.steps]
    )
    scale = LogNorm(floor, float(np.nanmax(values)))
    columns = [f"{r:g}" for r in recipe.relative]
    image = table(below, values, [f"T = {t}" for t in recipe.steps], columns, scale)
    label(below, f"energy distance to the true distribution (window: below {bound:.2g}; floor: {floor:.2g})", "α/σ²")
    label(figure.colorbar(image, ax=below).ax, "", y="energy distance")
    save(figure, path)


CLAIM = Claim(
    name="step-size-sweep",
    statement="Annealed Langevin dynamics works in a window of step sizes, and more steps per level widen the window.",
    source="Song & Ermon (2019), Algorithm 1 and appendix B; Song & Ermon (2020), Technique 4",
    measure=measure,
    judge=judge,
    tiny=StepSizeSweep(n=150, relative=(0.01, 0.3, 3.0, 5.0), steps=(3, 20)),
    small=StepSizeSweep(n=3000, relative=(0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.5, 5.0), steps=(3, 10, 30, 100)),
    full=StepSizeSweep(
        seed=1,
        n=10_000,
        relative=(0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5, 2.5, 3.5, 5.0),
        steps=(3, 10, 30, 100, 300),
    ),
)
