"""Shares with their intervals, as bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from scorefield.metrics import ModeWeights
from scorefield.plotting.sheet import Placed, sheet, titled

_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#000000", "#8a7a00")


def share_bars(axes: Axes, shares: Mapping[str, ModeWeights]) -> None:
    """Draw shares of the modes: a group of bars per mode, a colour per name, 95 % intervals, and dashed lines at the true shares."""
    shares = titled(shares)
    width = 0.84 / len(shares)
    for k, (name, found) in enumerate(shares.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        share = np.array(found.shares)
        place = np.arange(len(share)) + (k - (len(shares) - 1) / 2) * width
        reach = np.stack([share - found.low, np.array(found.high) - share]).clip(min=0)
        axes.bar(place, share, width, color=colour, yerr=reach, label=name, capsize=3, error_kw={"elinewidth": 1.2})
    truth = np.array(next(iter(shares.values())).expected)
    modes = np.arange(len(truth))
    axes.hlines(truth, modes - 0.46, modes + 0.46, color="black", linestyle="--", linewidth=1.4, label="truth")
    axes.set_xticks(modes, [f"{k + 1}" for k in modes])
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def weight_bars(path: Path | None, panels: Mapping[str, Mapping[str, ModeWeights]], **placed: Unpack[Placed]) -> None:
    """Write the shares of the modes (`share_bars`), a panel per score."""
    panels = titled(panels)
    with sheet(path, (5.2 * len(panels), 4.2), **placed) as figure:
        grid = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for axes, (title, bars) in zip(grid, panels.items(), strict=True):
            share_bars(axes, bars)
            axes.set_title(title, fontsize=12)
            axes.set_xlabel("mode", fontsize=10)
        some = next(iter(next(iter(panels.values())).values()))
        grid[0].set_ylabel(f"share of {some.n} samples, 95 % intervals", fontsize=10)
        named = grid[0].get_legend_handles_labels()
        figure.legend(*named, loc="outside lower center", ncols=len(named[1]), fontsize=10, frameon=False)
