r"""The five techniques of NCSNv2 (Song & Ermon 2020), one switch at a time, with exact scores wherever no training is meant.

    1   σ_1 = the largest distance between data     against σ_1 = 1: error of a mode's share, on the paper's two modes, from the prior
    2   γ* = √(2D)/(√(2D) − 3)                       against the full equation's root, and by simulation: half of a level's samples have
                                                     a norm that the next level expects; with NCSN's ten levels next to none
    3   s(x, σ) = F(x)/σ                             against a network conditioned on σ; needs σ to show in x, so D decides
    4   ε by rule                                    against the ε of the published configurations, and by simulation: the variance left
    5   averaged weights, a noise-free last step     against the last weights, and against stopping at σ_L

Each technique has a check of its own; the claim holds if all do, and its verdict names those that hold under a condition. Thresholds: a
published ε agrees with the rule within ``agrees`` = 5 %, the rounding of a number of one or two digits, and so do simulations with
formulas; of the published ε more than half must agree, and the verdict names the others; a network without σ may have up to ``costs`` = 2
times the error of one with it, or the technique is not free; everything else must be better by more than 2 standard errors.
"""

from pathlib import Path

from matplotlib.axes import Axes

from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, rule
from scorefield_claims.drawing import COLOURS, canvas, curve, label, legend, letters, save
from scorefield_claims.ncsnv2.ladder import CONFIGURATIONS, largest_level, neighbours, step_by_rule
from scorefield_claims.ncsnv2.network import GIVEN, Averaging, averaging, denoising, unconditional
from scorefield_claims.ncsnv2.part import NCSNv2Techniques

__all__ = ["CLAIM"]


def measure(recipe: NCSNv2Techniques) -> Finding:
    """Return what each technique does."""
    averaged, path = averaging(recipe)
    first = [largest_level(recipe), neighbours(recipe), unconditional(recipe), step_by_rule(recipe)]
    parts = [*first, averaged, denoising(recipe)]
    checks = {text: held for part in parts for text, held in part.checks.items()}
    measures = {name: value for part in parts for name, value in part.measures.items()}
    rows = [row for part in parts for row in part.rows]
    verdict, reason = rule(checks, only_if="; ".join(part.only_if for part in parts if part.only_if))
    return Finding(verdict, reason, measures, rows, lambda target: _draw(target, measures, path, recipe))


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
    share = "1: error of a mode's share"
    _pair(
        one, measures, {"σ₁ by distance": f"{share}, σ_1 = the largest distance", "σ₁ = 1": f"{share}, σ_1 = 1"}, share
    )
    overlaps = {"γ by rule": "2: overlap by rule", "NCSN's γ": "2: overlap of NCSN"}
    _pair(two, measures, overlaps, "2: norms the next level expects (D = 784)")
    two.axhline(0.5, color="black", linestyle="--", linewidth=1)
    pairs = [(d, name) for d in recipe.dimensions for name in GIVEN]
    errors = {f"D = {d}\n{name}": f"3: score error at D = {d}, {name}" for d, name in pairs}
    _pair(three, measures, errors, "3: score error, network given σ or not")
    three.set_yscale("log")
    published = [c.step_size for c in CONFIGURATIONS]
    rule_of = [c.step_size / (1 + measures[f"4: published over rule − 1, {c.name}"].value) for c in CONFIGURATIONS]
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
    mmd = "5: MMD² to the data"
    _pair(
        six,
        measures,
        {"noise-free\nlast step": f"{mmd} with the last step", "stop at σ_L": f"{mmd} without the last step"},
        mmd,
    )
    save(figure, target)


CLAIM = Claim(
    name="ncsnv2-techniques",
    statement="Each of NCSNv2's five techniques helps: the largest noise from distances, the ratio of levels from their overlap, a network "
    "divided by σ, the step size by rule, averaged weights with a last denoising.",
    source="Song & Ermon (2020), Techniques 1 to 5 and the released configurations",
    measure=measure,
    tiny=NCSNv2Techniques(n=200, steps=40, checkpoints=2),
    small=NCSNv2Techniques(n=10_000, steps=1000, checkpoints=8),
    full=NCSNv2Techniques(seed=1, n=40_000, steps=8000, checkpoints=20),
)
