r"""Grids halved and doubled without aliasing: a small filter before every second pixel is dropped, or after zeros are put between pixels.

With the taps k of a filter along one axis, normalised to Σ k = 1, and * a convolution along both axes:

    halve:  y = (k * x)[::2, ::2]          double:  y = 2² k * (x with a zero between any two pixels)

k = (1, 1) is the mean of four pixels and the nearest neighbour; k = (1, 3, 3, 1) is the filter of StyleGAN2 and NCSN++
(Zhang 2019; Karras et al. 2020; Song et al. 2021, appendix H). The number of taps is even; of an odd filter the first is 0.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scorefield._tensors import there

Image = Float[Tensor, "b c h w"]
Taps = tuple[int, ...]
Change = Literal["halve", "double"]


def halve(x: Image, taps: Taps) -> Image:
    """Return the image on a grid half as fine."""
    return _filtered(x, taps, (len(taps) - 1) // 2, (len(taps) - 2) // 2, stride=2)


def double(x: Image, taps: Taps) -> Image:
    """Return the image on a grid twice as fine."""
    channels = x.shape[1]
    kernel = 4 * _kernel(x, taps).expand(channels, 1, -1, -1)
    return F.conv_transpose2d(x, kernel, stride=2, padding=(len(taps) - 2) // 2, groups=channels)


def changed(x: Image, how: Change, taps: Taps) -> Image:
    """Return the image on the other grid."""
    return halve(x, taps) if how == "halve" else double(x, taps)


def _filtered(x: Image, taps: Taps, before: int, after: int, *, stride: int = 1, gain: float = 1.0) -> Image:
    """Return the image, padded by zeros, filtered channel by channel."""
    channels = x.shape[1]
    kernel = gain * _kernel(x, taps[::-1]).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, stride=stride, groups=channels)


def _kernel(x: Tensor, taps: Taps) -> Tensor:
    k = there(torch.tensor(taps, dtype=x.dtype), x)
    return torch.outer(k, k) / k.sum() ** 2


class Filtered(nn.Module):
    """The grid halved or doubled by a filter alone."""

    def __init__(self, how: Change, taps: Taps) -> None:
        super().__init__()
        self.how: Change = how
        self.taps = taps

    def forward(self, input: Image) -> Image:
        """Return the image on the other grid."""
        return changed(input, self.how, self.taps)


class BlurredConv(nn.Conv2d):
    """A 3×3 convolution that halves or doubles the grid, filtered on the fine side of it."""

    def __init__(self, inputs: int, outputs: int, how: Change, taps: Taps) -> None:
        super().__init__(inputs, outputs, 3)
        self.how, self.taps = how, taps

    def forward(self, input: Image) -> Image:
        """Return the image on the other grid."""
        length = len(self.taps)
        if self.how == "double":
            spread = F.conv_transpose2d(input, self.weight.flip(2, 3).transpose(0, 1), stride=2)
            h = _filtered(spread, self.taps, (length - 3) // 2 + 1, (length - 4) // 2 + 1, gain=4)
            return h if self.bias is None else h + self.bias[:, None, None]
        return F.conv2d(_filtered(input, self.taps, (length + 1) // 2, length // 2), self.weight, self.bias, stride=2)


class StridedConv(nn.Conv2d):
    """A 3×3 convolution that halves or doubles the grid as DDPM does: at every second pixel, or after the nearest neighbour."""

    def __init__(self, inputs: int, outputs: int, how: Change) -> None:
        super().__init__(inputs, outputs, 3)
        self.how = how

    def forward(self, input: Image) -> Image:
        """Return the image on the other grid."""
        if self.how == "double":
            return F.conv2d(F.interpolate(input, scale_factor=2), self.weight, self.bias, padding=1)
        return F.conv2d(F.pad(input, (0, 1, 0, 1)), self.weight, self.bias, stride=2)
