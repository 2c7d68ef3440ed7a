"""Every figure is written as picture or vector file, in any width, or drawn in the place of axes of the caller's figure."""

import inspect
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from scorefield import plotting
from scorefield.densities import Gaussian
from scorefield.errors import ConfigError
from scorefield.evaluation.race import Finish
from scorefield.grids import Karras
from scorefield.metrics import Calibration, Estimate, ModeWeights
from scorefield.models import Exact
from scorefield.plotting import Square, Terrain
from scorefield.processes import VE
from scorefield.samplers import Euler
from scorefield.sampling import sample
from turns import one_in

NORMAL, SQUARE = Gaussian([0.0, 0.0]), Square(half=4.0)
EXACT = Exact(NORMAL, VE(0.01, 5.0))
DRAWN = sample(EXACT, Euler(), (20, 2), grid=Karras(3), frames=4)
TERRAIN = Terrain.of(NORMAL, SQUARE, side=20, draws=200)
LEVEL = Calibration(0.1, 9, Estimate(0.5, 0.1), Estimate(0.5, 0.1), 0.0, Estimate(0.5, 0.1))
IMAGES = torch.rand(3, 2, 1, 8, 8)
CASES = {
    "loss_curve": ([1, 2], [2.0, 1.0]),
    "calibration_curve": ([LEVEL],),
    "race_curves": ({"exact": [Finish("Heun", 9, 0.1), Finish("Heun", 17, 0.02)]},),
    "weight_bars": ({"exact": {"one": ModeWeights(9, [0.3, 0.7], [0.2, 0.5], [0.5, 0.8], [0.4, 0.6], 0.1)}},),
    "score_panels": (EXACT, EXACT, torch.tensor(0.5), SQUARE),
    "sample_panels": ({"exact": {"Euler": DRAWN}}, TERRAIN),
    "histogram_panels": ({"Euler": DRAWN}, NORMAL, SQUARE),
    "trajectory_panels": ({"Euler": DRAWN.trajectory}, TERRAIN),
    "sampler_comparison": ({"one": IMAGES[0]},),
    "picture_row": ({"one": Image.new("L", (8, 8))},),
    "sigma_strip": (IMAGES, [1.0, 0.5, 0.1], IMAGES[0]),
    "neighbour_strip": (IMAGES[0], IMAGES.transpose(0, 1)),
}


def test_there_is_a_case_for_every_figure() -> None:
    figures = {name for name in plotting.__all__ if "placed" in inspect.signature(getattr(plotting, name)).parameters}
    written = {name for name in plotting.__all__ if "path" in inspect.signature(getattr(plotting, name)).parameters}
    assert figures == CASES.keys()
    assert written - figures == {"save_film", "save_grid", "save_path_film"}  # pixels, not figures


@pytest.mark.parametrize("name", [name for name, (shown, *_) in CASES.items() if isinstance(shown, dict)])
def test_a_figure_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    for nothing in ({}, []):
        with pytest.raises(ConfigError, match="dict of one or more"):
            getattr(plotting, name)(tmp_path / "x.png", nothing, *CASES[name][1:])


def test_dollars_of_a_title_begin_no_formula(tmp_path: Path) -> None:
    plotting.trajectory_panels(tmp_path / "x.svg", {"$5 to $\udcff": DRAWN.trajectory}, TERRAIN)


@pytest.mark.parametrize("name", one_in(3, CASES))
def test_text_stays_text_in_a_vector_file(name: str, tmp_path: Path) -> None:
    getattr(plotting, name)(tmp_path / "x.pdf", *CASES[name])
    found = (tmp_path / "x.pdf").read_bytes()
    assert b"/Type3" not in found
    assert b"/Type42" in found or b"/CIDFontType2" in found


def test_a_vector_file_is_the_same_again(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.pdf" for k in range(2)]
    for path in files:
        plotting.loss_curve(path, *CASES["loss_curve"])
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", one_in(3, reversed(CASES)))
def test_a_figure_takes_the_place_of_axes(name: str) -> None:
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    getattr(plotting, name)(None, *CASES[name], ax=right)
    (place,) = figure.subfigs
    assert place.axes
    assert left in figure.axes
    assert right not in figure.axes
    figure.draw_without_rendering()


def test_a_width_is_that_of_the_file(tmp_path: Path) -> None:
    plotting.loss_curve(tmp_path / "x.png", *CASES["loss_curve"], width=3.0)
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (450, 270)


def test_a_grid_of_images_is_written_for_print(tmp_path: Path) -> None:
    plotting.save_grid(tmp_path / "x.svg", IMAGES[0])
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    def refused(words: str, path: Path | None = None, name: str = "loss_curve", **placed: object) -> None:
        with pytest.raises(ConfigError, match=words):
            getattr(plotting, name)(path, *CASES[name], **placed)
        assert not list(tmp_path.iterdir())

    file, used = tmp_path / "x.png", Figure().subplots()
    plotting.loss_curve(None, *CASES["loss_curve"], ax=used)
    refused("received neither")
    refused("without a place in a grid", ax=Figure().add_axes((0, 0, 1, 1)))
    refused("no longer in its figure", ax=used)
    refused("leave out path", file, ax=Figure().subplots())
    refused("leave out path", ax=Figure().subplots(), width=3.0)
    refused("the extension decides", tmp_path / "x")
    for wrong in (Figure(), Figure().subplots(1, 2), "left"):
        refused("ax must be an Axes", ax=wrong)
    for width in (0, -1, float("nan"), 1e9, "3"):
        refused("width must be", file, width=width)
    with pytest.raises(ConfigError, match="a trajectory must be"):
        plotting.trajectory_panels(file, {"none": torch.zeros(0, 5, 2)}, TERRAIN)
    with pytest.raises(ConfigError, match="one for each frame"):
        plotting.save_path_film(file, torch.zeros(2, 5, 2), torch.ones(3), EXACT, SQUARE)
