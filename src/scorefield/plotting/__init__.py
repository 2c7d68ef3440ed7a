"""Pictures: grids of images, films of their making, curves. Nothing is shown; everything is returned or written where asked."""

from scorefield.plotting.curves import loss_curve, sampler_comparison
from scorefield.plotting.images import grid_image, save_film, save_grid, to_unit

__all__ = ["grid_image", "loss_curve", "sampler_comparison", "save_film", "save_grid", "to_unit"]
