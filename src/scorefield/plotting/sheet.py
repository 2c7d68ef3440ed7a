"""Where a figure is drawn: on a sheet of its own, which is written to a file, or in place of axes in the caller's figure."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from scorefield._checks import as_number, require
from scorefield._replacing import replacing
from scorefield.errors import ConfigError

Drawn = TypeVar("Drawn")
_UNDATED = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}  # the same figure is the same file

_WIDTHS = 0.5, 200  # inches


class Placed(TypedDict, total=False):
    """Where every figure can go beside its file: ``width`` and ``ax`` of `sheet`."""

    width: float | None
    ax: Axes | None


def plain(text: str) -> str:
    """Return a name of the user's as a figure can show it: dollars begin no formula, and what is no letter is written out."""
    return text.encode(errors="backslashreplace").decode().replace("$", r"\$")


def titled(shown: Mapping[str, Drawn]) -> dict[str, Drawn]:
    """Return what a figure shows by titles that are `plain`."""
    if not isinstance(shown, Mapping) or not shown:  # pyright: ignore[reportUnnecessaryIsInstance]  lists come, whatever types say
        raise ConfigError(
            f"a figure needs a dict of one or more things to show by their titles; received {shown!r:.80}"
        )
    return {plain(str(title)): one for title, one in shown.items()}


@contextmanager
def sheet(
    path: str | Path | None,
    size: tuple[float, float],
    width: float | None = None,
    ax: Axes | None = None,
    *,
    tight: bool = False,
) -> Iterator[Figure | SubFigure]:
    """Yield what to draw on; then write it.

    Args:
        path: the file; its extension decides: .png, or the vector formats .pdf, .svg. None where ``ax`` is given.
        size: width and height in inches.
        width: another width in inches, at the same proportions; text keeps its size in points.
        ax: axes of a grid (`Figure.subplots`) whose place the figure takes, in place of a sheet of its own.
        tight: cut margins off.
    """
    if ax is not None:
        require(Axes, ax, "ax", "one of Figure.subplots()")
        if (path, width) != (None, None):
            raise ConfigError(
                "a figure drawn in ax= has its size and is saved with its figure: leave out path and width"
            )
        place = ax.get_subplotspec()
        if place is None:
            raise ConfigError(
                "ax must be one of Figure.subplots() or subplot_mosaic(); received axes without a place in a grid"
            )
        owner = ax.figure
        if owner is None or ax not in owner.axes:
            raise ConfigError("ax is no longer in its figure: what is drawn takes the place of axes; give others")
        ax.remove()
        yield owner.add_subfigure(place)
        return
    if path is None:
        raise ConfigError("a figure needs a path to write to, or ax= to be drawn in; received neither")
    path = Path(path)
    if not path.suffix:
        raise ConfigError(f"{path}: the extension decides what is written; give .png, .pdf or .svg")
    if width is not None and not _WIDTHS[0] <= as_number(width) <= _WIDTHS[1]:
        raise ConfigError(f"width must be from {_WIDTHS[0]} to {_WIDTHS[1]} inches; received {width!r:.80}")
    scale = 1.0 if width is None else width / size[0]
    figure = Figure(figsize=(scale * size[0], scale * size[1]), layout="compressed")
    yield figure
    # TrueType, so that text stays text.
    fonts = mpl.rc_context({"pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "scorefield"})
    with fonts, warnings.catch_warnings(), replacing(path) as place:
        # A letter that the typeface lacks, of a file's name mostly, is an empty box.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(
            place, dpi=150, bbox_inches="tight" if tight else None, metadata=_UNDATED.get(path.suffix.lower())
        )
