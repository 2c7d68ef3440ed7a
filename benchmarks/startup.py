"""What a command costs beyond `import torch`: processor seconds of whole processes, start to end, in turn."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.timing import Row

SAMPLE = "scorefield sample digits, one of two steps"


def run(rounds: int = 15) -> list[Row]:
    """Return the medians of both, and of what the command costs more."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = ["-n", "1", "--steps", "2", "--device", "cpu", "--threads", "1", "--out", str(Path(folder) / "x.npz")]
        sides = {"import torch": ["-c", "import torch"], SAMPLE: ["-m", "scorefield", "sample", "digits", *drawn]}
        spent = torch.tensor([[_seconds(command) for command in sides.values()] for _ in range(rounds)])
    more = spent[:, 1] - spent[:, 0]
    rows = [Row(name, side.median().item(), "s") for name, side in zip(sides, spent.T, strict=True)]
    return [*rows, Row("the command beyond the import", more.median().item(), "s")]


def _seconds(command: list[str]) -> float:
    """Return the processor time of a Python process, which finds its modules compiled."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
