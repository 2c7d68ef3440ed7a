"""``python -m benchmarks.peers.quality --minutes 5``: what each library's own MNIST example draws after the same time of training.

Every library trains for as many minutes on this machine with the settings of its documentation (`benchmarks.peers.examples`) and draws
with its own sampler; ours is configs/mnist.yaml, as `benchmarks.minutes` has it. A step that has begun is finished. Drawing takes its own
time, which is told. The measures are those of `benchmarks.minutes`; the floor is what training digits get at the same n. Results are kept
in results/minutes/peers.json, one entry per library and budget, so that it can be run in parts, and shown in benchmarks/README.md.
Wants idle cores and MNIST.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import page
from benchmarks.minutes import VARIANTS, quality, study
from benchmarks.peers.examples import EXAMPLES, Example
from benchmarks.peers.libraries import available
from benchmarks.training import CONFIG
from scorefield.config import read_yaml
from scorefield.training import environment

OURS = "scorefield"
AT_ONCE = 250  # digits drawn together


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    names = [OURS, *EXAMPLES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="*", default=names, metavar="LIBRARY", help="; ".join(names))
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("-n", type=int, default=1000, help="samples")
    parser.add_argument("--out", type=Path, default=page.MINUTES)
    args = parser.parse_args(argv)
    for name in args.libraries:
        found = ours(args.minutes, args.n) if name == OURS else theirs(name, args.minutes, args.n)
        if found is None:
            continue
        entry = {"library": name, "minutes": args.minutes, "n": args.n, **found}
        print(page.table(page.keep(args.out / "peers.json", "library", entry), "library"))
    if args.out == page.MINUTES:
        page.write()


def ours(minutes: float, n: int) -> dict[str, Any]:
    """Return what our recipe reaches in that time."""
    batch = read_yaml(CONFIG)["train"]["batch_size"]
    return {"batch": batch, **study(VARIANTS["recipe"], minutes, n)}


def theirs(name: str, minutes: float, n: int) -> dict[str, Any] | None:
    """Return what a library's example reaches in that time; say why where it is not there."""
    torch.manual_seed(0)
    built, missing = available({name: EXAMPLES[name]})
    if missing:
        print(missing[0].what)
        return None
    example = built[name]
    steps, seconds = train(example.step, 60 * minutes)
    began = time.perf_counter()
    x = draw(example, n)
    return {
        "version": version(name.partition(",")[0]),
        "steps": steps,
        "seconds": round(seconds, 1),
        "batch": example.batch,
        "parameters": sum(p.numel() for p in example.net.parameters()),
        "evaluations": example.evaluations,
        "sampling_seconds": round(time.perf_counter() - began, 1),
        **quality(x, n),
        "environment": environment(torch.device("cpu")),
    }


def train(step: Callable[[], object], seconds: float) -> tuple[int, float]:
    """Return how many steps began within that time, one at least, and how long they took."""
    began, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - began < seconds:
        step()
        steps += 1
    return steps, time.perf_counter() - began


def draw(example: Example, n: int) -> Tensor:
    """Return n digits in [0, 1]; asked for one that is told them, of every kind as many."""
    labels = torch.arange(n) % 10
    return torch.cat([example.draw(some) for some in labels.split(AT_ONCE)]).clamp(0, 1)


if __name__ == "__main__":
    main()
