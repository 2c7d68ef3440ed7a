"""The network of NCSNv2: a RefineNet that knows the noise level only as the scale of its output."""

from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Le
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._tensors import like
from scorefield.errors import ConfigError
from scorefield.networks.refinenet import RefineNet, Stages
from scorefield.networks.refinenet_norms import InstanceNormPlus, Unnormalized


class NCSNv2Net(RefineNet):
    """The unconditional RefineNet of NCSNv2 (Song & Ermon 2020, Technique 3): (x, level) ↦ F(x)/σ_level.

    Takes images in [0, 1] with noise on them and maps them to [−1, 1] itself; the division by σ happens here, so the output is the
    score, to be used in `scorefield.LadderNet` with the same levels. Published state dicts load by their own names; ``sigmas`` is one.

    Args:
        channels: channels of the images, of any even height and width.
        sigmas: σ_1 > … > σ_L (`scorefield.geometric`), kept in float32 as published weights have them.
        ngf: channels of the finest feature maps.
        size: height and width of the images, where they should be checked.
        stages: 4 for images below 96 pixels, 5 up to 128, 6 up to 256, as published.

    Raises:
        ConfigError: a number below 1, an odd side, or levels that are not positive numbers.
    """

    sigmas: Float[Tensor, " L"]

    def __init__(
        self,
        channels: int,
        sigmas: Float[Tensor, " L"],
        ngf: Annotated[int, Ge(1), Le(4096)] = 64,
        size: tuple[int, int] | None = None,
        stages: Stages = 4,
    ) -> None:
        if sigmas.ndim != 1 or not (sigmas > 0).all():
            raise ConfigError(f"levels must be a vector of positive numbers; received {sigmas.tolist()}")
        super().__init__(channels, ngf, InstanceNormPlus, Unnormalized, F.max_pool2d, size, stages)
        self.register_buffer("sigmas", sigmas.float())

    def forward(
        self, x: Float[Tensor, "b c h w"], noise: Int[Tensor, "*b"], labels: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Return the score at ``x``; ``noise`` of shape () or (b,) is the level's index, 0 the noisiest.

        Raises:
            ConfigError: images of other channels, noise that is not an index, or labels.
        """
        level = self._level(x, noise, labels)
        return self._raw(x, level) / like(self.sigmas[level], x)
