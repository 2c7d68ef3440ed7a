"""Timing two sides in turn, so that a machine whose speed drifts slows both."""

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from types import MappingProxyType
from typing import NamedTuple


class Row(NamedTuple):
    """One line of a table: a median, and its ratio to a baseline with the quartiles of that ratio."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


class Note(NamedTuple):
    """One line of a table that says why there is no number."""

    what: str


def seconds(work: Callable[[], object]) -> float:
    """Return the time one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(sides: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Return the seconds of every side in every round; the order alternates from round to round."""
    for _ in range(warmup):
        for work in sides.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for k in range(rounds):
        for name in list(sides) if k % 2 == 0 else list(sides)[::-1]:
            times[name].append(seconds(sides[name]))
    return times


def in_turn_apart(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    first: Mapping[str, Callable[[], None]] = MappingProxyType({}),
) -> dict[str, list[float]]:
    """As `in_turn`, every side in a process of its own, so that the memory one holds or gives back slows no other.

    Sides are sent there: module-level functions. What ``first`` has under a side's name is called in its process before.
    """

    def sent(pool: ProcessPoolExecutor, work: Callable[[], object]) -> Callable[[], object]:
        return lambda: pool.submit(work).result()

    with ExitStack() as open_until_done:
        there = {}
        for name, work in sides.items():
            pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=first.get(name))
            there[name] = sent(open_until_done.enter_context(pool), work)
        return in_turn(there, rounds)


def compare(times: dict[str, list[float]], baseline: str, unit: str, amount: float) -> list[Row]:
    """Return a row per side: ``amount`` / seconds if the unit is a rate, and the time's ratio to the baseline, paired by round."""
    rows = []
    for name, values in times.items():
        ratios = sorted(ours / theirs for ours, theirs in zip(values, times[baseline], strict=True))
        quarter = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
        rows.append(
            Row(name, amount / statistics.median(values), unit, statistics.median(ratios), quarter[0], quarter[2])
        )
    return rows


def lasting(
    times: dict[str, list[float]], baseline: str, unit: str, scale: float, parts: Mapping[str, int] | None = None
) -> list[Row]:
    """Return a row per side: how long it takes, or one of its ``parts``, in ``unit`` (``scale`` of them are a second)."""
    each = {name: [scale * t / (parts or {}).get(name, 1) for t in values] for name, values in times.items()}
    return [row._replace(value=1 / row.value) for row in compare(each, baseline, unit, 1)]
