"""What one GPU does: ``python -m benchmarks.gpu [DEVICE [MINUTES ...]]`` prints JSON with the card's name, and checks itself.

Without minutes it takes at most six of them. With them it also trains on MNIST so long each time, and compares what is drawn then with test
digits (FID over its floor); ``cuda 1 3`` still fits in six. On a CPU, in small, it is a test that the script works; its numbers say nothing
of a GPU. Several GPUs: `benchmarks.scaling`.
"""

import json
import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from benchmarks.noise import rates
from benchmarks.training import network
from scorefield import (
    DSM,
    EDM,
    Denoiser,
    Heun,
    Karras,
    LogNormal,
    Noise,
    Optimization,
    StepRecord,
    TrainState,
    edm_weight,
    sample,
    train,
)
from scorefield.config import RunConfig, validate
from scorefield.data import Batches, Dataset
from scorefield.networks.precision import Precision
from scorefield.runs import Run
from scorefield.training import OneProcess, Parallel
from scorefield.training.cost import cost

SETTINGS = Optimization(steps=10**9, learning_rate=1e-3, warmup=10, precision="fp32", generator="philox", seed=1)
OBJECTIVE = DSM(LogNormal(-1.893, 1.2), edm_weight(0.31))
EVENT = (1, 28, 28)
MODES = ("default", "reduce-overhead")


class Size(NamedTuple):
    """How much to measure."""

    batches: tuple[int, ...]
    steps: int
    drawn: int
    product: int
    rounds: int
    compiled: tuple[tuple[int, bool | Literal["graphs"]], ...]
    judged: int


FULL = Size((64, 256, 1024, 4096), 20, 10_000, 8192, 21, ((256, True), (256, "graphs"), (1024, "graphs")), 5000)
SMALL = Size((8,), 2, 4, 64, 3, (), 20)
RECIPE = {
    "train": {"batch_size": 1024, "learning_rate": 4e-3}
}  # of MNIST, for a device that is not busy with 64 images


def main(device: str, size: Size, budgets: Sequence[float] = ()) -> dict[str, Any]:
    """Return everything measured; every check is a number beside its bound, and ``failed`` names those that are beyond."""
    place, began = torch.device(device), time.perf_counter()
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    found: dict[str, Any] = {"device": name, "torch": torch.__version__, "checks": {}}
    for check in (losses, noises, drawings, resumes, lowered):
        value, bound = check(place)
        found["checks"][check.__name__] = {"value": value, "bound": bound, "ok": value <= bound}
    found["peak_bf16"] = peak = product(place, size)
    found["noise"] = rates(device, size.rounds)
    found["training"] = [training(place, batch, size, peak) for batch in size.batches]
    found["training"] += [training(place, batch, size, peak, how) for batch, how in size.compiled]
    found["sampling"] = sampling(place, size)
    found["sampling, compiled"] = [sampling(place, size, mode) for mode in MODES if size.compiled]
    found["minutes"] = [learnt(budget, size) for budget in budgets]
    found["failed"] = [check for check, row in found["checks"].items() if not row["ok"]]
    return found | {"seconds": round(time.perf_counter() - began, 1)}


def wait(place: torch.device) -> None:
    """Return when the device has done what it was told."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)


def timed(place: torch.device, work: Callable[[], object]) -> float:
    """Return the seconds of ``work`` on the device."""
    wait(place)
    began = time.perf_counter()
    work()
    wait(place)
    return time.perf_counter() - began


def model(place: torch.device) -> Denoiser:
    """Return the same model of digits every time."""
    return Denoiser(network(), EDM(0.002, 40.0), sigma_data=0.31, mean_data=0.13).to(place)


def images(n: int = 4096) -> Dataset:
    """Return bytes of the size of digits."""
    return Dataset(
        torch.randint(256, (n, *EVENT), generator=torch.Generator().manual_seed(0)).to(torch.uint8), None, "noise"
    )


def trained(place: torch.device, steps: int, precision: Precision = "fp32") -> list[float]:
    """Return the losses of the first steps."""
    settings = replace(SETTINGS, steps=steps, precision=precision)
    batches = Batches(images(), 8, 1, device=place, generator="philox")
    records = train(TrainState.create(model(place), settings), batches, OBJECTIVE, settings, OneProcess(place))
    return [record.loss for record in records]


def losses(place: torch.device) -> tuple[float, float]:
    """Compare the first losses with the CPU's, relatively."""
    pairs = zip(trained(place, 2), trained(torch.device("cpu"), 2), strict=True)
    return max(abs(ours - theirs) / abs(theirs) for ours, theirs in pairs), 1e-4


def noises(place: torch.device) -> tuple[float, float]:
    """Compare normals with the CPU's; uniforms must be equal."""
    here, there = (Noise(range(64), EVENT, device=device, generator="philox") for device in (place, "cpu"))
    gap = (here.normal().cpu() - there.normal()).abs().max().item()
    return (gap if torch.equal(here.uniform().cpu(), there.uniform()) else math.inf), 1e-6


def drawings(place: torch.device) -> tuple[float, float]:
    """Compare samples of the same seeds with the CPU's: an untrained network in float32, five steps."""
    drawn = [
        sample(model(device), Heun(), (4, *EVENT), grid=Karras(5), seed=0, generator="philox").x.cpu()
        for device in (place, torch.device("cpu"))
    ]
    return (drawn[0] - drawn[1]).abs().max().item(), 1e-3


