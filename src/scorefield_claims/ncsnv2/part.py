"""What a technique of NCSNv2 adds to the claim, and the settings all of them share."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from scorefield.metrics import Estimate
from scorefield_claims.base import Recipe, Row

__all__ = ["NCSNv2Techniques", "Part", "better", "row"]


@dataclass(frozen=True, kw_only=True)
class NCSNv2Techniques(Recipe):
    """Samples, and training."""

    n: int
    steps: int
    checkpoints: int
    dimensions: tuple[int, ...] = (2, 64)
    agrees: float = 0.05
    costs: float = 2.0


class Part(NamedTuple):
    """What one technique adds: checks, measures, rows, and whether a condition is needed."""

    checks: dict[str, bool]
    measures: dict[str, Estimate]
    rows: list[Row]
    only_if: str = ""


def row(technique: str, setting: str, quantity: str, value: Estimate) -> Row:
    """Return a row of the table."""
    return {
        "technique": technique,
        "setting": setting,
        "quantity": quantity,
        "value": value.value,
        "standard_error": value.error,
    }


def better(with_it: Estimate, without: Estimate) -> bool:
    """Tell whether an error is smaller by more than two standard errors."""
    return with_it.value + 2 * math.hypot(with_it.error, without.error) < without.value
