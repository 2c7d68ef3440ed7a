"""Vector fields: the true score, the learned one, and where they differ."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from torch import Tensor

from scorefield._tensors import evaluating
from scorefield.models import Exact, ScoreModel
from scorefield.plotting.plane import Square, Terrain, in_parts
from scorefield.plotting.sheet import Placed, sheet

_FINE = 160  # pixels of the maps along one edge
_ARROWS = 19  # arrows along one edge


def score_panels(
    path: Path | None,
    model: ScoreModel,
    exact: Exact,
    t: Float[Tensor, ""],
    square: Square,
    **placed: Unpack[Placed],
) -> None:
    """Write true score, learned score and relative error at time t, side by side.

    Colour is the norm of a score, on one logarithmic scale for both; arrows grow with it, but never beyond their cell. The error is

        ‖ŝ − s‖ / √(‖s‖² + E‖s‖²),   the expectation over p_t,

    so that it does not blow up where the true score vanishes.
    """
    marginal = exact.marginal(t)
    terrain = Terrain.of(marginal, square)
    draws = marginal.sample(4000, torch.Generator().manual_seed(0)).double()
    typical = in_parts(marginal.score, draws).square().sum(dim=1).mean().item()
    points = square.points(_FINE)
    with evaluating(model):
        true, learned = (in_parts(lambda x, m=m: m.score(x, t), points.float()).double() for m in (exact, model))
    error = (learned - true).norm(dim=1) / torch.sqrt(true.square().sum(dim=1) + typical)

    with sheet(path, (12.6, 5.6), **placed) as figure:
        panels = figure.subplots(1, 3, sharey=True)
        norms = true.norm(dim=1)
        scale = LogNorm(max(norms.quantile(0.02).item(), 1e-3 * norms.max().item()), norms.max().item())
        shown = [
            _map(axes, square, v.norm(dim=1), scale, "viridis")
            for axes, v in zip(panels, (true, learned), strict=False)
        ]
        wrong = _map(panels[2], square, error.clamp_min(1e-6), LogNorm(1e-2, 1.0), "cividis")
        for axes, field in zip(panels, (true, learned), strict=False):
            _arrows(axes, square, field, typical**0.5)
        _, sigma = exact.process.alpha_sigma(t)
        for axes, title in zip(panels, ("true score", "learned score", "relative error"), strict=True):
            terrain.lines(axes)
            terrain.outline(axes)
            axes.set_title(f"{title} at σ = {sigma.item():.2g}", fontsize=13)
        _colour_bar(figure, shown[0], panels[:2], "norm of the score", aspect=45)
        _colour_bar(figure, wrong, panels[2:], "error / norm of the true score", aspect=22)
        _legend(figure)


def _colour_bar(
    figure: Figure | SubFigure, shown: ScalarMappable, panels: Sequence[Axes], label: str, *, aspect: float
) -> None:
    """Put a colour bar below some panels."""
    bar = figure.colorbar(shown, ax=list(panels), location="bottom", extend="both", shrink=0.9, aspect=aspect, pad=0.02)
    bar.set_label(label, fontsize=11)
    bar.ax.tick_params(labelsize=9)


def _legend(figure: Figure | SubFigure) -> None:
    """Say what the lines are."""
    dark = [withStroke(linewidth=3.2, foreground="black")]
    border = Line2D([], [], color="white", linewidth=1.5, path_effects=dark, label="region of 99 % of the samples")
    heights = Line2D([], [], color="0.6", linewidth=0.9, label="contours of the true log density")
    figure.legend(handles=[border, heights], loc="outside lower center", ncols=2, fontsize=10, frameon=False)


def _map(axes: Axes, square: Square, values: Float[Tensor, " n"], scale: LogNorm, colours: str) -> ScalarMappable:
    """Paint one number per grid point."""
    (x, y), pixel = square.centre, square.half / (_FINE - 1)
    reach = square.half + pixel  # grid points are the pixels' centres
    image = axes.imshow(
        values.reshape(_FINE, _FINE).numpy(),
        extent=(x - reach, x + reach, y - reach, y + reach),
        norm=scale,
        cmap=colours,
        origin="lower",
        interpolation="bilinear",
    )
    square.frame(axes)
    return image


def _arrows(axes: Axes, square: Square, field: Float[Tensor, "n 2"], typical: float) -> None:
    """Draw every few grid points' vector: as long as nine tenths of a cell where the norm is large, shorter below ``typical``."""
    stride = _FINE // _ARROWS
    first = (_FINE - 1 - stride * (_ARROWS - 1)) // 2
    rows = slice(first, first + stride * _ARROWS, stride)
    vectors = field.reshape(_FINE, _FINE, 2)[rows, rows].numpy()
    x, y = (axis[rows] for axis in square.edges(_FINE))
    norm = np.linalg.norm(vectors, axis=2, keepdims=True)
    cell = 2 * square.half * stride / (_FINE - 1)
    u, v = np.moveaxis(0.9 * cell * vectors / (norm + 0.5 * typical), 2, 0)
    axes.quiver(
        *(x, y, u, v), angles="xy", scale_units="xy", scale=1, pivot="mid", width=0.0045, color="white", edgecolor="0.1",
        linewidth=0.4,
    )  # fmt: skip
