"""A small U-Net for images, series and volumes, proportioned by measurement for a machine without a GPU.

    pixels ─ conv ─ blocks ──────────────────────────────(+)─ blocks ─ norm ─ silu ─ conv ─ pixels
                      └ halve ─ blocks ──────(+)─ blocks ─┘ grow
                                  └ halve ─ blocks ─┘ grow

Halving the grid doubles the channels, so that a convolution costs the same number of multiplications on every
grid. The coarsest grid is 7 to 13 pixels wide; the way up adds what the way down kept (no concatenation, which
would double the cost of the convolution that follows).
"""

import math
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le, Lt
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.blocks import Conditioning, Maps, ResidualBlock, channel_norm, convolution, zeroed
from scorefield.networks.residual import require_shape
from scorefield.networks.rows import kernel_depends_on_rows


class Stage(nn.Module):
    """Residual blocks one after another, on one grid and under one condition."""

    def __init__(self, blocks: int, width: int, features: int, dropout: float, axes: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(width, features, dropout, axes) for _ in range(blocks))

    def forward(self, x: Maps, condition: Float[Tensor, "b f"]) -> Maps:
        """Return ``x`` after the last block."""
        for block in self.blocks:
            x = block(x, condition)
        return x


def shrink(finer: int, coarser: int, axes: int) -> nn.Module:
    """Return a layer that turns each 2×2 square of the grid into one pixel of more channels."""
    return convolution(axes)(finer, coarser, 2, stride=2)


def grow(coarser: int, finer: int, axes: int) -> nn.Module:
    """Return a layer that turns each pixel of the grid into a 2×2 square of fewer channels."""
    shuffle = nn.PixelShuffle(2) if axes == 2 else Shuffle()  # PyTorch's own is faster
    return nn.Sequential(convolution(axes)(coarser, 2**axes * finer, 1), shuffle)


class Shuffle(nn.Module):
    """`torch.nn.PixelShuffle` (2) for grids of any number of axes: of 2^axes neighbouring channels each goes to a corner of a cube."""

    def forward(self, x: Maps) -> Maps:
        """Return maps of half the side and 2^axes times the channels on the finer grid."""
        axes = x.ndim - 2
        corners = x.reshape(len(x), -1, *[2] * axes, *x.shape[2:])
        order = [place for k in range(axes) for place in (2 + axes + k, 2 + k)]
        return corners.permute(0, 1, *order).reshape(len(x), -1, *(2 * side for side in x.shape[2:]))


def widened(x: Maps, multiple: int) -> Maps:
    """Return maps with zeros behind the end of each axis, so that its length is a multiple of a number."""
    return F.pad(x, [margin for side in reversed(x.shape[2:]) for margin in (0, -side % multiple)])


def channels_last(x: Maps) -> Maps:
    """Return maps in which the channels of a pixel are neighbours, where PyTorch has such an order."""
    order = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim, torch.contiguous_format)
    return x.contiguous(memory_format=order)


def grid_widths(shape: tuple[int, ...], width: int) -> list[int]:
    """Return the channels of each grid for maps of ``shape`` (c, *size), from the finest to the coarsest, which is 7 to 13 pixels wide."""
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ConfigError(
            f"images have at least one channel and one pixel, and a grid of one to three axes; received the shape {shape}: give the size "
            "as one number, or as (height, width), (length,) or (depth, height, width)"
        )
    halvings = max(0, int(math.log2(min(shape[1:]) / 7)))
    return [width // min(4, 2**k) for k in reversed(range(halvings + 1))]


class UNet(nn.Module):
    """A residual U-Net F(x, noise, labels) with one output per input value, zero when new.

    At 28×28×1 the grids are 28, 14 and 7 wide with 32, 64 and 128 channels, 1.22 M parameters in all. Train it under
    bfloat16 autocast where the processor has bfloat16 arithmetic: that is faster.

    Args:
        channels: channels of the images.
        size: height and width of the images, or the one number that is both; the length of series, (length,), or the three sides of
            volumes. Odd sizes are padded inside.
        width: channels on the coarsest grid; each finer grid has half as many, but no fewer than a quarter.
        depth: residual blocks on the coarsest grid; the grids between have one on the way down and one on the way up.
        finest: residual blocks on the finest grid, each way, where there is a coarser one. They take much of the
            time; with 0 the pixels go to the next grid in squares of four, as they are.
        classes: number of labels; None for a network that takes none.
        levels: number of noise levels, when ``noise`` is the index of one; None when it is a real number.
        dropout: share of the channels' values set to zero inside each block in training.

    Raises:
        ConfigError: the size is not one of an image.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, ...],
        *,
        width: Annotated[int, Ge(4), Le(4096)] = 128,
        depth: Annotated[int, Ge(1)] = 2,
        finest: Annotated[int, Ge(0)] = 1,
        classes: Annotated[int, Ge(2), Le(100_000)] | None = None,
        levels: int | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.depth, self.finest, self.dropout = width, depth, finest, dropout
        self.shape = (channels, *((size, size) if isinstance(size, int) else size))
        widths = grid_widths(self.shape, width)
        features, axes = 2 * width, len(self.shape) - 1
        finer = [(w, 1 if k else finest) for k, w in enumerate(widths[:-1])]
        self.multiple = 2 ** (len(widths) - 1)
        self.classes = classes
        self.condition = Conditioning(features, classes, levels)
        self.stem = convolution(axes)(channels, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(Stage(blocks, w, features, dropout, axes) for w, blocks in finer)
        self.shrink = nn.ModuleList(shrink(finer, coarser, axes) for finer, coarser in pairwise(widths))
        self.middle = Stage(depth, width, features, dropout, axes)
        self.grow = nn.ModuleList(grow(coarser, finer, axes) for coarser, finer in pairwise(widths[::-1]))
        self.decode = nn.ModuleList(Stage(blocks, w, features, dropout, axes) for w, blocks in reversed(finer))
        self.head = zeroed(convolution(axes)(widths[0], channels, 3, padding=1))

    def forward(self, x: Maps, noise: Tensor, labels: Int[Tensor, " b"] | None = None) -> Maps:
        """Return the network's value at ``x``.

        Args:
            x: images of the shape the network was built for.
            noise: how noisy they are, of shape () or (b,): a real number of order one such as ln(σ)/4, or with
                ``levels`` the integer index of a level.
            labels: class of each image, from 0; None for 'no label'.

        Raises:
            ConfigError: the images, the noise or the labels are not what the network was built for.
        """
        require_shape(x, self.shape)
        if len(x) == 1 and kernel_depends_on_rows(x):  # one image is computed as two, to be the same as in any batch
            pair = None if labels is None else labels.expand(2)
            return self.forward(x.expand(2, *self.shape), noise.expand(2), pair)[:1]
        condition = self.condition(x, noise, labels)
        h = channels_last(self.stem(widened(x, self.multiple)))
        kept: list[Tensor] = []
        for encode, shrink in zip(self.encode, self.shrink, strict=True):
            h = encode(h, condition)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h, condition)
        for grow, decode in zip(self.grow, self.decode, strict=True):
            h = decode(grow(h) + kept.pop(), condition)
        return self.head(F.silu(channel_norm(h)))[:, :, *map(slice, x.shape[2:])]
