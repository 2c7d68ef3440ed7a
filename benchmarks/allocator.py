"""What it brings that the command line keeps the memory it frees (`scorefield.cli.memory`): training steps of 64 and draws of 250 digits.

Both in bfloat16 where the processor has it. Each side is a process of its own, since the setting lasts for one.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from benchmarks.timing import Row, compare, in_turn
from benchmarks.training import BATCH, stepper
from scorefield import sample
from scorefield.cli.memory import keep_freed
from scorefield.pretrained import guided, load_model

STEPS = 10  # of training, in one measurement
DRAWN = 250  # digits at once
KEPT = {"freed memory returned": False, "freed memory kept": True}


def run(rounds: int = 8) -> list[Row]:
    """Return images/s of both sides."""
    rows = []
    for what, work, amount in (("training", train, STEPS * BATCH), ("sampling", draw, DRAWN)):
        pools = {f"{what}, {name}": process(kept) for name, kept in KEPT.items()}
        sides = {name: asked(pool, work) for name, pool in pools.items()}
        rows += compare(in_turn(sides, rounds), next(iter(sides)), "images/s", amount)
        for pool in pools.values():
            pool.shutdown()
    return rows


def process(kept: bool) -> ProcessPoolExecutor:
    """Return one process with either setting."""
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=keep_freed if kept else None)


def asked(pool: ProcessPoolExecutor, work: Callable[[], None]) -> Callable[[], None]:
    """Return a function that has the work done there."""
    return lambda: pool.submit(work).result()


@cache
def _step() -> Callable[[], object]:
    return stepper("auto", False)


def train() -> None:
    """Take a few steps."""
    for _ in range(STEPS):
        _step()()


@cache
def _drawing() -> Callable[[], object]:
    loaded = load_model("mnist", precision="auto")
    sampler, times = loaded.config.sampling.build(loaded.model.process)
    model = guided(loaded)
    return lambda: sample(model, sampler, (DRAWN, *loaded.event), times=times)


def draw() -> None:
    """Draw some digits as `scorefield sample mnist` does."""
    _drawing()()
