"""Samples in the plane, the ways they took, and the film of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from torch import Tensor

from scorefield._checks import whole
from scorefield.densities import Density
from scorefield.errors import ConfigError
from scorefield.models import Exact
from scorefield.plotting.images import FASTEST, save_frames
from scorefield.plotting.plane import Square, Terrain, in_parts, planar
from scorefield.plotting.sheet import Placed, sheet, titled
from scorefield.sampling import Samples

# Okabe & Ito's colours, distinguishable with every kind of colour vision.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9", "#8a7a00")
_DOTS = 2000  # more would be a blot


def sample_panels(
    path: Path | None,
    rows: Mapping[str, Mapping[str, Samples]],
    terrain: Terrain,
    **placed: Unpack[Placed],
) -> None:
    """Write samples over the regions that hold 50, 90 and 99 % of the true mass: a row per score, a column per sampler."""
    rows = {score: titled(panels) for score, panels in titled(rows).items()}
    columns = len(next(iter(rows.values())))
    with sheet(path, (3.7 * columns + 0.6, 3.95 * len(rows) + 0.8), **placed) as figure:
        grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
        for line, (score, panels) in zip(grid, rows.items(), strict=True):
            line[0].set_ylabel(score, fontsize=13)
            for axes, (sampler, drawn) in zip(line, panels.items(), strict=True):
                terrain.fill(axes)
                _dots(axes, drawn.x)
                terrain.square.frame(axes)
                axes.set_title(f"{sampler}\n{drawn.evaluations:g} evaluations", fontsize=11)
        shown = min(_DOTS, *(len(drawn.x) for panels in rows.values() for drawn in panels.values()))
        figure.supxlabel(f"{shown} samples, over the regions that hold 50, 90 and 99 % of the true mass", fontsize=10)


def histogram_panels(
    path: Path | None,
    panels: Mapping[str, Samples],
    density: Density,
    square: Square,
    **placed: Unpack[Placed],
) -> None:
    """Write the true density and, beside it, the histogram of each sample: one scale, the same bins, the border of 99 % of the mass."""
    panels = titled(panels)
    bins = max(20, round(min(len(drawn.x) for drawn in panels.values()) ** 0.4))
    terrain = Terrain.of(density, square)
    shown = {"true density": _binned(density, square, bins)}
    shown |= {f"{name}\n{len(drawn.x)} samples": _histogram(drawn.x, square, bins) for name, drawn in panels.items()}
    with sheet(path, (3.7 * len(shown) + 0.8, 4.4), **placed) as figure:
        grid = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        (x, y), h = square.centre, square.half
        colours: Any = {"norm": Normalize(0, shown["true density"].max()), "cmap": "magma"}
        for axes, (title, height) in zip(grid, shown.items(), strict=True):
            axes.imshow(height, origin="lower", extent=(x - h, x + h, y - h, y + h), **colours)
            terrain.outline(axes)
            square.frame(axes)
            axes.set_title(title, fontsize=11)
        figure.colorbar(
            ScalarMappable(**colours),
            ax=grid.tolist(),
            label=f"density, mean over a bin of edge {2 * h / bins:.2g}",
            aspect=30,
        )


def _binned(density: Density, square: Square, bins: int) -> np.ndarray:
    """Return the mean of the density over each of bins² equal squares, ordinate first: what a histogram of many draws tends to."""
    fine = 8 * bins
    inner = Square(square.centre, square.half * (1 - 1 / fine))  # whose grid points are the centres of fine² cells
    height = in_parts(density.log_prob, inner.points(fine)).exp().numpy()
    return height.reshape(bins, 8, bins, 8).mean(axis=(1, 3))


def _histogram(x: Float[Tensor, "n 2"], square: Square, bins: int) -> np.ndarray:
    """Return the density of samples in each of bins² equal squares, ordinate first; those outside count as samples."""
    (a, b), h = square.centre, square.half
    counts = np.histogram2d(
        *planar(x, "samples").double().numpy().T[::-1], bins=bins, range=((b - h, b + h), (a - h, a + h))
    )[0]
    return counts / (len(x) * (2 * h / bins) ** 2)


def trajectory_panels(
    path: Path | None,
    panels: Mapping[str, Float[Tensor, "frames n 2"]],
    terrain: Terrain,
    chains: int = 6,
    **placed: Unpack[Placed],
) -> None:
    """Write the first few trajectories of each panel, from open circle to dot, fainter the longer ago."""
    whole(chains, "chains", 1)
    panels = {title: planar(path_of, "a trajectory") for title, path_of in titled(panels).items()}
    with sheet(path, (3.9 * len(panels), 4.5), **placed) as figure:
        for axes, (title, path_of) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
            terrain.fill(axes)
            for chain, colour in zip(path_of[:, :chains].unbind(dim=1), _COLOURS, strict=False):
                states = chain.numpy()
                axes.add_collection(_fading(states, colour))
                axes.plot(*states[0], "o", color=colour, markersize=7, markerfacecolor="white", markeredgewidth=1.6)
                axes.plot(*states[-1], "o", color=colour, markersize=8, markeredgecolor="white", zorder=3)
            terrain.square.frame(axes)
            axes.set_title(title, fontsize=12)
        start = Line2D(
            [], [], color="0.2", marker="o", linestyle="", markersize=7, markerfacecolor="white", label="start"
        )
        end = Line2D([], [], color="0.2", marker="o", linestyle="", markersize=7, label="end")
        figure.legend(handles=[start, end], loc="outside lower center", ncols=2, fontsize=10, frameon=False)


def _fading(states: np.ndarray, colour: str) -> LineCollection:
    """Return a line that begins faint and ends strong."""
    strength = np.linspace(0.25, 1.0, len(states) - 1)
    segments = np.stack([states[:-1], states[1:]], axis=1)
    return LineCollection(list(segments), colors=[to_rgba(colour, a) for a in strength], linewidths=0.9)


def save_path_film(
    path: Path,
    trajectory: Float[Tensor, "frames n 2"],
    times: Float[Tensor, " frames"],
    exact: Exact,
    square: Square,
    fps: int = 12,
) -> None:
    """Write a .gif or .mp4 of samples on their way, each frame over the exact distribution of its noise level, zooming in on ``square``."""
    whole(fps, "fps", 1, FASTEST)
    if len(planar(trajectory, "a trajectory")) != len(times):
        raise ConfigError(f"times must be one for each frame; received {len(times)} for {len(trajectory)} frames")
    frames = [_frame(x, t, exact, square) for x, t in zip(trajectory, times, strict=True)]
    save_frames(path, frames + [frames[-1]] * (2 * fps), fps, colours=64)


def _frame(x: Float[Tensor, "n 2"], t: Float[Tensor, ""], exact: Exact, square: Square) -> Image.Image:
    """Return one frame."""
    _, sigma = exact.process.alpha_sigma(t)
    view = Square(square.centre, max(square.half, 2.5 * sigma.item()))
    figure = Figure(figsize=(4.2, 4.5), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    Terrain.of(exact.marginal(t), view, side=80, draws=2000).fill(axes)
    _dots(axes, x)
    view.frame(axes)
    axes.set_title(f"noise level σ = {sigma.item():.3f}", fontsize=11)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _dots(axes: Axes, x: Float[Tensor, "n 2"]) -> None:
    """Scatter at most two thousand samples, larger dots for fewer."""
    some = planar(x, "samples")[:_DOTS].numpy()
    size = min(12.0, 6000 / len(some))
    axes.scatter(some[:, 0], some[:, 1], s=size, color=_COLOURS[0], alpha=0.5, linewidths=0)
