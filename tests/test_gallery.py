"""The lines of the gallery make its pictures."""

import os
import sys
from pathlib import Path

import imageio.v3 as imageio
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from generate import gallery  # noqa: E402

CELLS = gallery.cells()
RUNS = [pytest.param(cell, id=cell.name, marks=pytest.mark.slow if cell.slow else ()) for cell in CELLS]


def test_there_are_thirty_pictures_of_few_lines_each() -> None:
    assert len(CELLS) >= 30
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert len([cell for cell in CELLS if not cell.slow]) >= 10


@pytest.mark.parametrize("cell", RUNS)
def test_a_picture_is_made_by_the_lines_beside_it(
    cell: gallery.Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)
    gallery.run(cell, tmp_path / cell.name)
    assert "MPLBACKEND" not in os.environ  # or the notebooks of the same build would show no figure
    picture = Image.fromarray(imageio.imread(tmp_path / cell.name, index=0))  # of a film the first
    low, high = picture.convert("L").getextrema()
    assert picture.width > 100
    assert high - low > 100  # it shows something
