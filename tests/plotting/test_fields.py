"""Pictures of the plane: the regions they draw are the regions they name, and the files are pictures."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scorefield.densities import Checkerboard, Gaussian, GaussianMixture
from scorefield.models import Exact
from scorefield.plotting import (
    Square,
    Terrain,
    clouds,
    fields,
    histogram_panels,
    mass_level,
    sample_panels,
    save_path_film,
    score_panels,
    trajectory_panels,
)
from scorefield.processes import VE
from scorefield.sampling import Samples

PLANE = Square((1.0, -2.0), 3.0)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_region_of_a_gaussian_is_the_disc_that_holds_its_mass():
    """‖x‖² is χ² with two degrees of freedom: mass m lies where ‖x‖² ≤ −2 log(1 − m)."""
    for mass in (0.5, 0.9, 0.99):
        level = mass_level(Gaussian([0.0, 0.0]), mass, n=100_000)
        radius_squared = -2 * (level + math.log(2 * math.pi))
        # Standard error of the quantile of ½‖x‖², an exponential law: √(m / ((1 − m) n)).
        error = math.sqrt(mass / ((1 - mass) * 100_000))
        assert 0.5 * radius_squared == pytest.approx(-math.log(1 - mass), abs=4 * error)


def test_a_square_lays_its_grid_abscissa_fastest():
    points = PLANE.points(3)
    assert points[:3].tolist() == [[-2.0, -5.0], [1.0, -5.0], [4.0, -5.0]]
    assert points[-1].tolist() == [4.0, 1.0]
    draws = PLANE.uniform(1000, torch.Generator().manual_seed(0))
    assert draws.min(0).values.tolist() == pytest.approx([-2, -5], abs=0.05)
    assert draws.max(0).values.tolist() == pytest.approx([4, 1], abs=0.05)
    assert PLANE.wider(2).half == 6


def test_a_histogram_stands_beside_the_density_in_the_same_bins(tmp_path: Path):
    """Of many draws both are one, bin by bin: χ² over the bins; mirrored, or of another law, they are not."""
    law, n, bins = Gaussian([1.5, -1.0], [0.6, 0.2]), 200_000, 20
    x = law.sample(n, torch.Generator().manual_seed(0))
    expected, found = clouds._binned(law, PLANE, bins), clouds._histogram(x, PLANE, bins)
    area = (2 * PLANE.half / bins) ** 2
    assert found.sum() * area == pytest.approx(((x - torch.tensor([1.0, -2.0])).abs() < 3).all(dim=1).double().mean())

    def misfit(wrong: np.ndarray) -> float:
        often = n * area * wrong > 5
        return ((n * area * (found - wrong) ** 2 / wrong)[often].sum() / often.sum()).item()

    assert misfit(expected) < 1.5
    assert misfit(expected.T) > 10
    assert misfit(expected[::-1]) > 10
    histogram_panels(tmp_path / "x.png", {"a": Samples(x[:500], 1, torch.zeros(2), None)}, law, PLANE)
    assert pixels(tmp_path / "x.png").std() > 10


def test_terrain_is_log_p_row_by_row():
    law = Gaussian([1.0, -2.0], [1.0, 4.0])
    terrain = Terrain.of(law, PLANE, side=7, draws=500)
    x, y = PLANE.edges(7)
    there = torch.tensor([[x[5], y[1]]])
    assert terrain.log_prob[1, 5] == pytest.approx(law.log_prob(there).item())
    assert terrain.levels == sorted(terrain.levels)


@pytest.mark.slow
def test_an_error_free_score_is_drawn_twice_alike_and_a_wrong_one_is_not(tmp_path: Path):
    law, process = GaussianMixture.song2019(), VE(0.1, 50.0)
    exact, wrong = Exact(law, process), Exact(GaussianMixture.ring(), process)
    t = process.time(torch.tensor(0.5, dtype=torch.float64))
    for name, model in (("same", exact), ("other", wrong)):
        score_panels(tmp_path / f"{name}.png", model, exact, t, Square(half=8))
    same, other = pixels(tmp_path / "same.png"), pixels(tmp_path / "other.png")
    assert same.shape == other.shape
    third = same.shape[1] // 3
    # The first panel shows the truth in both pictures, the second does not.
    assert (same[100:500, 60 : third - 20] == other[100:500, 60 : third - 20]).all()
    assert (same[100:500, third + 20 : 2 * third - 20] != other[100:500, third + 20 : 2 * third - 20]).mean() > 0.2


def test_the_error_of_a_score_is_relative_to_what_scores_are_there_and_typically(tmp_path: Path, monkeypatch):
    """Of N(0, V) the score vanishes at 0, and E‖s‖² = 2/V; a law moved by ½ errs by ½/V everywhere."""
    shown = []
    draw = fields._map
    monkeypatch.setattr(
        fields, "_map", lambda axes, square, values, *rest: shown.append(values) or draw(axes, square, values, *rest)
    )
    process = VE(0.1, 10.0)
    t = process.time(torch.tensor(1.0, dtype=torch.float64))
    exact, moved = (Exact(Gaussian([x, 0.0]), process) for x in (0.0, 0.5))
    square = Square(half=4)
    score_panels(tmp_path / "x.png", moved, exact, t, square)
    x, V = square.points(160), 2.0
    expected = (0.5 / V) / torch.sqrt(x.square().sum(1) / V**2 + 2 / V)
    torch.testing.assert_close(shown[2], expected, rtol=0.05, atol=0)  # E‖s‖² is a mean over 4000 draws


def test_flat_and_unbounded_log_densities_can_be_drawn(tmp_path: Path):
    """The checkerboard has one height and −∞ beside it."""
    x = Checkerboard().sample(300, torch.Generator().manual_seed(0))
    drawn = Samples(x, 7, torch.zeros(2), None)
    terrain = Terrain.of(Checkerboard(), Square(half=5), side=60, draws=500)
    sample_panels(tmp_path / "board.png", {"exact": {"a": drawn, "b": drawn}}, terrain)
    assert pixels(tmp_path / "board.png").std() > 10


def test_trajectories_and_films_of_them(tmp_path: Path):
    law, process = GaussianMixture.song2019(), VE(0.1, 10.0)
    exact = Exact(law, process)
    trajectory = torch.randn(4, 30, 2, generator=torch.Generator().manual_seed(0)).cumsum(dim=0)
    trajectory_panels(tmp_path / "ways.png", {"one": trajectory, "two": trajectory}, Terrain.of(law, PLANE, side=40))
    assert pixels(tmp_path / "ways.png").std() > 10
    times = torch.linspace(1, 0, 4, dtype=torch.float64)
    save_path_film(tmp_path / "path.gif", trajectory, times, exact, PLANE, fps=2)
    with Image.open(tmp_path / "path.gif") as film:
        assert film.n_frames >= 4  # pyright: ignore[reportAttributeAccessIssue]
        assert film.info["duration"] == 500
    save_path_film(tmp_path / "path.mp4", trajectory, times, exact, PLANE, fps=2)
    assert (tmp_path / "path.mp4").read_bytes()[4:8] == b"ftyp"
