"""Cases of which half are quick: every value of each setting is among these and, of three settings or more, every pair of values."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def in_turn(*ways: Iterable[Any]) -> list[Any]:
    """Return every combination, one value of each of ``ways``, as cases of a test: those on the white fields of a chessboard are quick."""
    return [
        pytest.param(*values, marks=pytest.mark.slow if sum(places) % 2 else ())
        for places, values in (zip(*placed, strict=True) for placed in product(*map(enumerate, ways)))
    ]
