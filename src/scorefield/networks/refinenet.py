r"""What NCSN's two networks share: a dilated RefineNet over four stages of residual blocks.

    x ─ 2x − 1 ─ conv ─ res1 ─────────────────────────────────┐ refine4 ─ norm ─ elu ─ conv ─ F
                         └ res2 (½) ──────────────┐ refine3 ──┘
                             └ res3 (×2) ─┐ refine2 ┘               ½ halves the grid
                                 └ res4 (×4) ─ refine1 ┘            ×d dilates convolutions instead

The released code passes a padding flag to the last stage when images are 28 pixels wide; dilated blocks do not use it, so
one network serves every size.
"""

import abc

from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.refinenet_blocks import Chain, Pool, Refine, Residual
from scorefield.networks.refinenet_norms import MakeNorm, elu_of

__all__ = ["RefineNet"]


class RefineNet(nn.Module, abc.ABC):
    """The trunk of `scorefield.networks.CondRefineNet` and `scorefield.networks.NCSNv2Net`, which are final.

    Args:
        channels: channels of the images.
        ngf: channels of the finest feature maps; the others have twice as many.
        norm: makes the norms of the residual stages and of the head.
        refine_norm: makes those of the refinement.
        pool: of the chained pooling.
        size: height and width of the images, where they are known: both even.

    Raises:
        ConfigError: a number below 1, or an odd side.
    """

    def __init__(
        self,
        channels: int,
        ngf: int,
        norm: MakeNorm,
        refine_norm: MakeNorm,
        pool: Pool,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.ngf = ngf
        if min(channels, ngf) < 1:
            raise ConfigError(f"channels and ngf must be at least 1; received channels={channels}, ngf={ngf}")
        if size is not None and (len(size) != 2 or size[0] % 2 or size[1] % 2):
            sides = " x ".join(map(str, size))
            raise ConfigError(f"a RefineNet halves images of even sides; received {sides} pixels; use a UNet")
        wide = 2 * ngf
        # In the order of the published weights: optimisers number parameters by it.
        self.begin_conv = nn.Conv2d(channels, ngf, 3, padding=1)
        self.normalizer = norm(ngf)
        self.end_conv = nn.Conv2d(ngf, channels, 3, padding=1)
        self.res1 = Chain([Residual(ngf, ngf, norm), Residual(ngf, ngf, norm)])
        self.res2 = Chain([Residual(ngf, wide, norm, down=True), Residual(wide, wide, norm)])
        self.res3 = _dilated(wide, norm, 2)
        self.res4 = _dilated(wide, norm, 4)
        self.refine1 = Refine([wide], wide, refine_norm, pool)
        self.refine2 = Refine([wide, wide], wide, refine_norm, pool)
        self.refine3 = Refine([wide, wide], ngf, refine_norm, pool)
        self.refine4 = Refine([ngf, ngf], ngf, refine_norm, pool, units=3)

    @abc.abstractmethod
    def forward(
        self, x: Float[Tensor, "b c h w"], noise: Int[Tensor, "*b"], labels: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Return the score at ``x`` and level ``noise``."""

    def _raw(self, x: Float[Tensor, "b c h w"], level: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """Return what the last convolution says, in the dtype of ``x``."""
        h = self.begin_conv(2 * x - 1)
        layer1 = self.res1(h, level)
        layer2 = self.res2(layer1, level)
        layer3 = self.res3(layer2, level)
        layer4 = self.res4(layer3, level)
        h = self.refine1([layer4], level)
        h = self.refine2([layer3, h], level)
        h = self.refine3([layer2, h], level)
        h = self.refine4([layer1, h], level)
        return self.end_conv(elu_of(self.normalizer, h, level)).to(x.dtype)

    def _level(self, x: Tensor, noise: Tensor, labels: Tensor | None) -> Int[Tensor, " b"]:
        """Return the level of each example.

        Raises:
            ConfigError: images of other channels, noise that is not an index, or labels.
        """
        if x.ndim != 4 or x.shape[1] != self.begin_conv.in_channels:
            raise ConfigError(
                f"images have shape {tuple(x.shape[1:])}, but the network was built for "
                f"{self.begin_conv.in_channels} channel(s) of any height and width: build it with their channels"
            )
        if noise.is_floating_point():
            raise ConfigError(
                f"noise has dtype {noise.dtype}, but {type(self).__name__} takes the integer index of a level: use it in a LadderNet"
            )
        if labels is not None:
            raise ConfigError(f"labels came to {type(self).__name__}, which knows noise levels only: use a UNet")
        return noise.expand(x.shape[0])


def _dilated(width: int, norm: MakeNorm, dilation: int) -> Chain:
    """Return a stage that widens its view by dilation."""
    first = Residual(width, width, norm, dilation=dilation, down=True)
    return Chain([first, Residual(width, width, norm, dilation=dilation)])
