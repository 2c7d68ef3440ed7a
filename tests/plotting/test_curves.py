"""Curves and bars: what is drawn is what was measured, each at its place."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from scorefield.evaluation.race import Finish
from scorefield.metrics import ModeWeights
from scorefield.plotting import loss_curve, race_curves, share_bars


def test_the_running_mean_stands_at_the_end_of_what_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, place, **_: (figures.append(figure), Path(place).touch()))
    steps, losses = list(range(20, 820, 20)), [float(k + 1) for k in range(40)]
    loss_curve(tmp_path / "x.png", steps, losses)
    raw, mean = figures[0].axes[0].lines
    assert raw.get_xdata().tolist() == steps
    assert raw.get_ydata().tolist() == losses
    assert mean.get_xdata().tolist() == steps[1:]  # a window of a twentieth, two losses
    assert mean.get_ydata().tolist() == pytest.approx([k + 1.5 for k in range(39)])


def test_evaluations_are_numbers_as_people_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, place, **_: (figures.append(figure), Path(place).touch()))
    race_curves(tmp_path / "x.png", {"digits": [Finish("Heun", n, 1 / n) for n in (6, 9, 13, 19, 27, 39)]})
    axis = figures[0].axes[0].xaxis
    figures[0].draw_without_rendering()
    written = [tick.label1.get_text() for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
    assert {"10", "20", "30"} <= set(written)


def test_bars_reach_from_one_end_of_their_interval_to_the_other() -> None:
    axes = Figure().subplots()
    share_bars(axes, {"one": ModeWeights(50, [0.3, 0.7], [0.25, 0.5], [0.5, 0.75], [0.4, 0.6], 0.1)})
    bars = axes.containers[-1] if hasattr(axes.containers[-1], "errorbar") else axes.containers[0]
    assert [bar.get_height() for bar in bars] == [0.3, 0.7]
    (reach,) = bars.errorbar.lines[2]
    np.testing.assert_allclose([segment[:, 1] for segment in reach.get_segments()], [[0.25, 0.5], [0.5, 0.75]])
    (truth,) = (lines for lines in axes.collections if lines is not reach)
    assert [segment[0, 1] for segment in truth.get_segments()] == [0.4, 0.6]


def test_every_name_has_its_bars() -> None:
    axes = Figure().subplots()
    share_bars(
        axes, {f"sampler {k}": ModeWeights(50, [0.3, 0.7], [0.2, 0.6], [0.4, 0.8], [0.5, 0.5], 0.1) for k in range(9)}
    )
    named = axes.get_legend_handles_labels()[1]
    assert {f"sampler {k}" for k in range(9)} <= set(named)
