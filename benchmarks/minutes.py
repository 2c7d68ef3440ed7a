"""``python -m benchmarks.minutes --minutes 5``: which network and recipe draws the best digits after so many minutes of training.

Every variant of configs/mnist.yaml is given the same wall-clock time, measured on this machine: a few steps tell its speed, and the
learning rate decays to zero over as many steps as fit. Then its samples, guided as the recipe says, are compared with test digits; the
floor is what training digits get at the same n. Results are kept in results/minutes/results.json, one entry per variant and budget, so that
a study of hours can be made in parts; the figure shows all there are. Wants idle cores and MNIST (SCOREFIELD_DATA, or a download).
"""

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from scorefield import sample
from scorefield.config import RunConfig, merge, read_yaml, validate
from scorefield.data import Batches, Dataset, mnist
from scorefield.metrics import evaluate
from scorefield.models import ScoreModel
from scorefield.networks.precision import uses_bf16
from scorefield.pretrained import LoadedModel, guided, load_judge, lowered, weighted
from scorefield.training import OneProcess, TrainState, pick_device, train
from scorefield.training.run import environment

CONFIG = Path(__file__).parents[1] / "configs" / "mnist.yaml"
VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "depth 2": {"network": {"depth": 2}},
    "depth 1": {"network": {"depth": 1}},
    "width 96": {"network": {"width": 96}},
    "width 160": {"network": {"width": 160, "depth": 2}},
    "ln σ around −1.2": {"objective": {"mean": -1.2}},
    "ln σ around 0": {"objective": {"mean": 0.0}},
    "learning rate 1e-3": {"train": {"learning_rate": 1e-3}},
    "learning rate 4e-3": {"train": {"learning_rate": 4e-3}},
    "batch 32": {"train": {"batch_size": 32}},
    "batch 128": {"train": {"batch_size": 128}},
    "average 0.9995": {"train": {"ema_decay": 0.9995}},
    "compiled": {"train": {"compile": True}},
    "fp32": {"train": {"precision": "fp32"}},
}
SHOWN = ("frechet_distance", "confidence", "sure", "coverage")
PILOT, GUIDED = 30, 0.05  # steps that tell the speed; share of the steps after which the guide is kept


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), help=", ".join(VARIANTS))
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("-n", type=int, default=2000, help="samples")
    parser.add_argument("--out", type=Path, default=Path("results/minutes"))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    stored = args.out / "results.json"
    results = json.loads(stored.read_text()) if stored.exists() else []
    for name in args.variants:
        entry = {"variant": name, "minutes": args.minutes, "n": args.n, **study(VARIANTS[name], args.minutes, args.n)}
        results = [e for e in results if (e["variant"], e["minutes"]) != (name, args.minutes)] + [entry]
        stored.write_text(json.dumps(results, indent=1) + "\n")
        print(
            f"{name}, {args.minutes:g} min, {entry['steps']} steps: FID {entry['frechet_distance']['times_floor']:.2f} × its floor"
        )
    draw(args.out / "figure.png", results)


def study(changes: dict[str, Any], minutes: float, n: int) -> dict[str, Any]:
    """Return what a variant reaches in that time."""
    data = mnist()
    config = validate(RunConfig, merge(read_yaml(CONFIG), changes), "variant").resolve(data)
    began = time.perf_counter()
    run(config, data, PILOT)  # with the compiler's work, which it is right to charge
    began, pilot = time.perf_counter(), time.perf_counter() - began
    run(config, data, PILOT)
    rate = PILOT / (time.perf_counter() - began)
    steps = max(PILOT, round(rate * (60 * minutes - (pilot - PILOT / rate))))
    config = validate(
        RunConfig,
        merge(
            config.model_dump(mode="json"),
            {"train": {"steps": steps}, "guide": {"step": max(1, round(GUIDED * steps))}},
        ),
        "",
    )
    began = time.perf_counter()
    state = run(config, data, steps)
    seconds = time.perf_counter() - began
    return {"steps": steps, "seconds": round(seconds, 1), "changes": changes, **measure(config, state, n)}


def run(config: RunConfig, data: Dataset, steps: int) -> TrainState:
    """Return the state after so many steps of a fresh run."""
    parallel = OneProcess(pick_device(config.train.device))
    settings = config.train.build(config.seed, config.guide.step)
    state = TrainState.create(config.build_model(data.event).to(parallel.device), settings)
    records = train(
        state, Batches(data, config.train.batch_size, config.seed), config.build_objective(), settings, parallel
    )
    for _ in islice(records, steps):
        pass
    return state


def measure(config: RunConfig, state: TrainState, n: int) -> dict[str, Any]:
    """Return the quality of samples, beside that of training digits."""
    model, weak = state.ema, weighted(config, (1, 28, 28), state.guide or {}, "guide")
    if not isinstance(model, ScoreModel) or not isinstance(weak, ScoreModel):
        raise TypeError(f"a {type(model).__name__} was trained, where a score model draws digits")
    loaded = LoadedModel(model, config, (1, 28, 28), CONFIG, weak)
    if uses_bf16(config.train.precision, torch.device("cpu")):
        loaded = lowered(loaded)
    sampler, times = config.sampling.build(model.process)
    drawn = sample(guided(loaded), sampler, (n, 1, 28, 28), times=times, batch_size=250)
    real, floor = mnist(train=False).scaled(slice(0, n)), mnist().scaled(slice(0, n))
    found = {m.name: m for m in evaluate(drawn.x, real, floor, judge=load_judge())}
    rows = {
        name: {"samples": found[name].samples.value, "error": found[name].samples.error, "real": found[name].real.value}
        for name in SHOWN
    }
    distance = rows["frechet_distance"]
    distance["times_floor"] = distance["samples"] / distance["real"]
    return {
        **rows,
        "parameters": loaded.parameters,
        "evaluations": drawn.evaluations,
        "environment": environment(torch.device("cpu")),
    }


def draw(path: Path, results: list[dict[str, Any]]) -> None:
    """Write quality against minutes, a line per variant."""
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(dict.fromkeys(e["variant"] for e in results)):
        points = sorted((e["minutes"], e["frechet_distance"]["times_floor"]) for e in results if e["variant"] == name)
        axes.plot(
            *zip(*points, strict=True), marker="o", label=name, color=f"C{k % 10}", linestyle="-" if k < 10 else "--"
        )
    axes.axhline(1.0, color="black", linestyle=":", label="training digits")
    axes.set(xlabel="minutes of training", ylabel="FID (MNIST features) over its floor", xscale="log", yscale="log")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
