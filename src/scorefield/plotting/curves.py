"""Curves and comparisons, drawn with matplotlib's object interface: no global state, no window."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Unpack

import numpy as np
from jaxtyping import Float
from matplotlib.ticker import FuncFormatter, LogFormatter
from torch import Tensor

from scorefield.metrics import Calibration
from scorefield.plotting.images import grid_image
from scorefield.plotting.panels import picture_row
from scorefield.plotting.sheet import Placed, sheet, titled


class _Finished(Protocol):
    """Where a sampler ended; `scorefield.evaluation.race.Finish` is one."""

    @property
    def sampler(self) -> str: ...
    @property
    def evaluations(self) -> float: ...
    @property
    def error(self) -> float: ...


def race_curves(path: Path | None, courses: Mapping[str, Sequence[_Finished]], **placed: Unpack[Placed]) -> None:
    """Write the error of samplers against their evaluations, a panel for each model they were raced on."""
    courses = titled(courses)
    with sheet(path, (5 * len(courses), 4), **placed) as figure:
        panels = figure.subplots(1, len(courses), squeeze=False)[0]
        for axes, (title, finishes) in zip(panels, courses.items(), strict=True):
            for name in dict.fromkeys(finish.sampler for finish in finishes):
                own = [finish for finish in finishes if finish.sampler == name]
                axes.plot([one.evaluations for one in own], [one.error for one in own], "o-", markersize=3, label=name)
            axes.set(title=title, xlabel="evaluations per sample", xscale="log", yscale="log")
            axes.xaxis.set_major_formatter(LogFormatter())  # 20, not 2 · 10¹
            axes.xaxis.set_minor_formatter(LogFormatter())
        panels[0].set_ylabel("distance to the flow's end, root mean square")
        panels[0].legend(frameon=False)


def loss_curve(path: Path | None, steps: Sequence[int], losses: Sequence[float], **placed: Unpack[Placed]) -> None:
    """Write the loss against optimiser steps, raw and as a running mean over a twentieth of the run."""
    with sheet(path, (6, 3.6), **placed) as figure:
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


def sampler_comparison(
    path: Path | None,
    panels: Mapping[str, Float[Tensor, "n c h w"]],
    **placed: Unpack[Placed],
) -> None:
    """Write grids of images side by side, each under its title."""
    titled(panels)  # which refuses what is no dict; picture_row writes titles plainly
    picture_row(path, {title: grid_image(images) for title, images in panels.items()}, **placed)


def calibration_curve(path: Path | None, levels: Sequence[Calibration], **placed: Unpack[Placed]) -> None:
    """Write a classifier's accuracy and confidence against the noise level; on each other, if it is calibrated."""
    with sheet(path, (6, 3.6), **placed) as figure:
        axes = figure.subplots()
        ratios = [level.ratio for level in levels]
        axes.plot(ratios, [level.accuracy.value for level in levels], "o-", color="#0072B2", label="accuracy")
        axes.plot(ratios, [level.confidence.value for level in levels], "s--", color="#D55E00", label="mean confidence")
        axes.set(xlabel="noise level σ/α", ylabel="share", xscale="log", ylim=(0, 1.03))
        axes.legend(frameon=False)
