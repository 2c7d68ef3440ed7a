r"""The five techniques of NCSNv2 (Song & Ermon 2020), one switch at a time, with exact scores wherever no training is meant.

- Technique 1, σ_1 = the largest distance between data, against σ_1 = 1: the error of a mode's share, on the paper's two modes.
- Technique 2, γ = √(2D)/(√(2D) − 3), against the root of the full equation, and by simulation: half of a level's samples have a norm that
  the next level expects; with NCSN's ten levels next to none have.
- Technique 3, s(x, σ) = F(x)/σ, against a network conditioned on σ: F has to see in x how large σ is, which depends on D.
- Technique 4, ε by rule, against the ε of the published configurations, and by simulation: the variance that is left.
- Technique 5, averaged weights and a noise-free last step, against the last weights, and against stopping at σ_L.

Each technique has a check of its own; the claim holds if all do, and its verdict names those that hold under a condition. Thresholds:
every published ε agrees with the rule within ``agrees`` = 5 %, the rounding of a number of one or two digits, and so do simulations with
formulas; a network without σ may have up to ``costs`` = 2 times the error of one with it, or the technique is not free; everything else
must be better by more than 2 standard errors.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, Row, Verdict, below, rule
from scorefield_claims.drawing import COLOURS, canvas, curve, label, legend, letters, save
from scorefield_claims.ncsnv2.ladder import CONFIGURATIONS, PUBLISHED, largest_level, neighbours, step_by_rule
from scorefield_claims.ncsnv2.network import GIVEN, Averaging, averaging, denoising, unconditional
from scorefield_claims.ncsnv2.part import NCSNv2Techniques

__all__ = ["CLAIM"]

_SHARE, _MMD = "1: error of a mode's share", "5: MMD² to the data"


def measure(recipe: NCSNv2Techniques) -> Finding:
    """Return what each technique does."""
    averaged, path = averaging(recipe)
    first = [largest_level(recipe), neighbours(recipe), unconditional(recipe), step_by_rule(recipe)]
    parts = [*first, averaged, denoising(recipe)]
    measures = {name: value for part in parts for name, value in part.measures.items()}
    rows = [row for part in parts for row in part.rows]
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda target: _draw(target, measures, path, recipe))


def judge(recipe: NCSNv2Techniques, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: does each technique do what it is for?"""
    of = {name: found.value for name, found in measures.items()}
    sigma = next(str(row["setting"]) for row in reversed(rows) if row["technique"] == "1").removeprefix("sigma_1 = ")
    gap, rule_s, ncsn_s = (
        of[f"2: {what}"] for what in ("largest gap of the closed form", "overlap by rule", "overlap of NCSN")
    )
    low, high = recipe.dimensions
    extra = {
        d: of[f"3: score error at D = {d}, not given σ"] / of[f"3: score error at D = {d}, given σ"]
        for d in (low, high)
    }
    few, many = (f"at D = {d} not giving a network σ multiplies its error by {times:.2f}" for d, times in extra.items())
    gaps = {c.name: of[f"{PUBLISHED}{c.name}"] for c in CONFIGURATIONS}
    outside = {name: off for name, off in gaps.items() if abs(off) > recipe.agrees}
    follow = f"Technique 4: {len(gaps) - len(outside)} of {len(gaps)} published step sizes follow the rule (within {recipe.agrees:.0%})"
    follow += "".join(f", {name} is off by {off:+.0%}" for name, off in outside.items())
    kept = [
        row for row in rows if str(row["setting"]).startswith("simulated")
    ]  # a quarter of the rule, the rule, four times it
    left = [Estimate(float(row["value"]), float(row["standard_error"])) for row in kept]
    formula = of["4: variance left by the formula"]
    quarter, best, four = (Estimate(abs(found.value - 1), found.error) for found in left)  # how far from one
    agrees = abs(left[1].value / formula - 1) < recipe.agrees
    last, averaged = (measures[f"5: score error of the {which} weights"] for which in ("last", "averaged"))
    ends, plain = (measures[f"{_MMD} {which} the last step"] for which in ("with", "without"))
    near, far = measures[f"{_SHARE}, σ_1 = the largest distance"], measures[f"{_SHARE}, σ_1 = 1"]
    return rule(
        {
            f"Technique 1: with σ_1 = {sigma}, the largest distance, a mode's share is off by {near.value:.3f}, with σ_1 = 1 by "
            f"{far.value:.3f}": below(near, far),
            f"Technique 2: the closed form of γ solves its equation to {gap:.0e} for D ≥ 5 (below 1e-06)": gap < 1e-6,
            f"at D = 784 {rule_s:.3f} of a level's samples suit the next (half, within {recipe.agrees:g}; by NCSN's ratio {ncsn_s:.3f}, "
            "below 0.01)": abs(rule_s - 0.5) < recipe.agrees and ncsn_s < 0.01,
            f"Technique 3: {many} (below {recipe.costs:g})": extra[high] < recipe.costs,
            follow: not outside,
            f"in simulation the rule leaves {left[1].value:.3f} of the variance (by formula {formula:.3f}, within {recipe.agrees:.0%}), a "
            f"quarter of it {left[0].value:.3f}, four times {left[2].value:.3f}": agrees
            and below(best, quarter)
            and below(best, four),
            f"Technique 5: averaged weights have a score error of {averaged.value:.2g}, the last ones {last.value:.2g}": below(
                averaged, last
            ),
            f"a noise-free last step brings MMD² to the data from {plain.value:.2g} to {ends.value:.2g}": below(
                ends, plain
            ),
        },
        only_if=f"there are many dimensions for Technique 3 ({few})" if extra[low] > recipe.costs else "",
    )


