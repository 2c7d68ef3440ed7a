"""Training speed of the MNIST U-Net: fp32 and bf16, eager and compiled. Ratios are of time, to fp32 eager."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from benchmarks.timing import Row, compare, in_turn
from scorefield import DSM, EDM, Denoiser, LogNormal, Optimization, StepRecord, TrainState, edm_weight, train
from scorefield.config import read_yaml
from scorefield.config.rooms import NETWORK
from scorefield.data import Batches, Dataset
from scorefield.networks.precision import Precision

CONFIG = Path(__file__).parents[1] / "configs" / "mnist.yaml"
BATCH = 64
EPOCH = 60_000


def run(rounds: int = 12) -> list[Row]:
    """Return images per second and seconds per epoch of MNIST-sized data."""
    sides = {
        f"{precision} {'compiled' if compiled else 'eager'}": stepper(precision, compiled)
        for precision in ("fp32", "bf16")
        for compiled in (False, True)
    }
    rows = compare(in_turn(sides, rounds, warmup=3), "fp32 eager", "images/s", BATCH)
    epochs = [Row(f"{row.what}, one epoch of {EPOCH}", EPOCH / row.value, "s") for row in rows]
    return rows + epochs


def network(size: int = 28) -> nn.Module:
    """Return the network of configs/mnist.yaml for squares of that size, with the same weights every time."""
    torch.manual_seed(0)
    return NETWORK.read(read_yaml(CONFIG)["network"]).build(channels=1, size=(size, size), levels=None)


def stepper(precision: Precision, compiled: bool, size: int = 28, batch: int = BATCH) -> Callable[[], StepRecord]:
    """Return a function that takes one training step on noise-like images."""
    images = torch.randint(0, 256, (4096, 1, size, size), dtype=torch.uint8)
    model = Denoiser(network(size), EDM(0.002, 40.0), sigma_data=0.31, mean_data=0.13)
    settings = Optimization(steps=10**9, learning_rate=1e-3, warmup=100, precision=precision, compile=compiled)
    objective = DSM(LogNormal(-1.893, 1.2), edm_weight(0.31))
    records: Iterator[StepRecord] = train(
        TrainState.create(model, settings), Batches(Dataset(images, None, "noise"), batch, 0), objective, settings
    )
    return lambda: next(records)
