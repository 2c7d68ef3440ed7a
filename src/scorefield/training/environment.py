"""What a result depends on besides its configuration."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import scorefield


def environment(device: torch.device) -> dict[str, Any]:
    """Return what a result depends on besides its configuration."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "scorefield": scorefield.__version__,
        "git": _git_commit(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type} {name}".strip(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def _git_commit() -> str | None:
    """Return the commit of the source tree, marked when it is changed, or None outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
