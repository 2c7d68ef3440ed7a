"""``scorefield doctor``: say what this machine has, and what is missing."""

import json
import os
import platform
import sys
from importlib import metadata
from typing import Any

from jsonargparse import ArgumentParser, Namespace

import scorefield
from scorefield.cli.options import command, report
from scorefield.errors import DataError

_EXTRAS = {
    "tensorboard": ("tensorboard",),
    "video": ("imageio", "imageio-ffmpeg"),
    "metrics": ("POT", "arviz-stats", "torchdiffeq"),
    "demo": ("fastapi", "uvicorn"),
    "report": ("typst",),
}


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command("Say what this machine has: versions, processors, precision, extras, data.")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Print the report; return 0, since a missing package is no failure."""
    facts = examine()
    print(json.dumps(facts) if args.json else "\n".join(f"{key:<22} {value}" for key, value in facts.items()))
    return 0


def examine() -> dict[str, Any]:
    """Return the facts, the most useful first."""
    import torch

    from scorefield.networks.precision import uses_bf16
    from scorefield.pretrained import shipped_models

    facts: dict[str, Any] = {
        "scorefield": scorefield.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        "cpu vector units": torch.backends.cpu.get_cpu_capability(),
        "fast bf16 on cpu": "yes: precision=auto is bfloat16"
        if uses_bf16("auto", torch.device("cpu"))
        else "no: precision=auto is float32",
        "cuda": ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())) or "none",
        "shipped models": ", ".join(shipped_models()) or "none",
        "mnist": _mnist(),
    }
    for extra, packages in _EXTRAS.items():
        missing = [name for name in packages if not _installed(name)]
        facts[f"extra {extra}"] = (
            f"missing {', '.join(missing)}: pip install 'scorefield[{extra}]'" if missing else "installed"
        )
    if sys.prefix == sys.base_prefix:
        facts["environment"] = "not a virtual environment; python3 -m venv keeps this machine's packages apart"
    return facts


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _mnist() -> str:
    """Return whether MNIST is on this machine, without downloading it."""
    from scorefield.data import mnist

    place = os.environ.get("SCOREFIELD_DATA")
    if place is None:
        return "downloaded and hash-checked when first used; or set SCOREFIELD_DATA to a folder that has it"
    try:
        mnist(train=False, data_dir=place)
    except DataError as error:
        return f"SCOREFIELD_DATA is set, but: {error}"
    return f"found in SCOREFIELD_DATA ({place})"
