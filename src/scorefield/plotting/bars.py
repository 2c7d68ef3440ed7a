"""Shares with their intervals, as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["Shares", "weight_bars"]

_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7")


class Shares(Protocol):
    """What is drawn: shares of the modes, their intervals, and what they should be (`scorefield.metrics.ModeWeights`)."""

    @property
    def n(self) -> int:
        """Samples counted."""
        ...

    @property
    def shares(self) -> Sequence[float]:
        """Of each mode."""
        ...

    @property
    def low(self) -> Sequence[float]:
        """Lower ends of the intervals."""
        ...

    @property
    def high(self) -> Sequence[float]:
        """Upper ends of the intervals."""
        ...

    @property
    def expected(self) -> Sequence[float]:
        """The true shares."""
        ...


def weight_bars(path: Path, panels: Mapping[str, Mapping[str, Shares]]) -> None:
    """Write the shares of the modes: a panel per score, a group of bars per mode, a bar per sampler, a line at the truth."""
    figure = Figure(figsize=(5.2 * len(panels), 4.2), layout="constrained")
    grid = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, (title, bars) in zip(grid, panels.items(), strict=True):
        width = 0.8 / len(bars)
        for k, (sampler, colour) in enumerate(zip(bars, _COLOURS, strict=False)):
            weights = bars[sampler]
            share = np.array(weights.shares)
            place = np.arange(len(share)) + (k - (len(bars) - 1) / 2) * width
            reach = np.stack([share - weights.low, np.array(weights.high) - share]).clip(min=0)
            axes.bar(place, share, width, color=colour, yerr=reach, capsize=3, error_kw={"elinewidth": 1.2})
        truth = np.array(next(iter(bars.values())).expected)
        modes = np.arange(len(truth))
        axes.hlines(truth, modes - 0.45, modes + 0.45, color="black", linestyle="--", linewidth=1.4)
        axes.set_xticks(modes, [f"{k + 1}" for k in modes])
        axes.set_title(title, fontsize=12)
        axes.set_xlabel("mode", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    some = next(iter(panels.values()))
    grid[0].set_ylabel(f"share of {next(iter(some.values())).n} samples, 95 % intervals", fontsize=10)
    handles = [Line2D([], [], color=c, linewidth=7, label=name) for name, c in zip(some, _COLOURS, strict=False)]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=1.4, label="true weight"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=10, frameon=False)
    figure.savefig(path, dpi=150)
