"""The gallery: runs the cells of docs/gallery.py, each in the names of its setup alone, and shows picture, caption and the lines run."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Cell", "cells", "run", "write"]

DOCS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cell:
    """One picture: its section, its file, what it shows, its lines, and whether they take more than a second or two."""

    section: str
    name: str
    caption: str
    lines: str
    slow: bool

    def key(self) -> str:
        """Return a name of everything the picture is made of."""
        made_of = (
            self.lines,
            setup(),
            *(path.read_text(encoding="utf-8") for path in sorted(DOCS.parent.glob("src/scorefield/**/*.py"))),
        )
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


@cache
def _parts() -> list[tuple[str, str]]:
    """Return headings and lines of the cells, the setup first."""
    text = (DOCS / "gallery.py").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("\n# %% ")[1:])
    return [(heading, lines.strip() + "\n") for heading, _, lines in parts]


def setup() -> str:
    """Return the lines that all cells share."""
    return _parts()[0][1]


def cells() -> list[Cell]:
    """Return the cells."""
    found = []
    for heading, lines in _parts()[1:]:
        section, name, *more, caption = heading.split(" | ")
        found.append(Cell(section, name, caption, lines, more == ["slow"]))
    return found


def run(cell: Cell, out: Path) -> None:
    """Execute a cell, which leaves its picture at ``out``, or else in pyplot's current figure."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("agg")  # not by MPLBACKEND, which the kernels of notebooks would inherit: then they show no figures
    with mpl.rc_context():
        names: dict[str, Any] = {"out": out}
        exec(compile(setup(), "gallery.py", "exec"), names)  # noqa: S102 the page's own lines
        names["torch"].manual_seed(0)
        exec(compile(cell.lines, cell.name, "exec"), names)  # noqa: S102
        if plt.get_fignums():
            plt.savefig(out, dpi=110)
        plt.close("all")


def write(folder: Path) -> None:
    """Make the pictures that are not made yet, and the page."""
    place = folder / "gallery"
    place.mkdir(exist_ok=True)
    for cell in cells():
        stamp = place / f"{cell.name}.key"
        if not stamp.exists() or stamp.read_text() != cell.key():
            run(cell, place / cell.name)
            stamp.write_text(cell.key())
    (folder / "gallery.inc").write_text("".join(_page(cells())), encoding="utf-8")


def _page(shown: Iterable[Cell]) -> Iterable[str]:
    """Yield the parts of the page."""
    section = ""
    for cell in shown:
        if cell.section != section:
            section = cell.section
            yield f"\n## {section}\n"
        shown_as = "\n:class: controls" if cell.name.endswith(".mp4") else ""  # of a video
        yield f"\n```{{image}} _generated/gallery/{cell.name}\n:alt: {cell.caption}{shown_as}\n```\n"
        yield f"\n*{cell.caption}.*\n\n```python\n{cell.lines}```\n"
    yield f"\n## The lines that all share\n\n```python\n{setup()}```\n"
