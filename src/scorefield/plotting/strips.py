"""Images in rows and columns that mean something: a row per sample, a column per noise level or per neighbour."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from jaxtyping import Float
from torch import Tensor

from scorefield.plotting.images import UNIT, Ends, exposed, grid_image
from scorefield.plotting.panels import picture_row
from scorefield.plotting.sheet import Placed

_CELL = 0.85  # inches: room for a column's title


def sigma_strip(
    path: Path | None,
    states: Float[Tensor, "L n c h w"],
    sigmas: Sequence[float],
    final: Float[Tensor, "n c h w"],
    ends: Ends = UNIT,
    **placed: Unpack[Placed],
) -> None:
    """Write n samples on their way down the noise levels: a row each, a column per level, the last one the noise-free step.

    Each column is shown on its own scale, as the frames of `save_film` are.

    Args:
        path: of the picture.
        states: x at the end of each level.
        sigmas: the levels, descending.
        final: E[x_0 | x] of the last state.
        ends: the data's values that are black and white.
        placed: ``width`` in inches, in place of the usual one; ``ax`` whose place it takes in a figure of yours.
    """
    columns = {f"σ = {sigma:.2g}": x for sigma, x in zip(sigmas, states, strict=True)}
    _write(path, {title: exposed(x, ends) for title, x in {**columns, "denoised": final}.items()}, **placed)


def neighbour_strip(
    path: Path | None,
    x: Float[Tensor, "n c h w"],
    neighbours: Float[Tensor, "n k c h w"],
    heading: str = "",
    ends: Ends = UNIT,
    **placed: Unpack[Placed],
) -> None:
    """Write n samples, each followed by its k nearest neighbours: ``train.scaled(indices.flatten())`` in the shape (n, k, c, h, w).

    The indices are those of `scorefield.metrics.nearest_neighbours`.
    """
    columns = {"nearest" if k == 1 else f"{k}.": near for k, near in enumerate(neighbours.unbind(dim=1), start=1)}
    _write(path, {"sample": x, **columns}, heading, ends, **placed)


def _write(
    path: Path | None,
    columns: Mapping[str, Float[Tensor, "n c h w"]],
    heading: str = "",
    ends: Ends = UNIT,
    **placed: Unpack[Placed],
) -> None:
    rows = len(next(iter(columns.values())))
    grids = {title: grid_image(images, 1, ends) for title, images in columns.items()}
    picture_row(path, grids, heading, height=_CELL * rows, **placed)
