"""A classifier of noisy images: the encoder half of the U-Net, which is given how noisy they are."""

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Le, Lt
from jaxtyping import Float
from torch import Tensor, nn

from scorefield._checks import whole
from scorefield.networks.blocks import Conditioning, Maps, channel_norm, convolution
from scorefield.networks.residual import require_shape
from scorefield.networks.rows import Linear
from scorefield.networks.unet import Stage, channels_last, grid_widths, shrink, widened


class NoisyClassifier(nn.Module):
    """Logits of p(label | noisy image); 0.7 M parameters at 28×28 and width 128.

    The grids are halved, and their channels doubled, as the U-Net's are; the mean over the coarsest one is the vector of features.

    Args:
        channels: channels of the images.
        size: height and width of the images, or the one number that is both; of series (length,), of volumes their three sides.
        classes: number of labels.
        width: channels on the coarsest grid, and length of the features.
        depth: residual blocks on each grid.
        dropout: share of values set to zero inside blocks and before the last layer in training.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, ...],
        classes: Annotated[int, Ge(2), Le(100_000)] = 10,
        *,
        width: Annotated[int, Ge(4), Le(4096)] = 128,
        depth: Annotated[int, Ge(1)] = 1,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    ) -> None:
        super().__init__()
        self.width, self.depth, self.dropout = width, depth, dropout
        self.shape = (channels, *((size, size) if isinstance(size, int) else size))
        whole(classes, "classes", 2)
        widths = grid_widths(self.shape, width)
        features, axes = 2 * width, len(self.shape) - 1
        self.multiple = 2 ** (len(widths) - 1)
        self.classes = classes
        self.condition = Conditioning(features, None, None)
        self.stem = convolution(axes)(channels, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(Stage(depth, w, features, dropout, axes) for w in widths)
        self.shrink = nn.ModuleList(shrink(finer, coarser, axes) for finer, coarser in pairwise(widths))
        self.head = nn.Sequential(nn.Dropout(dropout), Linear(width, classes))

    def features(self, x: Maps, noise: Tensor) -> Float[Tensor, "b f"]:
        """Return the vector from which the label is read.

        Args:
            x: images of the shape the network was built for.
            noise: how noisy they are, a real number of order one such as ln(σ)/4, of shape () or (b,).

        Raises:
            ConfigError: images of another shape.
        """
        require_shape(x, self.shape)
        condition = self.condition(x, noise, None)
        h = channels_last(self.stem(widened(x, self.multiple)))
        for stage, coarser in zip(self.stages, [*self.shrink, nn.Identity()], strict=True):
            h = coarser(stage(h, condition))
        return F.silu(channel_norm(h)).mean(dim=tuple(range(2, x.ndim)))

    def forward(self, x: Maps, noise: Tensor) -> Float[Tensor, "b k"]:
        """Return the logits of the labels."""
        return self.head(self.features(x, noise))
