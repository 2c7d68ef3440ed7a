"""What the command line gains by keeping freed memory (`scorefield.cli.memory`): training steps of 64 and draws of 250 digits.

Both in bfloat16 where the processor has it. Each side is a process of its own, since the setting lasts for one.
"""

from collections.abc import Callable
from functools import cache

from benchmarks.timing import Row, compare, in_turn_apart
from benchmarks.training import BATCH, stepper
from scorefield import sample
from scorefield.cli.memory import keep_freed
from scorefield.pretrained import load_model

STEPS = 10  # of training, in one measurement
DRAWN = 250  # digits at once


def run(rounds: int = 8) -> list[Row]:
    """Return images/s of both sides."""
    rows = []
    for what, work, amount in (("training", train, STEPS * BATCH), ("sampling", draw, DRAWN)):
        returned, kept = (f"{what}, freed memory {how}" for how in ("returned", "kept"))
        times = in_turn_apart({returned: work, kept: work}, rounds, first={kept: keep_freed})
        rows += compare(times, returned, "images/s", amount)
    return rows


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
    model = loaded.steered()
    return lambda: sample(model, sampler, (DRAWN, *loaded.event), grid=times)


def draw() -> None:
    """Draw some digits as `scorefield sample mnist` does."""
    _drawing()()
