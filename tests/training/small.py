"""A run small enough to be made again and again, on data that need no file; and what children of a test do with it."""

import contextlib
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from scorefield.cli import main
from scorefield.config import RunConfig, merge, validate
from scorefield.data import Dataset
from scorefield.runs import Run
from scorefield.training import loop

CONFIG: dict[str, Any] = {
    "data": {"kind": "digits"},
    "network": {"kind": "unet", "width": 4, "depth": 1},
    "train": {
        **{"steps": 12, "batch_size": 8, "warmup": 2, "precision": "fp32", "device": "cpu"},
        **{"log_every": 1, "checkpoint_every": 1000, "sample_every": 1000},
    },
    "sampling": {"steps": 2},
}


def images(channels: int = 1, n: int = 20) -> Dataset:
    """Return float images of 8 x 8 pixels."""
    return Dataset(torch.randn(n, channels, 8, 8, generator=torch.Generator().manual_seed(0)), None, "noise")


def as_bytes() -> Dataset:
    """Return 8-bit images of 8 x 8 pixels."""
    return Dataset(torch.randint(256, (20, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte(), None, "bytes")


def small_run(
    path: Path,
    data: Dataset | None = None,
    *,
    parallel: Any = None,
    width: int = 4,
    guided: int | None = None,
    sampling: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    **train: Any,
) -> tuple[Run, list[str]]:
    """Return a run in ``path`` with other settings of training, and the list its warnings go to."""
    warned: list[str] = []
    torch.manual_seed(0)
    settings = {
        **{"train": train, "network": {"width": width}, "guide": {"step": guided}},
        **{"sampling": sampling or {}, "model": model or {}},
    }
    config = validate(RunConfig, merge(CONFIG, settings), "test")
    return Run(config, path, data=data or images(), parallel=parallel, warn=warned.append), warned


def child_runs(arguments: list[str], errors: Path, *, bytes_left: int | None = None, seconds_a_step: float = 0) -> None:
    """Be the command line with these arguments, stderr in a file, with little memory or with slow steps where asked."""
    torch.set_num_threads(1)
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # else one that comes before the command has begun is multiprocessing's to tell
    sys.stderr = errors.open("w", buffering=1)
    if bytes_left is not None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + bytes_left, used + bytes_left))
    if seconds_a_step:
        clip = loop._clip

        def slow(*found):
            print("in a step", file=sys.stderr)
            time.sleep(seconds_a_step)
            return clip(*found)

        loop._clip = slow
    with Path(os.devnull).open("w") as out, contextlib.redirect_stdout(out):
        code = main(arguments)
    sys.stderr.close()
    os._exit(code)
