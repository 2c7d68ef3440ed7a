"""How many processor cores a command computes on.

Threads that share a core wait for each other at the end of every small operation, and on busy cores most of the time is spent waiting. So
by default a command that draws or measures uses the idle cores. Training may differ in the last bits between numbers of threads, so there
the number does not depend on what else runs.
"""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from scorefield.cli.console import note, warn

_THREADS = re.compile(r"\s*0*[1-9]\d*\s*(,.*)?")  # further numbers are of loops within loops


class _Reading(NamedTuple):
    """Ticks of all cores since the machine was started, and those of this process."""

    all: int
    idle: int
    own: float


def _read() -> _Reading | None:
    """Return the clocks of the processor; None where the system does not report them."""
    try:
        ticks = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
        own = sum(os.times()[:2]) * os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    return _Reading(sum(ticks), ticks[3] + ticks[4], own)


_BEGIN = _read()


def use_threads(asked: int | None, *, fixed: bool = False) -> None:
    """Let PyTorch compute on as many threads as were asked for; else as OMP_NUM_THREADS says; else, unless ``fixed``, on the idle cores."""
    loaded, said = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS")
    if said is not None and not _THREADS.fullmatch(said):  # OpenMP would take all cores, however busy
        del os.environ["OMP_NUM_THREADS"]
        warn(f"OMP_NUM_THREADS={said} is not a number of threads, and is ignored")
    if asked is not None:
        _set(asked)
    elif "OMP_NUM_THREADS" not in os.environ and loaded is None:  # who has loaded PyTorch has decided
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        free = idle(cores, _BEGIN, _read())
        if free < cores and fixed:
            faster = f"--threads {free}, or OMP_NUM_THREADS={free} before make, may be faster"
            note(f"other programs keep {cores - free} of {cores} cores busy; {faster}")
        elif free < cores:
            note(f"computing on {free} of {cores} cores: others are busy (--threads sets another number)")
            _set(free)


def idle(cores: int, before: _Reading | None, after: _Reading | None) -> int:
    """Return how many of the cores other programs leave idle, at least one; all where nothing was measured."""
    if before is None or after is None or after.all <= before.all:
        return cores
    share = (after.idle - before.idle + after.own - before.own) / (after.all - before.all)
    return min(cores, max(1, round(cores * share)))


def _set(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of PyTorch when it is loaded, and of processes that are started
    loaded = sys.modules.get("torch")
    if loaded is not None:
        loaded.set_num_threads(threads)
