r"""How many noise levels (Song & Ermon 2019, section 4; 2020, Techniques 2 and 4): one, ten or fifty, on eight modes in a ring.

A network is trained for each ladder, and sampled by annealed Langevin dynamics from the same even start with the same number of
evaluations, so T = budget/L; ε = 2e-5 with σ_L = 0.01 is the paper's, and factors around it show how much the choice matters. Fifty levels
are also sampled with ε by rule: for their ratio γ and their T, the ε that leaves the variance closest to the level's (`scorefield.advice`).

A setting works if ``inside`` = 90 % of its samples are in the region that holds 99 % of the true mass, and every mode's share is within
``share`` = 0.05 of an eighth: four standard errors at 1000 samples. Fifty levels are more fragile than ten if fewer of the step sizes
tried work for them. The rule repairs them if its ε works.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import scorefield as sf
from scorefield.advice import remaining_variance, step_size
from scorefield.metrics import Estimate, mean
from scorefield.plotting import Square, Terrain, mass_level
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rule
from scorefield_claims.chance import generator
from scorefield_claims.drawing import canvas, cloud, curve, label, legend, merged, save
from scorefield_claims.learning import learned

__all__ = ["CLAIM", "AblationLevels"]

_LAW = sf.GaussianMixture.ring(8, 5.0, 0.5)


@dataclass(frozen=True, kw_only=True)
class AblationLevels(Recipe):
    """Ladders, training, and the cost of sampling."""

    n: int
    steps: int
    budget: int
    batch_size: int = 1024
    learning_rate: float = 1e-2
    sigma_1: float = 10.0
    sigma_L: float = 0.01
    levels: tuple[int, ...] = (1, 10, 50)
    step_size: float = 2e-5
    factors: tuple[float, ...] = (0.03, 0.3, 1.0, 10.0)
    inside: float = 0.9
    share: float = 0.05


@dataclass(frozen=True)
class _Run:
    """One sampling: its settings (ε in the paper's convention), samples and how good they are."""

    levels: int
    repeats: int
    step_size: float
    x: Tensor
    inside: Estimate
    worst: float
    p_value: float

    @property
    def row(self) -> Row:
        """Return the row of the table."""
        return {
            "levels": self.levels, "T": self.repeats, "step_size": self.step_size, "n": len(self.x), "inside_99": self.inside.value,
            "standard_error": self.inside.error, "worst_share_error": self.worst, "chi2_p": self.p_value,
            "finite": torch.isfinite(self.x).all(dim=1).double().mean().item(),
        }  # fmt: skip


def _train(levels: int, recipe: AblationLevels) -> sf.ScoreModel:
    """Return a network trained on a ladder of so many levels."""
    process = sf.VE(recipe.sigma_L, recipe.sigma_1)
    objective = sf.MultiLevelDSM(sf.geometric(recipe.sigma_1, recipe.sigma_L, levels))
    build = lambda: sf.Denoiser(sf.MLP(2), process, 3.6)  # noqa: E731
    settings = {"steps": recipe.steps, "batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate}
    return learned(build, _LAW, objective, seed=recipe.seed, **settings)


def _run(model: sf.ScoreModel, levels: int, repeats: int, epsilon: float, recipe: AblationLevels) -> _Run:
    """Return samples from an even start, and how good they are."""
    start = Square(half=8.0).uniform(recipe.n, generator(recipe.seed, "start"))
    grid = sf.Ladder(sf.geometric(recipe.sigma_1, recipe.sigma_L, levels))
    sampler = sf.AnnealedLangevin(epsilon, repeats)
    x = sf.sample(model, sampler, grid=grid, init=start, seed=recipe.seed, batch_size=2048).x
    inside = mean(_LAW.log_prob(x.double()) >= mass_level(_LAW, 0.99))
    found = sf.mode_weights(x, _LAW)
    worst = max(abs(a - b) for a, b in zip(found.shares, found.expected, strict=True))
    return _Run(levels, repeats, epsilon, x, inside, worst, found.p_value)


def measure(recipe: AblationLevels) -> Finding:
    """Return how good the samples of every ladder are at every step size, and at that of the rule."""
    models = {levels: _train(levels, recipe) for levels in recipe.levels}
    runs = {
        levels: [_run(model, levels, recipe.budget // levels, f * recipe.step_size, recipe) for f in recipe.factors]
        for levels, model in models.items()
    }
    many = recipe.levels[-1]
    repeats, ratio = recipe.budget // many, (recipe.sigma_1 / recipe.sigma_L) ** (1 / (many - 1))
    epsilon = step_size(ratio, recipe.sigma_L, repeats)
    repaired = _run(models[many], many, repeats, 2 * epsilon, recipe)  # the rule speaks the code's convention
    return _finding(recipe, runs, repaired)


def _finding(recipe: AblationLevels, runs: Mapping[int, list[_Run]], repaired: _Run) -> Finding:
    """Return the verdict."""
    own = {levels: by[recipe.factors.index(1.0)] for levels, by in runs.items()}
    measures = {f"share in place, L = {levels}": run.inside for levels, run in own.items()} | {
        f"share in place, L = {recipe.levels[-1]} by rule": repaired.inside
    }
    rows = [run.row for by in runs.values() for run in by] + [{**repaired.row, "by_rule": 1}]
    shown = {f"L = {levels}, T = {run.repeats}": run for levels, run in own.items()} | {
        f"L = {recipe.levels[-1]}, ε by rule": repaired
    }
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, runs, shown))


def judge(recipe: AblationLevels, _measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: how many step sizes work for each ladder, and whether the rule's does."""

    def works(row: Row) -> bool:
        return float(row["inside_99"]) > recipe.inside and float(row["worst_share_error"]) < recipe.share

    def said(row: Row) -> str:
        return f"{row['inside_99']:.1%} of the samples in place, shares within {row['worst_share_error']:.3f}"

    few, some, many = recipe.levels
    *swept, repaired = rows
    working = {levels: sum(works(row) for row in swept if row["levels"] == levels) for levels in recipe.levels}
    own = {row["levels"]: row for row in swept if row["step_size"] == recipe.step_size}
    epsilon, ratio = float(repaired["step_size"]), (recipe.sigma_1 / recipe.sigma_L) ** (1 / (many - 1))
    left = remaining_variance(epsilon / 2 / recipe.sigma_L**2, ratio, int(repaired["T"]))
    tried = len(recipe.factors)
    return rule(
        {
            f"L = {few}: {said(own[few])}; {working[few]} of {tried} step sizes work": not working[few],
            f"L = {some}, T = {own[some]['T']}, ε = {recipe.step_size:g}: {said(own[some])} (works: above {recipe.inside:.0%} in place, "
            f"shares within {recipe.share:g})": works(own[some]),
            f"L = {many} is fragile: fewer step sizes work than for L = {some} at the same cost, {working[many]} of {tried}, and "
            f"{working[some]} for L = {some}": working[many] < working[some],
            f"L = {many} with ε = {epsilon:.2g} by rule (which leaves {left:.2f} of a level's variance): {said(repaired)}": works(
                repaired
            ),
        }
    )


def _draw(path: Path, runs: Mapping[int, list[_Run]], shown: Mapping[str, _Run]) -> None:
    """Draw samples (orange) of each ladder over the true density (blue), and what step sizes do.

    Below, for every step size ε: the share of samples in the region that holds 99 % of the mass, and the largest error of a mode's share.
    """
    figure, axes = canvas(2, len(shown), width=3.8, height=4.0)
    terrain = Terrain.of(_LAW, Square(half=8.5))
    for panel, (name, run) in zip(axes[0], shown.items(), strict=True):
        cloud(panel, run.x, terrain, f"{name}\nε = {run.step_size:.2g}: {run.inside.value:.0%} in place")
    left, right = merged(axes[1], 2)
    for k, (levels, by) in enumerate(runs.items()):
        epsilons = [run.step_size for run in by]
        curve(left, epsilons, [run.inside for run in by], f"L = {levels}", k)
        curve(right, epsilons, [Estimate(run.worst, 0) for run in by], f"L = {levels}", k)
    for panel, what in ((left, "share in the region of 99 %"), (right, "largest error of a mode's share")):
        panel.set_xscale("log")
        legend(panel)
        label(panel, what, "step size ε", "")
    save(figure, path)


CLAIM = Claim(
    name="ablation-levels",
    statement="One small noise level fails, ten levels work, fifty are fragile unless the step size is chosen by rule.",
    source="Song & Ermon (2019), section 4; Song & Ermon (2020), Techniques 2 and 4; on eight Gaussians in a ring",
    measure=measure,
    judge=judge,
    tiny=AblationLevels(n=60, steps=3, budget=50),
    small=AblationLevels(n=1000, steps=1500, budget=500),
    full=AblationLevels(seed=1, n=5000, steps=10_000, budget=1000, factors=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
)
