"""Pictures side by side, each under its title."""

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from scorefield.plotting.sheet import Placed, plain, sheet, titled

_VEIL = (0.25, 0.5, 0.85)  # a blue of middle lightness: neither ink nor paper


def veil(x: Float[Tensor, "n c h w"], hidden: Bool[Tensor, "#n #c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return images in [0, 1] in colour, with one blue, that no grey image has, where pixels are hidden."""
    return torch.where(hidden, x.new_tensor(_VEIL)[:, None, None], x.expand(-1, 3, -1, -1))


def picture_row(
    path: Path | None,
    pictures: Mapping[str, Image.Image],
    heading: str = "",
    height: float = 3.2,
    **placed: Unpack[Placed],
) -> None:
    """Write pictures side by side, all ``height`` inches high, each under its title, and all under a heading."""
    pictures = titled(pictures)
    shapes = [picture.width / picture.height for picture in pictures.values()]
    size = height * sum(shapes), height + (0.7 if heading else 0.4)
    with sheet(path, size, **placed, tight=True) as figure:
        columns = figure.subplots(1, len(shapes), squeeze=False, width_ratios=shapes)[0]
        for axes, (title, picture) in zip(columns, pictures.items(), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(title, fontsize=10)
            axes.set_axis_off()
        if heading:
            figure.suptitle(plain(heading), fontsize=11)
