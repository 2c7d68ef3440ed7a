"""No command needs torchvision: not where it is absent, and not where it breaks when imported, as one built for another torch does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scorefield.cli.main import build_parser

STATES = {
    "absent": "raise ModuleNotFoundError(\"No module named 'torchvision'\", name='torchvision')",
    "broken": "raise RuntimeError('operator torchvision::nms does not exist')",
}
TRAIN = "train --data.kind digits --network.width 8 --network.depth 1 --process.sigma_max 2 --device cpu --fast-dev-run"
FAST = (
    f"{TRAIN} --run run",
    "sample run --steps 2 -n 2 --out x.png",
    "sample run --steps 2 -n 2 --out x.gif",
    "evaluate run -n 20 --steps 2 --out evaluation",
    "likelihood run -n 2",
    "compress run -n 2 --steps 2 --out images.bits",
    "race run -n 2 --out race",
    "tune run -n 100 --out tune",
    "inpaint run --image 3 --mask left --steps 2 -n 2 --out inpaint.png",
    "solve run --image 3 --problem downsample:2 --steps 2 -n 2 --out solve.png",
    "suggest digits --out suggested.yaml",
    "convert run --to hub --out hub",
    "demo run",
    "reproduce --list",
    "doctor",
)
LONG = (
    "train --data.path table.csv --device cpu --fast-dev-run --run table",
    "impute table table.csv --device cpu --out imputed.csv",
    "toy circle --fast-dev-run --out toy",
    "quickstart --run quick --steps 2",
    "reproduce ring-mixing --out results",
)

IMPORTS = """
import importlib, pkgutil, sys
for package in map(importlib.import_module, ("scorefield", "scorefield_claims")):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        found.name.endswith("__main__") or importlib.import_module(found.name)
import uvicorn
uvicorn.Server.run = lambda self, sockets: None  # which would serve until Ctrl-C
from scorefield.cli import race
race._EVALUATIONS = race._MANY = (6, 9)  # a short one
from scorefield.metrics import classifier_test
classifier_test._PASSES = 1  # networks that tell samples from data are hardly trained
from scorefield.cli import main
for line in sys.argv[1:]:
    assert main(line.split()) == 0, line
"""


def without(state: str, folder: Path, commands: tuple[str, ...]) -> None:
    """Import every module and run commands in a process of their own, in ``folder``."""
    package = folder / "packages" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STATES[state])
    installed = folder / "packages" / "torchvision-0.1.dist-info"  # some look for a version before they import
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\n")
    (folder / "table.csv").write_text("a,b\n" + "1,2\n2,1\n3,5\n" * 9)
    path = os.pathsep.join([str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *commands],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.promise("E9")
@pytest.mark.slow
def test_the_commands_without_a_working_torchvision(tmp_path: Path) -> None:
    without("broken", tmp_path, FAST[:4])


@pytest.mark.promise("E9")
@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_every_command_without_torchvision(state: str, tmp_path: Path, mnist_dir: Path) -> None:
    judged = f"evaluate mnist -n 20 --steps 2 --out judged --data-dir {mnist_dir}"
    without(state, tmp_path, (*FAST, *LONG, judged))


def test_no_command_is_left_out() -> None:
    assert {line.split()[0] for line in FAST + LONG} == set(build_parser()._subcommands_action.choices)
