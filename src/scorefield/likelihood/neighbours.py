"""The pixels that are decoded before a pixel, and what can be seen of each beforehand: how far it may be trusted depends on that."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Int64, Shaped
from torch import Tensor

# Rows and columns from a pixel to those asked: all are decoded before it.
BEFORE = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
CONTEXTS = 12
MARGIN = 2 * max(-offset for place in BEFORE for offset in place)
SLANT = 2  # no neighbour is in a row above and as many columns on for each
WHITE = 250
# From a pixel to each of them, to the one as far beyond it, to a pixel beside, and from there the same way.
_TO = torch.tensor(BEFORE, device="cpu")
_BESIDE = torch.tensor([(-1, 0) if down == 0 else (0, -1) for down, _ in BEFORE], device="cpu")
_PLACES = torch.stack([_TO, 2 * _TO, _BESIDE, _BESIDE + _TO])


class Neighbour(NamedTuple):
    """What pixels in one direction say: the byte there, and which of `CONTEXTS` it is seen in."""

    byte: Int64[Tensor, "b *d"]
    context: Int64[Tensor, "b *d"]


def as_planes(x: Tensor) -> Tensor:
    """Return images of any number of channels, or rows of pixels, in the shape (b, c, h, w)."""
    *_, height, width = (1, *x.shape[1:])
    return x.reshape(len(x), -1, height, width)


def framed(planes: Shaped[Tensor, "b c h w"]) -> Shaped[Tensor, "b c H W"]:
    """Return images, of bytes or denoised, within the margin that neighbours reach into; beyond the edges they are 0."""
    return F.pad(planes, (MARGIN,) * 4)


def everywhere(planes: Shaped[Tensor, "b c h w"]) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Return the rows and columns of all pixels."""
    *_, height, width = planes.shape
    k = torch.arange(height * width)
    return k // width, k % width


def neighbours(padded: Int64[Tensor, "b c h w"], i: Int64[Tensor, " p"], j: Int64[Tensor, " p"]) -> Neighbour:
    """Return the neighbours of pixels in rows i and columns j of an image within its margin, along a last axis."""
    return _seen(*at(padded, i, j, _PLACES).unbind(-2))


def at(
    padded: Shaped[Tensor, "b c h w"], i: Int64[Tensor, " p"], j: Int64[Tensor, " p"], places: Int64[Tensor, "*k 2"]
) -> Shaped[Tensor, "b c p *k"]:
    """Return the pixels that lie rows and columns away from those in rows i and columns j of an image within its margin."""
    width = padded.shape[-1]
    away = places @ torch.tensor([width, 1])
    return padded.flatten(-2)[..., ((MARGIN + i) * width + MARGIN + j).view(-1, *[1] * away.ndim) + away]


def waves(height: int, width: int, slant: int) -> Iterator[tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]]:
    """Yield the rows and columns of all pixels in waves, in each of which a row is ``slant`` columns behind the one above it.

    With `SLANT` no pixel asks another of its own wave or of a later one; with the width of the image waves are of one pixel, row by row.
    """
    wave = slant * torch.arange(height)[:, None] + torch.arange(width)
    for k in range(int(wave.max()) + 1):
        i, j = (wave == k).nonzero(as_tuple=True)
        yield i, j


def all_neighbours(bytes_: Int64[Tensor, "b *d"]) -> list[Neighbour]:
    """Return the neighbours of every pixel that are decoded before it, row by row."""
    planes = as_planes(bytes_)
    padded, (i, j) = framed(planes), everywhere(planes)
    beside = (at(padded, i, j, places).reshape(*bytes_.shape, -1) for places in _PLACES.transpose(0, 1))
    return [_seen(*found.unbind(-1)) for found in beside]


def _seen(byte: Tensor, beyond: Tensor, beside: Tensor, along: Tensor) -> Neighbour:
    """Return a neighbour: its byte, whether the pixel beyond it equals it, and whether the step beside it is the same as along it."""
    kind = (byte > 0).long() + (byte >= WHITE).long()
    return Neighbour(byte, 4 * kind + 2 * (beyond == byte).long() + (beside == along).long())
