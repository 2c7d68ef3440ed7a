"""A picture or film is written whole or not at all, and what stops it names the file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from full_disk import full_disk
from scorefield import VE, Exact, Gaussian
from scorefield.plotting import Square, loss_curve, save_film, save_grid, save_path_film

IMAGES, WAY = torch.zeros(2, 4, 1, 8, 8), torch.zeros(2, 5, 2)
EXACT = Exact(Gaussian([0.0, 0.0]), VE(0.01, 5.0))
WRITERS: dict[str, Callable[[Path], None]] = {
    "loss.png": lambda path: loss_curve(path, [1, 2], [2.0, 1.0]),
    "loss.svg": lambda path: loss_curve(path, [1, 2], [2.0, 1.0]),
    "grid.png": lambda path: save_grid(path, IMAGES[0]),
    "film.gif": lambda path: save_film(path, IMAGES),
    "path.gif": lambda path: save_path_film(path, WAY, torch.tensor([0.5, 0.1]), EXACT, Square(half=2.0)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there_and_is_told_with_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ours")
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        WRITERS[name](tmp_path / name)
    assert caught.value.filename == str(tmp_path / name)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["ours"]
