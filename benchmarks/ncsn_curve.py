"""``python -m benchmarks.ncsn_curve RUN``: the loss of a run of NCSN's recipe over its first steps, beside that of the published code.

    scorefield train --config configs/mnist-ncsn.yaml --run RUN --train.log_every 1 --train.checkpoint_every 50

Stop it by Ctrl-C at step 500 (an hour on two cores); it may be interrupted and resumed on the way. Tells the loss after 1, 100 and 500
steps as the mean of the last hundred steps, or of all where there were fewer. Writes curve.json, with every step's loss, and curve.png.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from scorefield.config import read_yaml
from scorefield.runs.folder import RunFolder

PUBLISHED = {1: 503.0, 100: 229.0, 500: 79.0}  # loss after so many steps, the same mean of the last hundred
WINDOW = 100


def main(argv: Sequence[str] | None = None) -> None:
    """Read, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder that logged every step")
    parser.add_argument("--out", type=Path, default=Path("results/ncsn"))
    args = parser.parse_args(argv)
    folder = RunFolder(args.run)
    settings = read_yaml(folder.config)
    settings["data"].pop("dir")
    losses = curve(folder)
    result = {
        "settings": settings,
        "ours": at_steps(losses),
        "published": {str(step): loss for step, loss in PUBLISHED.items()},
        "convention": f"mean over the last {WINDOW} steps, or over all where there were fewer",
        "environment": json.loads((folder.path / "environment.json").read_text()),
        "losses": [float(f"{loss:.6g}") for loss in losses],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "curve.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(args.out / "curve.png", losses)
    print(f"{args.out}/curve.json: ours {result['ours']}, published {result['published']}")


def curve(folder: RunFolder) -> list[float]:
    """Return the loss of every step.

    Raises:
        ValueError: the run did not log every step.
    """
    lines = folder.read_metrics()
    steps = [line["step"] for line in lines]
    if steps != list(range(1, len(lines) + 1)):
        raise ValueError(f"{folder.path}: logged the steps {steps[:3]} ...; train it with --train.log_every 1")
    return [line["loss"] for line in lines]


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
