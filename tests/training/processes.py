"""What each process of `test_processes` does: train as one of several, and leave what the first of them has.

They may each hold a share, and one may be asked to die on the way.
"""

import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from small import as_bytes, images, small_run
from torch import Tensor
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from scorefield import DSM, SSM, VE, Denoiser, GaussianMixture, Optimization, TrainState, train
from scorefield.data import Batch, Batches, Dataset, DensityBatches
from scorefield.errors import ConfigError
from scorefield.networks import MLP
from scorefield.objectives.base import Objective
from scorefield.training import Accelerated, Parallel, Sharded
from scorefield.training.sharding import in_shares

TARGET = GaussianMixture.ring(modes=4, radius=2.0, std=0.3)
SETTINGS = Optimization(steps=60, learning_rate=2e-3, warmup=5, precision="fp32", seed=3)
CASES = [
    *((dtype, rows) for dtype in (torch.float32, torch.float64) for rows in ("density, 32", "one example, 33")),
]

MUON: dict[str, Any] = {"width": 16, "optimizer": "muon", "averages": [0.1], "accumulate": 2, "guided": 3}


@dataclass
class Cast:
    """Batches in another precision."""

    batches: Batches | DensityBatches
    dtype: torch.dtype

    def __post_init__(self) -> None:
        self.batch_size, self.rows, self.event = self.batches.batch_size, self.batches.rows, self.batches.event

    def batch(self, k: int) -> Batch:
        return Batch(self.batches.batch(k).x.to(self.dtype), None)


def trained(
    dtype: torch.dtype,
    rows: str,
    parallel: Parallel,
    accumulate: int = 1,
    objective: Objective[Any] | None = None,
    steps: int = 60,
) -> dict[str, Tensor]:
    """Return the weights after so many steps; of an uneven batch and a data set smaller than the processes in the second case."""
    one = Dataset(torch.tensor([[1.0, -2.0]]), None, "one")
    place = {"rank": parallel.rank, "world": parallel.world}
    batches = DensityBatches(TARGET, 32, 3, **place) if rows == "density, 32" else Batches(one, 33, 3, **place)
    torch.manual_seed(0)
    model = Denoiser(MLP(2, width=16, depth=2), VE(sigma_min=0.05, sigma_max=5.0), sigma_data=1.4).to(dtype)
    state = TrainState.create(model, SETTINGS, parallel)
    list(
        train(
            state,
            Cast(batches, dtype),
            objective or DSM(),
            replace(SETTINGS, accumulate=accumulate, steps=steps),
            parallel,
        )
    )
    return {name: value.clone() for name, value in state.gathered()["model"].items()}


def messages(parallel: Parallel) -> list[int]:
    """Return how often gradients were sent in a step of one part, and in one of four."""
    counts = []
    for parts in (1, 4):
        engines: list[DistributedDataParallel] = []
        sent: list[int] = []

        def counted(state: None, bucket: dist.GradBucket, sent: list[int] = sent) -> torch.futures.Future[Tensor]:
            sent.append(bucket.index())
            return allreduce_hook(None, bucket)  # pyright: ignore[reportArgumentType]

        class Counting(type(parallel)):
            def __init__(self) -> None:
                vars(self).update(vars(parallel))

            def summed(self, loss, engines=engines, counted=counted):
                engines.append(super().summed(loss))
                engines[0].register_comm_hook(None, counted)
                return engines[0]

        one = Dataset(torch.randn(8, 2), None, "eight")
        model = Denoiser(MLP(2, width=16, depth=2), VE(sigma_min=0.05, sigma_max=5.0), sigma_data=1.4)
        settings = replace(SETTINGS, steps=3, accumulate=parts)
        batches = Batches(one, 8, 3, rank=parallel.rank, world=parallel.world)
        list(train(TrainState.create(model, settings), batches, DSM(), settings, Counting()))
        counts.append(len(sent))
    return counts


def half_and_half(folder: Path, parallel: Parallel, **train: Any) -> None:
    """Train a run's second half where there is a first, else its first half."""
    advance(folder, parallel, 12 if folder.exists() else 6, **train)


def advance(folder: Path, parallel: Parallel, last: int, **train: Any) -> None:
    """Train a run of twelve steps from where it is, up to a step."""
    begun = folder.exists()
    parallel.wait()
    run, warned = small_run(folder, as_bytes() if train else images(), parallel=parallel, **train)
    with run:
        if begun:
            run.resume()
        for record in run:
            if record.step == last < 12:
                run.save()
                break
    assert warned == [], warned


def dying(folder: Path, parallel: Parallel) -> None:
    """Let the second of the processes be killed at the fifth step."""
    run, _ = small_run(folder / "dying", parallel=parallel, checkpoint_every=2)
    for record in run:
        if record.step == 5 and parallel.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def sharded(folder: Path, parallel: Parallel) -> None:
    """Train as processes of which each holds a share."""
    for dtype in (torch.float32, torch.float64):
        weights = trained(dtype, "one example, 33", parallel, 3, steps=20)
        if parallel.rank == 0:
            save_file(weights, folder / f"{dtype}.safetensors")
    advance(folder / "sharded", parallel, 12, **MUON)
    for name in ("sharded-sharded", "sharded-sharded", "one-sharded"):
        half_and_half(folder / name, parallel, **MUON)
    refused = ""
    try:
        trained(torch.float32, "density, 32", parallel, objective=SSM(ratio=0.3))
    except ConfigError as error:
        refused = str(error)
    (folder / f"told-{parallel.rank}").write_text(json.dumps([refused, *held(parallel)]))


def held(parallel: Parallel) -> tuple[int, int, int]:
    """Return how many numbers of its weights a process holds, how many there are, and how many it holds for a checkpoint."""
    model = Denoiser(MLP(2, width=16, depth=2), VE(sigma_min=0.05, sigma_max=5.0), sigma_data=1.4)
    state = TrainState.create(model, SETTINGS, parallel)
    weights = [x for x in state.tensors()["model"].values() if in_shares(x)]
    gathered = state.gathered(keep=parallel.rank == 0)["model"].values()
    return sum(x.to_local().numel() for x in weights), sum(x.numel() for x in weights), sum(x.numel() for x in gathered)


def replicated(folder: Path, parallel: Parallel) -> None:
    """Train as processes of which each holds the whole."""
    for dtype, rows in CASES:
        for parts in (1, 3):
            weights = trained(dtype, rows, parallel, parts)
            if parallel.rank == 0:
                save_file(weights, folder / f"{dtype} {rows} {parts}.safetensors")
    if parallel.rank == 0:
        (folder / "sent").write_text(json.dumps(messages(parallel)))
    else:
        messages(parallel)
    half_and_half(folder / "several-one", parallel)
    half_and_half(folder / "one-several", parallel)


def main(folder: Path, *how: str) -> None:
    parallel = Sharded(Accelerated("cpu")) if "sharded" in how else Accelerated("cpu")
    work = dying if "die" in how else sharded if "sharded" in how else replicated
    work(folder, parallel)
    parallel.leave()
    assert not torch.distributed.is_initialized()
