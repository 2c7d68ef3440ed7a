"""What a claim is, and what running one yields.

A `Claim` ties a statement of a paper to a function that measures it: ``measure(recipe)`` gives a `Finding`, whose verdict follows from the
measured numbers by thresholds that the recipe states. Budgets are two instances of one recipe: the same measurement, smaller and larger.
A third, tiny, takes seconds. Its verdict means nothing; `tools.confirm` compares its numbers between an older and the present code.

Every verdict is made by one rule, `rule`. A claim is split into checks: a number against a threshold. Where chance is part of the number, a
check is contradicted only by more than chance explains, and cannot be told where the numbers are too close.

    does not hold     a check is contradicted
    cannot be told    none is contradicted, and one cannot be told
    holds only if     all hold, but only under a condition, or with an allowance beyond chance, which is named
    holds             all hold, with no allowance but that for chance
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from torch import Tensor

from scorefield.metrics import Estimate, ModeWeights

__all__ = ["Claim", "Finding", "Recipe", "Row", "Verdict", "below", "exactly", "rms", "rule", "share_rows"]

Row = Mapping[str, str | int | float]


class Verdict(StrEnum):
    """What was found. A claim that fails is a result, not an error."""

    PASS = "PASS"  # noqa: S105 a verdict, no password
    FAIL = "FAIL"
    HOLDS_ONLY_IF = "HOLDS_ONLY_IF"
    CANNOT_BE_TOLD = "CANNOT_BE_TOLD"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a measurement; claims derive their own. Two runs with equal recipes and equal code give equal numbers."""

    seed: int = 0


@dataclass(frozen=True)
class Finding:
    """What a measurement found.

    Attributes:
        verdict: of the claim.
        reason: why, with the numbers it rests on.
        measures: the numbers the claim is about, with standard errors; the first is the one that summaries show.
        rows: the table behind them.
        draw: writes the figure to a path.
    """

    verdict: Verdict
    reason: str
    measures: Mapping[str, Estimate]
    rows: Sequence[Row]
    draw: Callable[[Path], object]


R = TypeVar("R", bound=Recipe)


@dataclass(frozen=True)
class Claim(Generic[R]):
    """A statement that can be measured.

    Attributes:
        name: as in `scorefield_claims.catalogue`.
        statement: the claim, in our words.
        source: the paper, and the figure, table or equation.
        measure: the measurement.
        tiny: a recipe that takes seconds and runs every part of the measurement.
        small: a recipe that takes about a minute.
        full: a recipe that takes minutes to an hour or so, with a seed that was not used to choose a threshold.
        models: the shipped models that it measures, or uses as judges.
        judge: gives the verdict and its reason from recipe, measures and rows alone, so that a stored result can be judged again.
    """

    name: str
    statement: str
    source: str
    measure: Callable[[R], Finding]
    tiny: R
    small: R
    full: R
    models: tuple[str, ...] = ()
    judge: Callable[[R, Mapping[str, Estimate], Sequence[Row]], tuple[Verdict, str]] | None = None

    def recipe(self, budget: str) -> R:
        """Return the recipe of a budget, "small" or "full"."""
        return {"small": self.small, "full": self.full}[budget]


def exactly(value: float) -> Estimate:
    """Return a number without a standard error."""
    return Estimate(value, 0.0)


def rms(squares: Tensor) -> Estimate:
    """Return the root of the mean of squares, with the mean's standard error carried over."""
    root = squares.mean().sqrt().item()
    return Estimate(root, squares.std().item() / len(squares) ** 0.5 / (2 * root))


def below(a: Estimate, b: Estimate) -> bool:
    """Tell whether a is below b by more than two standard errors of their difference."""
    return a.value + 2 * math.hypot(a.error, b.error) < b.value


def rule(checks: Mapping[str, bool | None], *, only_if: str = "") -> tuple[Verdict, str]:
    """Return the verdict that follows from checks, and its reason.

    Args:
        checks: what had to hold, in words with numbers, and whether it did; None where that cannot be told.
        only_if: a condition or an allowance without which the claim, as it was made, does not hold.
    """
    held = "; ".join(text for text, found in checks.items() if found)
    for found, verdict, words in (
        (False, Verdict.FAIL, "does not hold"),
        (None, Verdict.CANNOT_BE_TOLD, "cannot be told"),
    ):
        missed = [text for text, seen in checks.items() if seen is found]
        if missed:
            condition = f", if {only_if}" if only_if else ""
            return verdict, f"{words}: {'; '.join(missed)}" + (f". What holds{condition}: {held}" if held else "")
    return (Verdict.HOLDS_ONLY_IF, f"{only_if}. Then: {held}") if only_if else (Verdict.PASS, held)


def share_rows(weights: ModeWeights) -> list[Row]:
    """Return a row per mode or class: its share, the ends of the 95 % interval, and what it should be."""
    columns = zip(weights.shares, weights.low, weights.high, weights.expected, strict=True)
    return [{"share": share, "low": low, "high": high, "expected": true} for share, low, high, true in columns]
