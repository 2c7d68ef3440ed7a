"""The parts of an image that are hidden most often, by name."""

import torch
from jaxtyping import Bool
from torch import Tensor

from scorefield._checks import one_of

HIDDEN_PARTS = ("left", "right", "top", "bottom", "center", "vertical", "horizontal")


def hidden_part(name: str, height: int, width: int) -> Bool[Tensor, "1 h w"]:
    """Return the mask called ``name``, one of `HIDDEN_PARTS`: true where a pixel is hidden.

    Halves are rounded down: ``left``, ``right``, ``top`` and ``bottom`` hide ⌊w/2⌋ columns or ⌊h/2⌋ rows at that side. ``vertical`` hides a
    central band, all columns but ⌊w/4⌋ at each side, ``horizontal`` the same of rows, and ``center`` where both do.
    """
    one_of(HIDDEN_PARTS, name, "the hidden part")
    every = slice(None)
    rows, columns = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    part = {
        "left": (every, slice(width // 2)),
        "right": (every, slice(width - width // 2, width)),
        "top": (slice(height // 2), every),
        "bottom": (slice(height - height // 2, height), every),
        "vertical": (every, columns),
        "horizontal": (rows, every),
        "center": (rows, columns),
    }[name]
    hidden = torch.zeros(1, height, width, dtype=torch.bool)
    hidden[:, *part] = True
    return hidden
