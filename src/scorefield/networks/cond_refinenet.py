"""The network of NCSN: a RefineNet that knows the noise level through its norms."""

from functools import partial
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Le
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._checks import whole
from scorefield.networks.refinenet import RefineNet
from scorefield.networks.refinenet_norms import ConditionalInstanceNormPlus


class CondRefineNet(RefineNet):
    """The dilated, class-conditional RefineNet of NCSN (Song & Ermon 2019, appendix A): (x, level) ↦ s(x, σ_level).

    Takes images in [0, 1] with noise on them and maps them to [−1, 1] itself; the output is the score, to be used in
    `scorefield.LadderNet`. Published state dicts load by their own names. 7 638 657 parameters at 1 channel, 10 levels, ngf 64;
    30 117 635 at 3 channels, 10 levels, ngf 128.

    Args:
        channels: channels of the images, of any even height and width.
        levels: number of noise levels.
        ngf: channels of the finest feature maps.
        size: height and width of the images, where they should be checked.

    Raises:
        ConfigError: a number below 1, or an odd side.
    """

    def __init__(
        self,
        channels: int,
        levels: int = 10,
        ngf: Annotated[int, Ge(1), Le(4096)] = 64,
        size: tuple[int, int] | None = None,
    ) -> None:
        whole(levels, "levels", 1)
        norm = partial(ConditionalInstanceNormPlus, levels=levels)
        super().__init__(channels, ngf, norm, norm, F.avg_pool2d, size)

    def forward(
        self, x: Float[Tensor, "b c h w"], noise: Int[Tensor, "*b"], labels: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Return the score at ``x``; ``noise`` of shape () or (b,) is the level's index, 0 the noisiest.

        Raises:
            ConfigError: images of other channels, noise that is not an index, or labels.
        """
        return self._raw(x, self._level(x, noise, labels))
