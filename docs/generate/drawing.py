"""What all pictures of the docs share: colours that everybody can tell apart, a plane with a distribution in it, tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from scorefield import Density
from scorefield.plotting import Square, Terrain

__all__ = ["BLUE", "GREEN", "ORANGE", "PINK", "RED", "arrows", "figure", "histogram", "law", "save", "save_table"]

BLUE, RED, GREEN, ORANGE, PINK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"  # Okabe & Ito


def figure(columns: int, width: float = 3.4, height: float = 3.75) -> tuple[Figure, list[Axes]]:
    """Return a figure of one row of panels."""
    sheet = Figure(figsize=(width * columns, height), layout="constrained")
    return sheet, list(np.atleast_1d(sheet.subplots(1, columns)))


def law(axes: Axes, density: Density, square: Square) -> None:
    """Shade the regions that hold 50, 90 and 99 % of a distribution."""
    Terrain.of(density, square, side=120, draws=4000).fill(axes)
    square.frame(axes)


def arrows(axes: Axes, points: Tensor, field: Tensor, colour: str) -> None:
    """Draw vectors at their true length."""
    (x, y), (u, v) = points.T.numpy(), field.T.numpy()
    axes.quiver(x, y, u, v, angles="xy", scale_units="xy", scale=1, width=0.004, color=colour)


def histogram(axes: Axes, values: Tensor, grid: Tensor, exact: Tensor, colour: str = BLUE) -> None:
    """Draw samples of one number over the density they should have."""
    axes.hist(values.numpy(), bins=60, range=(grid[0].item(), grid[-1].item()), density=True, color=colour, alpha=0.55)
    axes.plot(grid.numpy(), exact.numpy(), color="black", linewidth=1.4)


def save(sheet: Figure, folder: Path, name: str) -> None:
    """Write a picture."""
    sheet.savefig(folder / f"{name}.png", dpi=140)


def save_table(folder: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a Markdown table for an ``{include}``."""
    lines = [head, ["---"] * len(head), *rows]
    (folder / f"{name}.inc").write_text("".join("| " + " | ".join(line) + " |\n" for line in lines))
