"""Examples of public names, a few lines each: shown under the name on its API page, and run by tests/test_examples.py."""

from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SETUP", "examples", "names", "write"]

SETUP = """\
import numpy as np
import torch
import scorefield as sf
from scorefield import advice, config, data, evaluation, guidance, hub, interop, likelihood
from scorefield import metrics, networks, plotting, pretrained, toys, training

ring = sf.GaussianMixture.ring()  # eight modes on a circle, in the plane
process = sf.VE(sigma_min=0.01, sigma_max=20.0)
exact = sf.Exact(ring, process)  # the score of the noised ring, in closed form
generator = torch.Generator().manual_seed(0)
x, t = ring.sample(4, generator), torch.tensor(0.5)
a, b = ring.sample(200, generator), ring.sample(200, generator)
images = torch.arange(8, dtype=torch.uint8).reshape(2, 1, 2, 2) * 30
"""


@cache
def examples() -> dict[str, str]:
    """Return the examples by name, as one writes it after ``scorefield.``; a class may have its own in its docstring instead."""
    blocks = (Path(__file__).parent / "examples.txt").read_text(encoding="utf-8").split("\n\n")
    return {name: text for name, _, text in (block.strip().partition("\n") for block in blocks)}


def names(folder: Path) -> dict[str, Any]:
    """Return the names that examples start from; ``folder`` is a temporary one."""
    found: dict[str, Any] = {"folder": folder}
    exec(SETUP, found)  # noqa: S102 the text above
    return found


def write(folder: Path) -> None:
    """Write the lines that all examples share."""
    (folder / "examples.inc").write_text(f"```python\n{SETUP}```\n", encoding="utf-8")
