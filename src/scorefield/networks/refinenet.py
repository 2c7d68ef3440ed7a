r"""What NCSN's networks share: a dilated RefineNet over stages of residual blocks, here four of them.

    x ─ 2x − 1 ─ conv ─ res1 ─────────────────────────────────┐ refine4 ─ norm ─ elu ─ conv ─ F
                         └ res2 (½) ──────────────┐ refine3 ──┘
                             └ res3 (×2) ─┐ refine2 ┘               ½ halves the grid
                                 └ res4 (×4) ─ refine1 ┘            ×d dilates convolutions instead

The released code passes a padding flag to the last stage when images are 28 pixels wide; dilated blocks do not use it, so
one network serves every size.
"""

import abc
from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.refinenet_blocks import Chain, Pool, Refine, Residual
from scorefield.networks.refinenet_norms import MakeNorm, elu_of

Stages = Literal[4, 5, 6]


class Stage(NamedTuple):
    """A stage of residual blocks: channels in units of the finest grid's, and a dilation, which is 1 where it halves the grid."""

    width: int
    dilation: int = 1


class Plan(NamedTuple):
    """What comes after the first stage.

    Attributes:
        down: the other stages, in order.
        up: width of each refinement, in the order in which they are called, the coarsest first.
    """

    down: dict[str, Stage]
    up: dict[str, int]


_LAST = {"res4": Stage(4, 2), "res5": Stage(4, 4)}
_PLANS: dict[Stages, Plan] = {
    4: Plan(
        {"res2": Stage(2), "res3": Stage(2, 2), "res4": Stage(2, 4)},
        {"refine1": 2, "refine2": 2, "refine3": 1, "refine4": 1},
    ),
    5: Plan(
        {"res2": Stage(2), "res3": Stage(2), **_LAST},
        {"refine1": 4, "refine2": 2, "refine3": 2, "refine4": 1, "refine5": 1},
    ),
    6: Plan(
        {"res2": Stage(2), "res3": Stage(2), "res31": Stage(2), **_LAST},
        {"refine1": 4, "refine2": 2, "refine31": 2, "refine3": 2, "refine4": 1, "refine5": 1},
    ),
}
"""By the number of stages: NCSNv2's networks for images below 96 pixels, below 256, and from there."""


class RefineNet(nn.Module, abc.ABC):
    """The trunk of `scorefield.networks.CondRefineNet` and `scorefield.networks.NCSNv2Net`, which are final.

    Args:
        channels: channels of the images.
        ngf: channels of the finest feature maps; the others have twice as many.
        norm: makes the norms of the residual stages and of the head.
        refine_norm: makes those of the refinement.
        pool: of the chained pooling.
        size: height and width of the images, where they are known: both even.
        stages: of residual blocks: 4, or 5 or 6 for larger images, which halve the grid two and three times and end twice as wide.
    """

    def __init__(
        self,
        channels: int,
        ngf: int,
        norm: MakeNorm,
        refine_norm: MakeNorm,
        pool: Pool,
        size: tuple[int, int] | None = None,
        stages: Stages = 4,
    ) -> None:
        super().__init__()
        self.ngf = ngf
        if min(channels, ngf) < 1:
            raise ConfigError(f"channels and ngf must be at least 1; received channels={channels}, ngf={ngf}")
        self.plan, self.stages = _PLANS[stages], stages
        least = 2 ** sum(stage.dilation == 1 for stage in self.plan.down.values())
        if size is not None and (len(size) != 2 or size[0] % least or size[1] % least):
            sides = " x ".join(map(str, size))
            even = "even sides" if least == 2 else f"sides that {least} divides"
            raise ConfigError(f"a RefineNet halves images of {even}; received {sides} pixels; use a UNet")
        # In the order of the published weights: optimisers number parameters by it.
        self.begin_conv = nn.Conv2d(channels, ngf, 3, padding=1)
        self.normalizer = norm(ngf)
        self.end_conv = nn.Conv2d(ngf, channels, 3, padding=1)
        self.res1 = Chain([Residual(ngf, ngf, norm), Residual(ngf, ngf, norm)])
        kept = [ngf]
        for name, stage in self.plan.down.items():
            width = stage.width * ngf
            first = Residual(kept[-1], width, norm, dilation=stage.dilation, down=True)
            self.add_module(name, Chain([first, Residual(width, width, norm, dilation=stage.dilation)]))
            kept.append(width)
        before: list[int] = []
        refined: dict[str, Refine] = {}
        for name, times in self.plan.up.items():
            units = 1 if len(kept) > 1 else 3
            refined[name] = Refine([kept.pop(), *before], times * ngf, refine_norm, pool, units=units)
            before = [times * ngf]
        for name in sorted(refined):  # in which refine31 comes after refine3, though it is called before
            self.add_module(name, refined[name])

    @abc.abstractmethod
    def forward(
        self, x: Float[Tensor, "b c h w"], noise: Int[Tensor, "*b"], labels: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Return the score at ``x`` and level ``noise``."""

    def _raw(self, x: Float[Tensor, "b c h w"], level: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """Return the output of the last convolution, in the dtype of ``x``."""
        kept = [self.res1(self.begin_conv(2 * x - 1), level)]
        for name in self.plan.down:
            kept.append(self.get_submodule(name)(kept[-1], level))
        before: list[Tensor] = []
        for name in self.plan.up:
            before = [self.get_submodule(name)([kept.pop(), *before], level)]
        (h,) = before
        return self.end_conv(elu_of(self.normalizer, h, level)).to(x.dtype)

    def _level(self, x: Tensor, noise: Tensor, labels: Tensor | None) -> Int[Tensor, " b"]:
        """Return the level of each example."""
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
