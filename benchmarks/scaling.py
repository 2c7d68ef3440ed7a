"""Weak scaling: two processes of one thread beside one process of two threads, the same steps of the MNIST U-Net in float32.

The ratio is of time, so 1.05 is 0.95 of the throughput. Where there are GPUs, each process with the same rows a step as one alone,
``torchrun --nproc-per-node N -m benchmarks.scaling cuda 256 20`` prints what share of N times the throughput of one N processes reach.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import pace
from benchmarks.timing import Row, compare
from scorefield.training import OneProcess, Parallel, Sharded, processes

HERE = Path(__file__).parent
ROWS, STEPS = 64, 20
ONE, TWO, SHARES = "one process of two threads", "two processes of one thread", "two processes that hold a share each"


def run(rounds: int = 6) -> list[Row]:
    """Return images per second of a batch of 128."""
    times: dict[str, list[float]] = {ONE: [], TWO: [], SHARES: []}
    for _ in range(rounds):
        found = started(2, 1)
        times[ONE].append(started(1, 2)["alone"])
        times[TWO].append(found["none"])
        times[SHARES].append(found["full"])
    return compare(times, ONE, "images/s", 2 * ROWS)


def started(number: int, threads: int, rows: int = ROWS, steps: int = STEPS) -> dict[str, float]:
    """Return what so many processes of so many threads measure, of ``rows`` for each thread a step."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(number), "--rdzv-backend", "c10d"]
    launcher += ["--rdzv-endpoint", "127.0.0.1:0", "-m", "benchmarks.scaling", "cpu", str(rows * threads), str(steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MASTER_ADDR": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, *launcher], capture_output=True, text=True, env=environment, cwd=HERE.parent, check=True
    )
    return json.loads(done.stdout)


def measured(parallel: Parallel, rows: int, steps: int) -> dict[str, float]:
    """Return seconds a step: of a process alone beside all others, and of all together, each with a copy or a share of the state."""
    found = {"alone": pace(OneProcess(parallel.device), rows, steps)}
    if parallel.world > 1:
        for way, together in (("none", parallel), ("full", Sharded(parallel))):
            parallel.wait()
            found[way] = pace(together, parallel.world * rows, steps)
    return found


def main(device: str, rows: int, steps: int) -> None:
    """Measure, and print JSON once."""
    parallel = processes(device)
    found: dict[str, Any] = dict(measured(parallel, rows, steps))
    found |= {f"efficiency, {way}": found["alone"] / found[way] for way in ("none", "full") if way in found}
    if parallel.rank == 0:
        name = torch.cuda.get_device_name() if parallel.device.type == "cuda" else "CPU"
        print(json.dumps({"device": name, "processes": parallel.world, "rows": rows, **found}))
    parallel.leave()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))
