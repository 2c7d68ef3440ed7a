"""Noise by either generator, side by side: ``python -m benchmarks.noise [DEVICE]``, normals per second as JSON.

A draw counts with the making of its stream, as training makes one at every step.
"""

import json
import math
import statistics
import sys
from functools import partial
from typing import get_args

import torch

from scorefield import Noise
from scorefield._noise import Stream

from .timing import in_turn

SIZES = {
    "2-D points": (10_000, (2,)),
    "digits": (64, (1, 28, 28)),
    "many digits": (1000, (1, 28, 28)),
    "colours": (64, (3, 32, 32)),
}


def rates(device: str = "cpu", rounds: int = 21) -> dict[str, dict[str, float]]:
    """Return the millions of normals per second of either generator at every size."""

    def draw(n: int, event: tuple[int, ...], generator: Stream) -> None:
        Noise(range(n), event, generator=generator, device=device).normal()
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    found = {}
    for name, (n, event) in SIZES.items():
        times = in_turn({kind: partial(draw, n, event, kind) for kind in get_args(Stream)}, rounds)
        found[name] = {kind: n * math.prod(event) / 1e6 / statistics.median(value) for kind, value in times.items()}
    return found


if __name__ == "__main__":
    print(json.dumps({"device": sys.argv[1:] or ["cpu"], "threads": torch.get_num_threads(), **rates(*sys.argv[1:])}))
