"""The names of this package: each is written here once, for type checkers, and is imported from here when it is first used."""

from .bars import (
    share_bars as share_bars,
    weight_bars as weight_bars,
)
from .clouds import (
    histogram_panels as histogram_panels,
    sample_panels as sample_panels,
    save_path_film as save_path_film,
    trajectory_panels as trajectory_panels,
)
from .curves import (
    calibration_curve as calibration_curve,
    loss_curve as loss_curve,
    race_curves as race_curves,
    sampler_comparison as sampler_comparison,
)
from .fields import score_panels as score_panels
from .images import (
    grid_image as grid_image,
    save_film as save_film,
    save_grid as save_grid,
    to_unit as to_unit,
)
from .panels import (
    picture_row as picture_row,
    veil as veil,
)
from .plane import (
    Square as Square,
    Terrain as Terrain,
    mass_level as mass_level,
)
from .strips import (
    neighbour_strip as neighbour_strip,
    sigma_strip as sigma_strip,
)
