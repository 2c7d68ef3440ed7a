"""The pixels that are decoded before a pixel, and what can be seen of each beforehand: how far it may be trusted depends on that."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

__all__ = ["BEFORE", "CONTEXTS", "MARGIN", "Neighbour", "all_neighbours", "as_planes", "framed", "neighbours"]

# Rows and columns from a pixel to those asked: all are decoded before it.
BEFORE = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
CONTEXTS = 12
MARGIN = 2 * max(-offset for place in BEFORE for offset in place)
_WHITE = 250


class Neighbour(NamedTuple):
    """What pixels in one direction say: the byte there, and which of `CONTEXTS` it is seen in."""

    byte: Int64[Tensor, "b *d"]
    context: Int64[Tensor, "b *d"]


def as_planes(x: Tensor) -> Tensor:
    """Return images of any number of channels, or rows of pixels, in the shape (b, c, h, w)."""
    *_, height, width = (1, *x.shape[1:])
    return x.reshape(len(x), -1, height, width)


def framed(planes: Int64[Tensor, "b c h w"]) -> Int64[Tensor, "b c h w"]:
    """Return images within the margin that neighbours reach into; beyond the edges bytes are 0."""
    return F.pad(planes, (MARGIN, MARGIN, MARGIN, 0))


def neighbours(padded: Int64[Tensor, "b c h w"], first: tuple[int, int], size: tuple[int, int]) -> list[Neighbour]:
    """Return the neighbours that are decoded before each pixel of a part of an image, which begins at ``first``."""

    def at(*place: int) -> Int64[Tensor, "b c h w"]:
        top, left = (MARGIN + start + offset for start, offset in zip(first, place, strict=True))
        return padded[..., top : top + size[0], left : left + size[1]]

    found = []
    for down, right in BEFORE:
        byte = at(down, right)
        kind = (byte > 0).long() + (byte >= _WHITE).long()
        goes_on = at(2 * down, 2 * right) == byte
        side = (-1, 0) if down == 0 else (0, -1)
        beside = at(*side) == at(side[0] + down, side[1] + right)
        found.append(Neighbour(byte, 4 * kind + 2 * goes_on.long() + beside.long()))
    return found


def all_neighbours(bytes_: Int64[Tensor, "b *d"]) -> list[Neighbour]:
    """Return the neighbours of every pixel that are decoded before it, row by row."""
    planes = as_planes(bytes_)
    *_, height, width = planes.shape
    found = neighbours(framed(planes), (0, 0), (height, width))
    return [Neighbour(*(part.reshape(bytes_.shape) for part in neighbour)) for neighbour in found]
