"""The parts of the U-Net: the vector that conditions it, the residual block that uses this vector, the norm in between.

Every part keeps the dtype and the memory format of what it is given: under bfloat16 autocast and channels_last
nothing is converted between two convolutions.
"""

from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.mlp import FourierFeatures
from scorefield.networks.rows import Linear

Maps = Float[Tensor, "b c *size"]

Module = TypeVar("Module", bound=nn.Module)


def zeroed(module: Module) -> Module:
    """Return ``module`` with every parameter zero, so that the branch it ends starts as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def convolution(axes: int) -> type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]:
    """Return the convolution of grids of one, two or three axes."""
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]


def channel_norm(x: Maps) -> Maps:
    """Return ``x`` with mean 0 and variance 1 over the channels of each pixel (layer norm, no parameters).

    In channels_last memory the channels of a pixel are neighbours, so this is one pass over contiguous rows.
    """
    return F.layer_norm(x.movedim(1, -1), (x.shape[1],)).movedim(-1, 1)


class Conditioning(nn.Module):
    """One vector per example that says how noisy it is and, if there are classes, what it shows.

    Args:
        features: length of the vector.
        classes: number of labels; the table has one more row, for 'no label'.
        levels: number of noise levels, when the noise is the index of one; None when it is a real number.
    """

    def __init__(self, features: int, classes: int | None, levels: int | None) -> None:
        super().__init__()
        self.levels = levels
        self.noise = FourierFeatures(features) if levels is None else nn.Embedding(levels, features)
        self.label = None if classes is None else nn.Embedding(classes + 1, features)
        self.mix = nn.Sequential(Linear(features, features), nn.SiLU(), Linear(features, features), nn.SiLU())

    def forward(self, x: Maps, noise: Tensor, labels: Int[Tensor, " b"] | None) -> Float[Tensor, "b f"]:
        """Return the vector of each example of ``x``, in the dtype of x; noise of shape () or (b,)."""
        if noise.is_floating_point() == (self.levels is not None):
            wanted = "a real number, as ln(σ)/4 is" if self.levels is None else "the integer index of a level"
            raise ConfigError(
                f"noise has dtype {noise.dtype}, but the network was built with levels={self.levels}: give it {wanted}"
            )
        batch = x.shape[0]
        vector = self.noise(noise).to(x).expand(batch, -1)
        if self.label is not None:
            nothing = self.label.num_embeddings - 1
            rows = torch.full((batch,), nothing, device=x.device) if labels is None else labels
            vector = vector + self.label(rows)
        elif labels is not None:
            raise ConfigError("labels came to a network without classes: build it with classes=<how many>")
        return self.mix(vector)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(scale · norm(x) + shift))), with scale and shift linear in the conditioning vector.

    One norm and one activation serve two convolutions: the convolutions are where the time should go. The
    second one starts at zero, so that a new block is the identity.
    """

    def __init__(self, width: int, features: int, dropout: float, axes: int = 2) -> None:
        super().__init__()
        self.modulation = zeroed(Linear(features, 2 * width))
        self.conv_in = convolution(axes)(width, width, 3, padding=1)
        self.conv_out = zeroed(convolution(axes)(width, width, 3, padding=1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Maps, condition: Float[Tensor, "b f"]) -> Maps:
        """Return ``x`` plus the block's correction."""
        modulation = self.modulation(condition)
        scale, shift = modulation.reshape(*modulation.shape, *[1] * (x.ndim - 2)).chunk(2, dim=1)
        h = self.conv_in(channel_norm(x) * (1 + scale) + shift)
        return x + self.conv_out(self.dropout(F.silu(h)))
