"""Strips: every cell is the image it should be, on a scale it can be seen on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield.plotting import grid_image, neighbour_strip, sigma_strip, strips


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What would be drawn: pictures by title, heading and height."""
    seen: dict = {}

    def picture_row(path, pictures, heading="", height=3.2, **_):
        seen.update(pictures=pictures, heading=heading, height=height)

    monkeypatch.setattr(strips, "picture_row", picture_row)
    return seen


def brightness(picture) -> list[float]:
    """Return the mean grey of each 56-pixel cell of a column of 8×8 images, enlarged sevenfold with gaps of seven."""
    grey = np.asarray(picture) / 255
    return [round(grey[7 + 63 * k : 63 + 63 * k, 7:63].mean(), 2) for k in range(picture.height // 63)]


def test_a_grid_shows_the_nearest_grey_level() -> None:
    levels = torch.arange(256).reshape(1, 1, 16, 16)
    for between in (-0.4, 0.0, 0.4):
        picture = np.asarray(grid_image((levels + between) / 255))
        zoom = picture.shape[0] // 18
        assert (picture[zoom + 1 :: zoom, zoom + 1 :: zoom][:16, :16] == levels[0, 0].numpy()).all()


def test_columns_are_levels_and_rows_are_samples(drawn: dict) -> None:
    rows = torch.tensor([0.2, 0.4, 0.8])[:, None, None, None].expand(3, 1, 8, 8)
    sigma_strip(Path("x.png"), torch.stack([rows, rows / 2]), [1.0, 0.0123], 1 - rows)
    assert list(drawn["pictures"]) == ["σ = 1", "σ = 0.012", "denoised"]
    assert [brightness(picture) for picture in drawn["pictures"].values()] == [
        pytest.approx(expected, abs=0.01) for expected in ([0.2, 0.4, 0.8], [0.1, 0.2, 0.4], [0.8, 0.6, 0.2])
    ]


def test_noise_far_wider_than_the_data_is_grey_not_black_and_white(drawn: dict) -> None:
    noise = 50 * torch.randn(1, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma_strip(Path("x.png"), noise, [50.0], torch.zeros(2, 1, 8, 8))
    values = np.asarray(drawn["pictures"]["σ = 50"])
    assert ((values > 25) & (values < 230)).mean() > 0.6


def test_neighbours_follow_their_sample(drawn: dict) -> None:
    x = torch.tensor([0.2, 0.8])[:, None, None, None].expand(2, 1, 8, 8)
    near = torch.stack([x / 2, 1 - x], dim=1)
    neighbour_strip(Path("x.png"), x, near, "of a test")
    assert list(drawn["pictures"]) == ["sample", "nearest", "2."]
    assert [brightness(picture) for picture in drawn["pictures"].values()] == [
        pytest.approx(expected, abs=0.01) for expected in ([0.2, 0.8], [0.1, 0.4], [0.8, 0.2])
    ]
    assert drawn["heading"] == "of a test"


def test_the_files_are_pictures(tmp_path: Path) -> None:
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma_strip(tmp_path / "a.png", x[None], [0.5], x)
    neighbour_strip(tmp_path / "b.png", x, x[:, None])
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
