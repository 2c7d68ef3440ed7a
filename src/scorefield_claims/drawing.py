"""What the figures of claims are made of: clouds, curves with error bars, named estimates, tables in colour.

Colours are Okabe & Ito's, distinct for every kind of colour vision; panels of one kind share their scales.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from scorefield.metrics import Estimate
from scorefield.plotting import Terrain

__all__ = [
    "COLOURS", "PRINTED", "bars", "canvas", "cloud", "curve", "label", "legend", "letters", "loglog", "merged", "points",
    "save", "table", "to_noise", "two_rows", "whiskers",
]  # fmt: skip

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_DOTS = 1500
PRINTED = {"share": 0.46, "width": 16.8, "height": 9.0, "enlarged": 1.25, "letters": 7.0}
"""How the report prints a figure: at this share of its size, but no wider and taller than so many centimetres. Words are set in a serif,
whose small letters are smaller, and enlarged by so much; then they have at least so many points."""


def canvas(rows: int, columns: int, *, width: float = 4.6, height: float = 4.3) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes, shape (rows, columns); sizes are a panel's, in inches."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def two_rows(count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure and so many axes in two rows, of which the second may be one short."""
    figure, axes = canvas(2, (count + 1) // 2, width=width, height=height)
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def merged(row: Sequence[Axes], count: int) -> list[Axes]:
    """Return ``count`` panels of one width in place of a canvas's last row."""
    figure, grid, width = row[0].figure, row[0].get_gridspec(), len(row) // count
    assert grid is not None  # noqa: S101 a canvas has one
    for axes in row:
        axes.remove()
    return [figure.add_subplot(grid[-1, k * width : (k + 1) * width]) for k in range(count)]


def save(figure: Figure, path: Path) -> None:
    """Write the figure: .png, or .svg with text kept as text, so that a document can set it in its own typeface."""
    undated = {"Date": None} if path.suffix == ".svg" else None
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scorefield"}):  # the same figure is the same file
        figure.savefig(path, dpi=110, metadata=undated)


def letters(axes: Axes) -> float:
    """Return the size of letters, in points, that can be read where the figure is printed."""
    figure = axes.figure.figure  # also of a subfigure
    width, height = 2.54 * figure.get_size_inches()
    scale = min(PRINTED["share"], PRINTED["width"] / width, PRINTED["height"] / height)
    return PRINTED["letters"] / scale / PRINTED["enlarged"]


def label(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """Name the axes."""
    size = letters(axes)
    axes.set_title(title, fontsize=1.1 * size)
    axes.set_xlabel(x, fontsize=size)
    axes.set_ylabel(y, fontsize=size)
    axes.tick_params(which="both", labelsize=size)


def legend(axes: Axes, names: tuple[list[Artist], list[str]] | None = None, columns: int = 1) -> None:
    """Name what is drawn; ``names``, which panels share, below them all."""
    style = {"frameon": False, "fontsize": letters(axes)}
    if names is None:
        axes.legend(**style)
    else:
        axes.figure.legend(*names, loc="outside lower center", ncols=columns, **style)


def loglog(axes: Axes, x: Sequence[int]) -> None:
    """Make both scales logarithmic, with ticks at these abscissae alone."""
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(x, [str(value) for value in x])
    axes.minorticks_off()


def cloud(axes: Axes, x: Float[Tensor, "n 2"], terrain: Terrain, title: str) -> None:
    """Scatter samples over the regions that hold 50, 90 and 99 % of the true mass; equal units both ways."""
    terrain.fill(axes)
    some = x[:_DOTS].numpy()
    axes.scatter(some[:, 0], some[:, 1], s=5, color=COLOURS[1], alpha=0.5, linewidths=0, rasterized=True)
    terrain.square.frame(axes)
    label(axes, title)


def curve(axes: Axes, x: Sequence[float], y: Sequence[Estimate], name: str, k: int) -> None:
    """Draw estimates with their 95 % intervals, in the k-th colour and mark, dashed after the seventh."""
    axes.errorbar(
        *(x, [e.value for e in y]), yerr=whiskers(y), color=COLOURS[k % 7], marker=_MARKS[k % 7], markersize=6, capsize=3, linewidth=1.6,
        linestyle="-" if k < 7 else "--", label=name,
    )  # fmt: skip


def whiskers(estimates: Sequence[Estimate]) -> Float[np.ndarray, "2 n"]:
    """Return how far each 95 % interval reaches below and above its value."""
    # Rounding may put an end a hair on the wrong side, which Matplotlib refuses.
    return np.array([(e.value - e.interval[0], e.interval[1] - e.value) for e in estimates]).T.clip(min=0)


def to_noise(y: Sequence[Estimate], every: Iterable[Estimate]) -> list[Estimate]:
    """Return estimates as a logarithmic scale can show them: down to the smallest standard error of all."""
    lowest = min(e.error for e in every)
    return [Estimate(max(e.value, lowest), e.error) for e in y]


def bars(axes: Axes, values: Mapping[str, Estimate]) -> None:
    """Draw named estimates as horizontal bars with their 95 % intervals, the first on top."""
    y = list(values.values())
    axes.barh(range(len(y)), [e.value for e in y], xerr=whiskers(y), color=COLOURS[0], capsize=3, height=0.65)
    _names(axes, values)


def points(axes: Axes, values: Mapping[str, Estimate], k: int = 0) -> None:
    """Draw named estimates as points with their 95 % intervals, the first on top: for scales that do not begin at zero."""
    y = list(values.values())
    style = {
        "color": COLOURS[k],
        "marker": _MARKS[k],
        "markersize": 8,
        "capsize": 4,
        "linewidth": 2,
        "linestyle": "none",
    }
    axes.errorbar([e.value for e in y], range(len(y)), xerr=whiskers(y), **style)
    axes.grid(axis="x", alpha=0.3)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(-0.5, len(y) - 0.5)
    _names(axes, values)


def _names(axes: Axes, values: Mapping[str, Estimate]) -> None:
    """Write the names beside their rows, the first on top."""
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def table(
    axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], scale: Normalize
) -> ScalarMappable:
    """Paint a table of numbers and write each into its cell; what is not finite stays grey and says so."""
    image = axes.imshow(np.ma.masked_invalid(values), cmap="cividis", norm=scale, aspect="auto")
    axes.set_facecolor("0.75")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    for (i, j), value in np.ndenumerate(values):
        known = np.isfinite(value)
        light = known and scale(value) < 0.5
        text = f"{value:.2g}" if known else "diverges"
        axes.text(j, i, text, ha="center", va="center", fontsize=letters(axes), color="white" if light else "black")
    return image
