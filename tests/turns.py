"""Cases of which some are quick, and the others slow: those run by turns with each commit (`--slow-share`)."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def in_turn(*ways: Iterable[Any]) -> list[Any]:
    """Return every combination, one value of each of ``ways``, as cases of a test: those on the white fields of a chessboard are quick.

    Every value of each setting is among these and, of three settings or more, every pair of values.
    """
    return [
        pytest.param(*values, marks=pytest.mark.slow if sum(places) % 2 else ())
        for places, values in (zip(*placed, strict=True) for placed in product(*map(enumerate, ways)))
    ]


def one_in(n: int, cases: Iterable[Any]) -> list[Any]:
    """Return cases of which the first of every ``n`` is quick."""
    return [pytest.param(case, marks=pytest.mark.slow if place % n else ()) for place, case in enumerate(cases)]
