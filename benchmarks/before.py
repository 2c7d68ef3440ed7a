"""How fast this checkout is beside an earlier commit: the same work, each side from its own checkout, in turn.

The work is that of the other suites, so a commit is compared with what it called by the same name.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.timing import Row, compare, in_turn

FIRST_EDITION = "e6da096"
HERE = Path(__file__).resolve().parent.parent
UNITS = {"training step": "steps/s", "Heun": "draws/s", "Euler–Maruyama": "draws/s", "checkpoint of 15 MB": "saves/s"}
WORKER = """
import sys, tempfile, time
from pathlib import Path
import torch
from benchmarks import checkpoints, overhead, training
_, heun, euler_maruyama = overhead.samplers()
tensors = {f"w{k}": torch.randn(125_000) for k in range(30)}
saves = checkpoints.sides(Path(tempfile.mkdtemp(dir=sys.argv[1])), tensors, "15 MB")
work = {"training step": training.stepper("fp32", False), "Heun": heun, "Euler–Maruyama": euler_maruyama,
        "checkpoint of 15 MB": saves["checkpoint.save, 15 MB"]}
for line in sys.stdin:
    began = time.perf_counter()
    work[line.strip()]()
    print(time.perf_counter() - began, flush=True)
"""


def run(rounds: int = 40, commit: str = FIRST_EDITION) -> list[Row]:
    """Return a row per side and kind of work."""
    rows = []
    with ExitStack() as until_done:
        scratch = until_done.enter_context(tempfile.TemporaryDirectory(dir=HERE))
        before = until_done.enter_context(checkout(commit, Path(scratch) / "before"))
        then, now = (until_done.enter_context(side(root, scratch)) for root in (before, HERE))
        for work, unit in UNITS.items():
            asked = {f"{work}, at {commit}": partial(then, work), f"{work}, now": partial(now, work)}
            rows += compare(measured(asked, rounds), f"{work}, at {commit}", unit, 1)
    return rows


def measured(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return what each side's worker measured, without the way there; the order alternates from round to round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    record = {name: (lambda n=name, work=work: times[n].append(work())) for name, work in sides.items()}
    in_turn(record, rounds)
    return {name: values[-rounds:] for name, values in times.items()}


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """Yield a working tree of that commit."""
    git = ["git", "-C", str(HERE), "worktree"]
    subprocess.run([*git, "add", "--detach", str(folder), commit], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


@contextmanager
def side(root: Path, scratch: str) -> Iterator[Callable[[str], float]]:
    """Yield a function that does a piece of work in a process of that checkout and returns the seconds it took there."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, scratch],
        cwd=root,
        env={"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 for the type checker
        ask, answer = process.stdin, process.stdout

        def work(name: str) -> float:
            print(name, file=ask, flush=True)
            return float(answer.readline())

        yield work
        ask.close()
