"""Pictures of images do not depend on the units of the data."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scorefield.config import RunConfig, validate
from scorefield.data import Dataset, digits
from scorefield.errors import ConfigError
from scorefield.plotting import grid_image, neighbour_strip, save_film, save_grid, sigma_strip
from scorefield.runs.pictures import draw_grid
from scorefield.units import Units

X = digits().scaled(slice(64))
UNITS = {"0 to 255": (0.0, 255.0), "-1 to 1": (-1.0, 2.0), "standardised": (-0.4242, 3.2457), "far": (300.0, 2.0)}
SMALL = {
    "network": {"kind": "unet", "width": 8, "depth": 1},
    "sampling": {"sampler": "heun", "grid": {"kind": "karras", "steps": 3}},
}


def same(a: Path, b: Path) -> bool:
    """Return whether two pictures differ by no more than a grey level, which rounding decides."""
    first, second = (np.asarray(Image.open(path).convert("L")).astype(int) for path in (a, b))
    return bool(abs(first - second).max() <= 1)


@pytest.mark.parametrize("units", UNITS)
def test_the_picture_of_the_same_data_is_the_same_picture(units: str, tmp_path: Path) -> None:
    shift, scale = UNITS[units]
    noise = torch.randn(3, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for name, (m, c) in {"own": (0.0, 1.0), "other": (shift, scale)}.items():
        x, states, ends = m + c * X, m + c * (X[:4] + noise), Units.of(m + c * X).ends
        assert ends is not None
        save_grid(tmp_path / f"grid-{name}.png", x, ends=ends)
        save_film(tmp_path / f"film-{name}.gif", states, ends=ends)
        sigma_strip(tmp_path / f"sigma-{name}.png", states, [3.0, 2.0, 1.0], x[:4], ends)
        neighbour_strip(tmp_path / f"near-{name}.png", x[:4], x[4:12].reshape(4, 2, 1, 8, 8), ends=ends)
    for name in ("grid-{}.png", "film-{}.gif", "sigma-{}.png", "near-{}.png"):
        assert same(*(tmp_path / name.format(which) for which in ("own", "other"))), name
    assert not same(tmp_path / "grid-own.png", _saved(tmp_path, shift + scale * X))


def _saved(folder: Path, x: Tensor) -> Path:
    """Return a picture of x that takes it for values in [0, 1]."""
    grid_image(x).save(folder / "clamped.png")
    return folder / "clamped.png"


def test_a_run_draws_the_same_grid_in_all_units(tmp_path: Path) -> None:
    """Its model measures the ends of the data, and its configuration keeps them."""
    for name, (m, c) in {"own": (0.0, 1.0), **UNITS}.items():
        config = validate(RunConfig, SMALL, "test").resolve(Dataset(m + c * X, None, "x"))
        assert config.model.model_dump()["ends"] == pytest.approx((m, m + c), rel=1e-5)
        draw_grid(tmp_path / f"{name}.png", config.build_model((1, 8, 8)), config, (1, 8, 8))
    for name in UNITS:
        assert same(tmp_path / "own.png", tmp_path / f"{name}.png")


def test_what_is_no_picture_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one, film = X[:4], X[None, :4]
    save_grid(str(tmp_path / "a.png"), one.numpy()), save_film(str(tmp_path / "a.gif"), [*film])  # as people write
    before = set(tmp_path.iterdir())
    images = [one[0, 0], one[:0], one[..., :0], one.expand(4, 2, 8, 8), one / 0, one * float("nan"), (one * 255).byte()]
    for wrong in images:
        for call in (lambda x: save_grid(tmp_path / "x.png", x), lambda x: save_film(tmp_path / "x.gif", x[None])):
            with pytest.raises(ConfigError, match=r"picture|film"):
                call(wrong)
    for states in (film[:0], one, None):
        with pytest.raises(ConfigError, match="a film"):
            save_film(tmp_path / "x.gif", states)
    for fps in (0, -1, 0.5, 10**9):
        with pytest.raises(ConfigError, match="fps must"):
            save_film(tmp_path / "x.gif", film, fps)
    for ends in ((1.0, 1.0), (1.0, 0.0), (0.0, float("nan")), (1.0,), "ab"):
        with pytest.raises(ConfigError, match="ends must"):
            grid_image(one, ends=ends)
    with pytest.raises(ConfigError, match="columns must"):
        grid_image(one, 0)
    assert set(tmp_path.iterdir()) == before
