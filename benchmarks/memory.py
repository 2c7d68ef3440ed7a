"""``python -m benchmarks.memory TARGET ARGUMENTS``: the most memory a process held that took a few steps and did nothing else.

TARGET is module:function, ARGUMENTS a JSON list; what the function returns is called. The number is the kernel's high-water mark of
this very program (VmHWM): the ru_maxrss of getrusage starts at what the parent held when it started the child.
"""

import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import Note, Row

LIMIT = 8 << 30  # bytes a measured process may allocate
STEPS = 3
OVER = 3  # exit status of a process that met the limit


def row(what: str, target: str, *arguments: object) -> Row | Note:
    """Return the peak memory of steps of ``target``, Python and libraries included, or a line that says why there is none.

    Raises:
        RuntimeError: the steps failed for another reason than memory.
    """
    if not Path("/proc/self/status").exists():
        return Note(f"{what}: peak memory not measured, this system has no /proc")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", target, json.dumps(arguments)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == OVER:
        return Note(f"{what}: more than {LIMIT >> 30} GiB")
    if done.returncode != 0:
        raise RuntimeError(f"{target}{arguments} failed in a process of its own:\n{done.stderr}")
    return Row(f"{what}: peak memory", float(done.stdout.splitlines()[-1]), "MiB")


def main(target: str, arguments: str) -> int:
    """Take the steps, print MiB; return the exit status."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    module, _, function = target.partition(":")
    try:
        step = getattr(importlib.import_module(module), function)(*json.loads(arguments))
        for _ in range(STEPS):
            step()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return OVER
        raise
    print(high_water() / 1024)
    return 0


def high_water() -> int:
    """Return the largest resident set of this program so far, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