def resumes(place: torch.device) -> tuple[float, float]:
    """Compare a run that was stopped after two of its four steps with one that was not: bit for bit."""
    few = {"steps": 4, "batch_size": 8, "precision": "fp32", "device": str(place), "generator": "philox"}
    values = {"network": {"kind": "unet", "width": 8, "depth": 1}, "sampling": {"steps": 2}, "train": few}
    torch.use_deterministic_algorithms(True, warn_only=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, half, again = (
            Run(validate(RunConfig, values, "benchmark"), Path(folder, name), data=images(64), warn=lambda _: None)
            for name in ("whole", "half", "half")
        )
        with whole:
            list(whole)
        with half:
            next(record for record in half if record.step == 2)
            half.save()
        with again:
            list(again.resume())
        weights = [run.state.tensors()["model"] for run in (whole, again)]
    torch.use_deterministic_algorithms(False)
    return max((value - weights[1][name]).abs().max().item() for name, value in weights[0].items()), 0.0


def lowered(place: torch.device) -> tuple[float, float]:
    """Return the loss after training in bfloat16 beside that before: it falls."""
    found = trained(place, 12, precision="bf16")
    return sum(found[-4:]) / sum(found[:4]), 1.0


def product(place: torch.device, size: Size) -> float:
    """Return the operations per second of a matrix product in bfloat16."""
    a = torch.randn(size.product, size.product, device=place).bfloat16()
    multiply = partial(torch.matmul, a, a)
    multiply()
    return 2 * size.product**3 / min(timed(place, multiply) for _ in range(size.rounds))


def started(parallel: Parallel, batch: int, settings: Optimization = SETTINGS) -> Iterator[StepRecord]:
    """Return the steps of a training of the U-Net that has taken its first ones."""
    place = {"rank": parallel.rank, "world": parallel.world, "device": parallel.device}
    batches = Batches(images(max(4096, batch)), batch, 1, **place, generator="philox")
    state = TrainState.create(model(torch.device("cpu")), settings, parallel)
    records = train(state, batches, OBJECTIVE, settings, parallel)
    for _ in range(3):
        next(records)
    return records


def pace(parallel: Parallel, batch: int, steps: int) -> float:
    """Return the seconds of a step in float32."""
    records = started(parallel, batch)
    return timed(parallel.device, lambda: [next(records) for _ in range(steps)]) / steps


def training(
    place: torch.device, batch: int, size: Size, peak: float, how: bool | Literal["graphs"] = False
) -> dict[str, Any]:
    """Return images per second of the U-Net in bfloat16, the share of the peak, memory foreseen and taken, and where a step waits."""
    records = started(OneProcess(place), batch, replace(SETTINGS, precision="bf16", compile=how))
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    seconds = timed(place, lambda: [next(records) for _ in range(size.steps)]) / size.steps
    taken = torch.cuda.max_memory_allocated(place) if place.type == "cuda" else None
    foreseen = cost(network(), EVENT)
    return {
        "batch": batch,
        "compile": how,
        "images/s": round(batch / seconds, 1),
        "of peak": round(3 * foreseen.operations * batch / seconds / peak, 3),
        "memory foreseen, float32": foreseen.memory(batch),
        "memory taken": taken,
        "a step waits in": waits(place, lambda: next(records)),
    }


def waits(place: torch.device, work: Callable[[], object]) -> list[str] | None:
    """Return the lines in which ``work`` waits for a GPU."""
    if place.type != "cuda":
        return None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")  # says itself that it is a prototype
        del said[:]
        work()
        torch.cuda.set_sync_debug_mode("default")
    return [
        f"{Path(warning.filename).name}:{warning.lineno}" for warning in said if "synchroniz" in str(warning.message)
    ]


def sampling(place: torch.device, size: Size, mode: str | None = None) -> dict[str, Any]:
    """Return digits per second, in float32, and what `sample` takes beside bare calls of the model; in a mode of torch.compile."""
    drawer, batch, grid = model(place).eval(), min(size.drawn, 1000), Karras(16)
    x, t = torch.randn(batch, *EVENT, device=place), torch.tensor(1.0)

    if mode is not None:
        drawer.net.compile(mode=mode)

    @torch.no_grad()
    def bare() -> None:
        for _ in range(2 * grid.steps + 1):
            drawer.denoise(x, t)

    draw = partial(sample, drawer, Heun(), (batch, *EVENT), grid=grid, generator="philox")
    draw(), bare()
    mine, theirs = (min(timed(place, work) for _ in range(2)) for work in (draw, bare))
    return {
        "compile": mode,
        "digits/s": round(batch / mine, 1),
        "evaluations": draw().evaluations,
        "beside bare calls": round(mine / theirs - 1, 3),
        "a draw waits in": waits(place, draw),
    }


def learnt(budget: float, size: Size) -> dict[str, Any]:
    """Return how good the digits are after so many minutes of training."""
    from benchmarks import minutes  # whose page shows this file's scaling

    return {"minutes": budget, **minutes.study(minutes.Variant(RECIPE), budget, size.judged)}


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "cuda" if torch.cuda.is_available() else "cpu"
    result = main(asked, FULL if asked.startswith("cuda") else SMALL, [float(budget) for budget in sys.argv[2:]])
    print(json.dumps(result))
    sys.exit(bool(result["failed"]))
