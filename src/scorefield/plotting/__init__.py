"""Pictures: images and films of their making, curves, scores and samples in the plane. Nothing is shown; all is written where asked."""

from scorefield.plotting.bars import Shares, share_bars, weight_bars
from scorefield.plotting.clouds import sample_panels, save_path_film, trajectory_panels
from scorefield.plotting.curves import calibration_curve, loss_curve, sampler_comparison
from scorefield.plotting.fields import score_panels
from scorefield.plotting.images import grid_image, save_film, save_grid, to_unit
from scorefield.plotting.panels import picture_row, veil
from scorefield.plotting.plane import Square, Terrain, mass_level
from scorefield.plotting.strips import neighbour_strip, sigma_strip

__all__ = [
    "Shares",
    "Square",
    "Terrain",
    "calibration_curve",
    "grid_image",
    "loss_curve",
    "mass_level",
    "neighbour_strip",
    "picture_row",
    "sample_panels",
    "sampler_comparison",
    "save_film",
    "save_grid",
    "save_path_film",
    "score_panels",
    "share_bars",
    "sigma_strip",
    "to_unit",
    "trajectory_panels",
    "veil",
    "weight_bars",
]
