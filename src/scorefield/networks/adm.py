"""ADM, the U-Net of Dhariwal & Nichol (2021): the noise scales and shifts the norms, attention has heads of 64 channels.

    pixels ─ conv ─ blocks ───────────────────────(cat)─ blocks ─ norm ─ silu ─ conv ─ pixels
                       └ halve ─ blocks ───(cat)─ blocks ─┘ double
                                   └ blocks ─┘

The blocks are those of `scorefield.networks.residual`, in a style of their own.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Lt
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.networks.resampling import Image
from scorefield.networks.residual import Block, Positional, Style, image_shape, nearest_level, one_hot, require_shape


class ADM(nn.Module):
    """A U-Net F(x, noise, labels).

    Args:
        channels: channels of the images.
        size: their height and width, or the one number that is both; divisible by two as often as there are grids less one.
        width: channels of the finest grid.
        multipliers: channels of each grid, in units of ``width``.
        depth: blocks on each grid on the way down; there is one more on the way up.
        attention: heights of the grids whose blocks are followed by attention.
        classes: number of labels; None for a network that takes none.
        dropout: share of values set to zero inside each block in training.
        bottleneck: whether attention is between the way down and the way up.
        stem_width: channels of the first convolution; None for ``width``.
        features: length of the vector that conditions the blocks; None for four times ``width``.
        timesteps: how many levels it was trained on, where it knows only these: it is given 999 t, and evaluated at the nearest level.

    Raises:
        ConfigError: the size cannot be halved as often.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int],
        *,
        width: Annotated[int, Ge(4)] = 192,
        multipliers: tuple[int, ...] = (1, 2, 3, 4),
        depth: Annotated[int, Ge(1)] = 3,
        attention: tuple[int, ...] = (32, 16, 8),
        classes: Annotated[int, Ge(2)] | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        bottleneck: bool = True,
        stem_width: Annotated[int, Ge(1)] | None = None,
        features: Annotated[int, Ge(1)] | None = None,
        timesteps: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        super().__init__()
        self.shape = image_shape(channels, size, len(multipliers))
        self.width, self.multipliers, self.depth = width, multipliers, depth
        self.attention, self.classes, self.dropout = attention, classes, dropout
        self.bottleneck, self.features, self.timesteps = bottleneck, features, timesteps
        self.stem_width = stem_width
        style = Style(
            features or 4 * width,
            rescale=False,
            adaptive=True,
            project=False,
            heads=lambda c: max(1, c // 64),
            eps=1e-5,
            dropout=dropout,
        )
        self.noise = Positional(width, endpoint=False, cosine_first=True)
        self.label = None if classes is None else nn.Linear(classes, style.features, bias=False)
        self.mix = nn.Sequential(nn.Linear(width, style.features), nn.SiLU(), nn.Linear(style.features, style.features))
        widths = [width * m for m in multipliers]
        kept = [stem_width or width]
        self.stem = nn.Conv2d(channels, kept[0], 3, padding=1)
        attends = [self.shape[1] // 2**i in attention for i in range(len(widths))]
        down: list[nn.Module] = []
        for i, w in enumerate(widths):
            if i:
                down.append(Block(kept[-1], kept[-1], style, "halve"))
                kept.append(kept[-1])
            for _ in range(depth):
                down.append(Block(kept[-1], w, style, attention=attends[i]))
                kept.append(w)
        self.down = nn.ModuleList(down)
        last = widths[-1]
        self.middle = nn.ModuleList([Block(last, last, style, attention=bottleneck), Block(last, last, style)])
        up: list[nn.Module] = []
        for i, w in reversed(list(enumerate(widths))):
            if i < len(widths) - 1:
                up.append(Block(last, last, style, "double"))
            for _ in range(depth + 1):
                up.append(Block(last + kept.pop(), w, style, attention=attends[i]))
                last = w
        self.up = nn.ModuleList(up)
        self.norm = style.norm(width * multipliers[0])
        self.head = nn.Conv2d(width * multipliers[0], channels, 3, padding=1)

    def forward(self, x: Image, noise: Float[Tensor, " b"], labels: Int[Tensor, " b"] | None = None) -> Image:
        """Return the network's value at ``x``; arguments and errors are those of `NCSNpp`."""
        require_shape(x, self.shape)
        vector = self.mix(self.noise(nearest_level(noise, self.timesteps)).to(x))
        if self.label is not None:
            vector = vector + self.label(one_hot(labels, x, self.label.in_features))
        condition = F.silu(vector)
        h = self.stem(x)
        kept = [h]
        for block in self.down:
            h = block(h, condition)
            kept.append(h)
        for block in self.middle:
            h = block(h, condition)
        for block in self.up:
            h = block(h if block.resample else torch.cat([h, kept.pop()], dim=1), condition)
        return self.head(F.silu(self.norm(h)))
