"""Where a figure is drawn: on a sheet of its own, which is written to a file, or in the place of axes in a figure of the caller's."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from scorefield._replacing import replacing

__all__ = ["Placed", "plain", "sheet"]

_UNDATED = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}  # the same figure is the same file


class Placed(TypedDict, total=False):
    """Where every figure can go beside its file: ``width`` and ``ax`` of `sheet`."""

    width: float | None
    ax: Axes | None


def plain(text: str) -> str:
    """Return a name of the user's as a figure can show it: dollars begin no formula, and what is no letter is written out."""
    return text.encode(errors="backslashreplace").decode().replace("$", r"\$")


@contextmanager
def sheet(
    path: Path | None,
    size: tuple[float, float],
    width: float | None = None,
    ax: Axes | None = None,
    *,
    tight: bool = False,
) -> Iterator[Figure | SubFigure]:
    """Yield what to draw on; then write it.

    Args:
        path: the file; its extension decides: .png, or the vector formats .pdf, .svg. None writes nothing.
        size: width and height in inches.
        width: another width in inches, at the same proportions; text keeps its size in points.
        ax: axes of a grid (`Figure.subplots`) whose place the figure takes, in place of a sheet of its own.
        tight: cut margins off.

    Raises:
        ValueError: neither a path nor axes, or axes that are no part of a grid.
    """
    if ax is not None:
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax must be one of Figure.subplots() or subplot_mosaic(); received axes without a place in a grid"
            )
        owner = ax.figure
        ax.remove()
        yield owner.add_subfigure(place)
        return
    if path is None:
        raise ValueError("a figure needs a path to write to, or ax= to be drawn in; received neither")
    scale = 1.0 if width is None else width / size[0]
    figure = Figure(figsize=(scale * size[0], scale * size[1]), layout="compressed")
    yield figure
    path = Path(path)
    # TrueType, so that text stays text.
    fonts = mpl.rc_context({"pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "scorefield"})
    with fonts, warnings.catch_warnings(), replacing(path) as place:
        # A letter that the typeface lacks, of a file's name mostly, is an empty box.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(
            place, dpi=150, bbox_inches="tight" if tight else None, metadata=_UNDATED.get(path.suffix.lower())
        )
