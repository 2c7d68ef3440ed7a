"""The ways down and up of NCSN++, grid by grid (`scorefield.networks.NCSNpp`).

Every state of the way down, the halved ones too, is kept and joined on the way up. The input may be handed down beside the blocks
(``encoder``), and the output be gathered on the way up (``decoder``):

    standard   not at all
    skip       the input, halved, joins every grid; every grid adds its part of the output, doubled
    residual   as skip, but a convolution halves or doubles, and what it gives is the state that goes on
"""

from typing import Literal

import torch
from torch import Tensor, nn

from scorefield.networks.resampling import Filtered, Image, double, halve
from scorefield.networks.residual import Block, Style

Route = Literal["standard", "skip", "residual"]
Join = Literal["sum", "cat"]
Changer = Block | nn.Conv2d | Filtered


class Down(nn.Module):
    """The way down on one grid: blocks, then the change to the next grid, if there is one, and what the input adds there.

    ``beside`` is a convolution of the input that is handed down: it is halved first, or by it ("residual").
    """

    def __init__(
        self,
        blocks: list[Block],
        change: Changer | None,
        beside: nn.Conv2d | None,
        route: Route,
        join: Join,
        style: Style,
    ) -> None:
        super().__init__()
        self.blocks, self.change, self.beside = nn.ModuleList(blocks), change, beside
        self.route, self.join, self.style = route, join, style

    def forward(self, h: Image, beside: Image, condition: Tensor | None) -> tuple[Image, Image, list[Image]]:
        """Return the state, the input as handed down so far, and the states to keep."""
        kept = []
        for block in self.blocks:
            h = block(h, condition)
            kept.append(h)
        if self.change is None:
            return h, beside, kept
        h = changed(self.change, h, condition)
        if self.beside is not None and self.route == "residual":
            h = beside = self.style.sum(self.beside(beside), h)
        elif self.beside is not None:
            beside = halve(beside, self.style.taps)
            given = self.beside(beside)
            h = torch.cat([given, h], dim=1) if self.join == "cat" else given + h
        return h, beside, [*kept, h]


class Up(nn.Module):
    """The way up on one grid: blocks, the part of the output that is gathered here, then the change to the next grid, if there is one.

    ``grow`` is a convolution that doubles what was gathered ("residual"); ``norm`` and ``conv`` give the part that is gathered here.
    """

    def __init__(
        self,
        blocks: list[Block],
        grow: nn.Conv2d | None,
        norm: nn.GroupNorm | None,
        conv: nn.Conv2d | None,
        change: Changer | None,
        style: Style,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.grow, self.norm, self.conv, self.change, self.style = grow, norm, conv, change, style

    def forward(
        self, h: Image, out: Image | None, kept: list[Image], condition: Tensor | None
    ) -> tuple[Image, Image | None]:
        """Return the state, and the output as gathered so far; ``kept`` is one state of the way down for each block, the last first."""
        for block, beside in zip(self.blocks, kept, strict=True):
            h = block(torch.cat([h, beside], dim=1), condition)
        if self.grow is not None:
            h = out = self.style.sum(self.grow(out), h)
        elif self.norm is not None and self.conv is not None:
            part = self.conv(self.style.activation(self.norm(h)))
            out = part if out is None else double(out, self.style.taps) + part
        return (h if self.change is None else changed(self.change, h, condition)), out


def changed(change: Changer, h: Image, condition: Tensor | None) -> Image:
    """Return the state on the next grid."""
    return change(h, condition) if isinstance(change, Block) else change(h)