def _pair(axes: Axes, measures: dict[str, Estimate], names: dict[str, str], title: str) -> None:
    """Draw two or more named measures as bars."""
    values = [measures[key] for key in names.values()]
    heights, reach = [e.value for e in values], [1.96 * e.error for e in values]
    axes.bar(list(names), heights, yerr=reach, color=COLOURS[: len(values)], capsize=4, width=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    label(axes, title)


def _draw(target: Path, measures: dict[str, Estimate], path: Averaging, recipe: NCSNv2Techniques) -> None:
    """Draw what each technique gives beside what its absence gives; the fifth has two panels.

    For the fourth: published step sizes against those of the rule.
    """
    figure, grid = canvas(2, 3, width=4.9, height=3.9)
    one, two, three, four, five, six = grid.flatten()
    starts = {"σ₁ by distance": f"{_SHARE}, σ_1 = the largest distance", "σ₁ = 1": f"{_SHARE}, σ_1 = 1"}
    _pair(one, measures, starts, _SHARE)
    overlaps = {"γ by rule": "2: overlap by rule", "NCSN's γ": "2: overlap of NCSN"}
    _pair(two, measures, overlaps, "2: norms the next level expects (D = 784)")
    two.axhline(0.5, color="black", linestyle="--", linewidth=1)
    pairs = [(d, name) for d in recipe.dimensions for name in GIVEN]
    errors = {f"D = {d}\n{name}": f"3: score error at D = {d}, {name}" for d, name in pairs}
    _pair(three, measures, errors, "3: score error, network given σ or not")
    three.set_yscale("log")
    published = [c.step_size for c in CONFIGURATIONS]
    rule_of = [c.step_size / (1 + measures[f"{PUBLISHED}{c.name}"].value) for c in CONFIGURATIONS]
    four.loglog(rule_of, published, "o", color=COLOURS[0], markersize=9)
    four.axline((1e-6, 1e-6), (1e-5, 1e-5), color="black", linewidth=1)
    for c, x, y in zip(CONFIGURATIONS, rule_of, published, strict=True):
        four.annotate(c.name, (x, y), textcoords="offset points", xytext=(8, -12), fontsize=letters(four))
    four.set(xlim=(7e-7, 1.5e-5), ylim=(7e-7, 1.5e-5), aspect="equal")
    label(four, "4: step sizes", "ε by rule", "ε published")
    curve(five, [p[0] for p in path], [p[1] for p in path], "last weights", 1)
    curve(five, [p[0] for p in path], [p[2] for p in path], "averaged", 0)
    five.set_yscale("log")
    legend(five)
    label(five, "5: averaging the weights", "optimiser step", "score error")
    last = {"noise-free\nlast step": f"{_MMD} with the last step", "stop at σ_L": f"{_MMD} without the last step"}
    _pair(six, measures, last, _MMD)
    save(figure, target)


CLAIM = Claim(
    name="ncsnv2-techniques",
    statement="Each of NCSNv2's five techniques helps: the largest noise from distances, the ratio of levels from their overlap, a network "
    "divided by σ, the step size by rule, averaged weights with a last denoising.",
    source="Song & Ermon (2020), Techniques 1 to 5 and the released configurations",
    measure=measure,
    judge=judge,
    tiny=NCSNv2Techniques(n=200, steps=40, checkpoints=2),
    small=NCSNv2Techniques(n=10_000, steps=1000, checkpoints=8),
    full=NCSNv2Techniques(seed=1, n=40_000, steps=8000, checkpoints=20),
)
