"""How our own cost grows: training with image and batch size, samplers with the number of steps, batches with the size of the data.

Training in float32; ratios are of the time of a step, to 28x28 and batch 64. The samplers' network returns half its input.
"""

from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor, nn

from benchmarks import memory
from benchmarks.timing import Note, Row, compare, in_turn, lasting
from benchmarks.training import BATCH, stepper
from scorefield import EDM, AnnealedLangevin, Denoiser, Euler, Ladder, LogSNR, Sampler, geometric, sample
from scorefield.data import Batches, Dataset

CASES = {f"{size}x{size}, batch {BATCH}": (size, BATCH) for size in (28, 16, 32, 64)} | {
    f"28x28, batch {batch}": (28, batch) for batch in (1, 8, 512)
}
STEPS = (10, 100, 1000)
IMAGES = (1_000, 10_000, 60_000)
SHAPE = (64, 1, 28, 28)
CONSECUTIVE = 32  # batches drawn in one measurement


def run(rounds: int = 4) -> list[Row | Note]:
    """Return rows of training, sampling and data."""
    return [*training(rounds), *sampling(rounds), *data(rounds)]


def training(rounds: int) -> list[Row | Note]:
    """Return images/s and peak memory."""
    sides = {name: stepper("fp32", False, *case) for name, case in CASES.items()}
    rows = compare(in_turn(sides, rounds, warmup=1), next(iter(CASES)), "images/s", 1)
    rates = [row._replace(what=f"training step, {row.what}", value=row.value * CASES[row.what][1]) for row in rows]
    target = "benchmarks.training:stepper"
    peaks = [memory.row(f"training step, {name}", target, "fp32", False, *case) for name, case in CASES.items()]
    return [*rates, *peaks]


def sampling(rounds: int) -> list[Row]:
    """Return what a step of a draw costs beside the network, when there are few and when there are many."""
    process = EDM(0.01, 20.0)
    model = Denoiser(Free(), process, sigma_data=0.5)

    def draw(sampler: Sampler, times: Tensor) -> Callable[[], object]:
        return lambda: sample(model, sampler, SHAPE, grid=times, denoise=False)

    def levels(n: int) -> Tensor:
        return Ladder(geometric(20.0, 0.01, n)).times(process)

    euler = {f"Euler, {n} steps: one step": (n, draw(Euler(), LogSNR(n).times(process))) for n in STEPS}
    chain = AnnealedLangevin(repeats=1)
    annealed = {f"AnnealedLangevin, {n} levels of one step: one step": (n, draw(chain, levels(n))) for n in STEPS}
    rows = []
    for cases in (euler, annealed):
        times = in_turn({name: work for name, (_, work) in cases.items()}, rounds)
        rows += lasting(times, next(iter(cases)), "µs", 1e6, {name: n for name, (n, _) in cases.items()})
    return rows


def data(rounds: int) -> list[Row]:
    """Return the time of a batch of bytes, dequantised."""
    sides = {f"batch of {BATCH} out of {n} images of 28x28": stream(n) for n in IMAGES}
    return lasting(in_turn(sides, rounds), next(iter(sides)), "ms", 1e3, dict.fromkeys(sides, CONSECUTIVE))


def stream(n: int) -> Callable[[], None]:
    """Return a function that draws the next batches of a data set of ``n`` images."""
    images = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8)
    batches, numbers = Batches(Dataset(images, None, "noise"), BATCH, 0), count()

    def draw() -> None:
        for _ in range(CONSECUTIVE):
            batches.batch(next(numbers))

    return draw


class Free(nn.Module):
    """A network that costs nothing."""

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return half the input."""
        return 0.5 * x
