"""Curves and comparisons, drawn with matplotlib's object interface: no global state, no window."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from scorefield.plotting.images import grid_image
from scorefield.plotting.panels import picture_row

__all__ = ["loss_curve", "sampler_comparison"]


def loss_curve(path: Path, steps: Sequence[int], losses: Sequence[float]) -> None:
    """Write the loss against optimiser steps, raw and as a running mean over a twentieth of the run."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    window = max(1, len(losses) // 20)
    axes.plot(steps, losses, color="0.8", linewidth=0.8, label="one batch")
    if len(losses) > window:
        mean = np.convolve(losses, np.ones(window) / window, mode="valid")
        axes.plot(steps[window - 1 :], mean, color="C0", label="running mean")
    axes.set(xlabel="optimiser step", ylabel="loss per example", yscale="log")
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def sampler_comparison(path: Path, panels: Mapping[str, Float[Tensor, "n c h w"]]) -> None:
    """Write grids of images side by side, each under its title."""
    picture_row(path, {title: grid_image(images) for title, images in panels.items()})
