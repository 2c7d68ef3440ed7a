"""``python -m benchmarks.ncsn_curve``: the loss of NCSN's recipe over its first steps, beside that of the published code.

Trains configs/mnist-ncsn.yaml as it stands (only the number of steps is cut) and tells the loss after 1, 100 and 500 steps as the mean of
the last hundred steps, or of all where there were fewer. Writes curve.json, with every step's loss, and curve.png. About 20 minutes on two
cores; needs MNIST (SCOREFIELD_DATA, or a download).
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scorefield.config import RunConfig, merge, read_yaml, validate
from scorefield.data import Batches
from scorefield.training import OneProcess, TrainState, pick_device, train
from scorefield.training.run import environment

CONFIG = Path(__file__).parents[1] / "configs" / "mnist-ncsn.yaml"
PUBLISHED = {1: 503.0, 100: 229.0, 500: 79.0}  # loss after so many steps, the same mean of the last hundred
WINDOW = 100


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--ngf", type=int, help="of the network; the recipe's 64 when absent")
    parser.add_argument("--data-dir", help="where MNIST is (or SCOREFIELD_DATA)")
    parser.add_argument("--out", type=Path, default=Path("results/ncsn"))
    args = parser.parse_args(argv)
    changes: dict[str, Any] = {"train": {"steps": args.steps}, "data": {"dir": args.data_dir}}
    if args.ngf is not None:
        changes["network"] = {"ngf": args.ngf}
    config = validate(RunConfig, merge(read_yaml(CONFIG), changes), "command line")
    began = time.perf_counter()
    losses = curve(config)
    result = {
        "settings": config.model_dump(mode="json", exclude={"data": {"dir"}}),
        "ours": at_steps(losses),
        "published": {str(step): loss for step, loss in PUBLISHED.items()},
        "convention": f"mean over the last {WINDOW} steps, or over all where there were fewer",
        "seconds": round(time.perf_counter() - began, 1),
        "environment": environment(pick_device(config.train.device)),
        "losses": [float(f"{loss:.6g}") for loss in losses],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "curve.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(args.out / "curve.png", losses)
    print(f"{args.out}/curve.json: ours {result['ours']}, published {result['published']}")


def curve(config: RunConfig) -> list[float]:
    """Return the loss of every step."""
    dataset = config.data.load()
    parallel = OneProcess(pick_device(config.train.device))
    settings = config.train.build(config.seed)
    state = TrainState.create(config.build_model(dataset.event).to(parallel.device), settings)
    batches = Batches(dataset, config.train.batch_size, config.seed)
    losses: list[float] = []
    for record in train(state, batches, config.build_objective(), settings, parallel):
        losses.append(record.loss)
        if record.step % 10 == 0 and sys.stderr.isatty():
            print(f"step {record.step}: {record.loss:.1f}", file=sys.stderr)
    return losses


def at_steps(losses: Sequence[float]) -> dict[str, float]:
    """Return the loss after each published number of steps that was reached."""
    return {str(step): round(recent(losses, step), 2) for step in PUBLISHED if step <= len(losses)}


def recent(losses: Sequence[float], step: int) -> float:
    """Return the mean loss of the last hundred steps up to ``step``."""
    window = losses[max(0, step - WINDOW) : step]
    return sum(window) / len(window)


def draw(path: Path, losses: Sequence[float]) -> None:
    """Write the curve with the published points."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    steps = range(1, len(losses) + 1)
    axes.plot(steps, losses, color="0.8", linewidth=0.8, label="one batch")
    axes.plot(steps, [recent(losses, step) for step in steps], color="C0", label=f"mean of the last {WINDOW} steps")
    axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "o", color="C1", label="published code, the same mean")
    axes.set(xlabel="optimiser step", ylabel="loss per example", xscale="log", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
