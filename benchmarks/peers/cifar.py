"""A training step on images of 32×32×3: DDPM++ of score_sde's CIFAR-10 as it trains here, beside the U-Net of diffusers of nearly its size.

Theirs has the blocks of google/ddpm-cifar10-32, four on each grid in place of two, and the step of their tutorial: the mean squared error
of the noise under AdamW, in float32 or under bfloat16 autocast. Ours also seeds every image's noise, clips the gradient, averages the
weights and sets the learning rate: that is counted against us. Ratios are of time, to diffusers in bfloat16.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers.libraries import available, load, versions
from benchmarks.timing import Note, Row, compare, in_turn
from scorefield.config import RunConfig, merge
from scorefield.data import Batches, Dataset
from scorefield.interop.score_sde_config import PUBLISHED, run_of_score_sde
from scorefield.networks.precision import Precision
from scorefield.preconditioning import Networked
from scorefield.training import StepRecord, TrainState, train

BATCH = 4
NAME = "vp/cifar10_ddpmpp_continuous"


def run(rounds: int = 5) -> list[Row | Note]:
    """Return images/s of both in both precisions."""
    built, missing = available(SIDES)
    baseline = "diffusers, bf16" if "diffusers, bf16" in built else "scorefield, bf16"
    return [versions(), *compare(in_turn(built, rounds, warmup=1), baseline, "images/s", BATCH), *missing]


def ours(precision: Precision) -> Callable[[], StepRecord]:
    """Return a step of the published configuration."""
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    config = RunConfig.model_validate(merge(run_of_score_sde(PUBLISHED[NAME]), {"train": {"precision": precision}}))
    model, settings = config.build_model((3, 32, 32)), config.train.build(seed=0)
    assert isinstance(model, Networked)  # noqa: S101 for the type checker
    records: Iterator[StepRecord] = train(
        TrainState.create(model, settings),
        Batches(Dataset(images, None, "noise"), BATCH, 0),
        config.build_objective(),
        settings,
    )
    return lambda: next(records)


def theirs(precision: Precision) -> Callable[[], None]:
    """Return a step of diffusers' tutorial."""
    library = load("diffusers")
    net: nn.Module = library.UNet2DModel(
        sample_size=32,
        layers_per_block=4,
        block_out_channels=(128, 256, 256, 256),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        dropout=0.1,
    )
    scheduler, optimizer = library.DDPMScheduler(), torch.optim.AdamW(net.parameters(), lr=1e-4)
    images = torch.rand(64, 3, 32, 32) * 2 - 1

    def step() -> None:
        x, t = images[torch.randint(64, (BATCH,))], torch.randint(0, 1000, (BATCH,))
        noise = torch.randn_like(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            found = net(scheduler.add_noise(x, noise, t), t, return_dict=False)[0]
        F.mse_loss(found.float(), noise).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


SIDES: dict[str, Callable[[], Callable[[], object]]] = {
    "scorefield, bf16": lambda: ours("bf16"),
    "diffusers, bf16": lambda: theirs("bf16"),
    "scorefield, fp32": lambda: ours("fp32"),
    "diffusers, fp32": lambda: theirs("fp32"),
}
