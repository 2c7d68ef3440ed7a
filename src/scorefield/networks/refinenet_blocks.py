"""The parts of NCSN's RefineNets: residual blocks, and those of Lin et al. (2017) that refine a coarse grid into a fine one.

Every block maps (x, level) ↦ feature maps and makes its norms by a function it is given, so that conditional and unconditional networks
are built of the same blocks. Attributes carry the names under which published weights are stored.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorefield.networks.refinenet_norms import Levels, MakeNorm, Maps, elu_of

Pool = Callable[..., Tensor]  # torch.nn.functional.avg_pool2d or max_pool2d


def conv3x3(inputs: int, outputs: int, *, bias: bool = True, dilation: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps the size of the grid."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=bias)


class MeanPooledConv(nn.Module):
    """A convolution, then the mean of each 2×2 square.

    Both are linear: together they are one convolution with stride 2 whose kernel is the mean of four shifted copies, for less than half the
    multiplications.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Maps) -> Maps:
        """Return maps of half the height and width."""
        kernel = F.avg_pool2d(F.pad(self.conv.weight, (1, 1, 1, 1)), 2, stride=1)
        return F.conv2d(x, kernel, self.conv.bias, stride=2, padding=self.conv.padding)


class Residual(nn.Module):
    """shortcut(x) + conv(elu(norm(conv(elu(norm(x)))))).

    With ``down`` it starts a stage: it halves the grid (or, dilated, widens the view instead), and its shortcut is a convolution.
    """

    def __init__(self, inputs: int, outputs: int, norm: MakeNorm, *, dilation: int = 1, down: bool = False) -> None:
        super().__init__()
        halve = down and dilation == 1
        inner = inputs if down else outputs
        self.conv1 = conv3x3(inputs, inner, dilation=dilation)
        self.normalize2 = norm(inner)
        self.conv2 = MeanPooledConv(inner, outputs, 3) if halve else conv3x3(inner, outputs, dilation=dilation)
        if down:
            self.shortcut = MeanPooledConv(inputs, outputs, 1) if halve else conv3x3(inputs, outputs, dilation=dilation)
        else:
            self.shortcut = nn.Identity()
        self.normalize1 = norm(inputs)

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return the block's maps."""
        h = self.conv1(elu_of(self.normalize1, x, level))
        return self.shortcut(x) + self.conv2(elu_of(self.normalize2, h, level))


class Chain(nn.ModuleList):
    """Blocks one after another."""

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return ``x`` after the last block."""
        for block in self:
            x = block(x, level)
        return x


class RCU(nn.ModuleDict):
    """Residual convolution units: ``units`` times x + conv(elu(norm(conv(elu(norm(x))))))."""

    def __init__(self, channels: int, units: int, norm: MakeNorm) -> None:
        super().__init__()
        self.units = units
        for unit in range(1, units + 1):
            for stage in (1, 2):
                self[f"{unit}_{stage}_norm"] = norm(channels)
                self[f"{unit}_{stage}_conv"] = conv3x3(channels, channels, bias=False)

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return maps of the same shape."""
        for unit in range(1, self.units + 1):
            h = x
            for stage in (1, 2):
                h = self[f"{unit}_{stage}_conv"](elu_of(self[f"{unit}_{stage}_norm"], h, level))
            x = x + h
        return x


class CRP(nn.Module):
    """Chained residual pooling: h = elu(x), and to h add two links of a chain, each conv(pool(norm(the one before)))."""

    def __init__(self, channels: int, norm: MakeNorm, pool: Pool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3x3(channels, channels, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(norm(channels) for _ in range(2))
        self.pool = pool

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return maps of the same shape."""
        total = link = F.elu(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            link = norm(link, level).contiguous(memory_format=torch.channels_last)  # pools ten times as fast on a CPU
            link = conv(self.pool(link, 5, stride=1, padding=2))
            total = total + link
        return total


class MSF(nn.Module):
    """Multi-scale fusion: the sum of a convolution of each path, brought to the grid of the first, the finest."""

    def __init__(self, widths: Sequence[int], channels: int, norm: MakeNorm) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3x3(width, channels) for width in widths)
        self.norms = nn.ModuleList(norm(width) for width in widths)

    def forward(self, paths: Sequence[Maps], level: Levels) -> Maps:
        """Return maps on the grid of the first path."""
        size = paths[0].shape[2:]
        mapped = [conv(norm(path, level)) for path, norm, conv in zip(paths, self.norms, self.convs, strict=True)]
        fused = mapped[0]
        for h in mapped[1:]:
            if h.shape[2:] != size:
                h = F.interpolate(h, size=size, mode="bilinear", align_corners=True)
            fused = fused + h
        return fused


class Refine(nn.Module):
    """A RefineNet block (Lin et al. 2017): adapt each path, the finest first, by `RCU`, fuse them by `MSF`, then `CRP` and `RCU`."""

    def __init__(self, widths: Sequence[int], channels: int, norm: MakeNorm, pool: Pool, *, units: int = 1) -> None:
        super().__init__()
        self.adapt_convs = nn.ModuleList(RCU(width, 2, norm) for width in widths)
        self.output_convs = RCU(channels, units, norm)
        self.msf = MSF(widths, channels, norm) if len(widths) > 1 else None
        self.crp = CRP(channels, norm, pool)

    def forward(self, paths: Sequence[Maps], level: Levels) -> Maps:
        """Return maps on the grid of the first path."""
        adapted = [adapt(path, level) for adapt, path in zip(self.adapt_convs, paths, strict=True)]
        h = adapted[0] if self.msf is None else self.msf(adapted, level)
        return self.output_convs(self.crp(h, level), level)
