"""What a technique of NCSNv2 adds to the claim: measures and rows; and the settings all of them share."""

from dataclasses import dataclass
from typing import NamedTuple

from scorefield.metrics import Estimate
from scorefield_claims.base import Recipe, Row

__all__ = ["NCSNv2Techniques", "Part", "row"]


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
    """What one technique adds."""

    measures: dict[str, Estimate]
    rows: list[Row]


def row(technique: str, setting: str, quantity: str, value: Estimate) -> Row:
    """Return a row of the table."""
    named = {"technique": technique, "setting": setting, "quantity": quantity}
    return {**named, "value": value.value, "standard_error": value.error}
