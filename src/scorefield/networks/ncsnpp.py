"""NCSN++, DDPM++ and DDPM: the networks of score-based generative modelling through SDEs (Song et al. 2021, section 4.1 and appendix H).

    pixels ─ conv ─ blocks ───────────────────────(cat)─ blocks ─ norm ─ act ─ conv ─ pixels
                       └ halve ─ blocks ───(cat)─ blocks ─┘ double
                                   └ blocks ─┘

What happens on each grid, and what the input and the output have to do with it, is in `scorefield.networks.ncsnpp_ways`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Literal

from annotated_types import Ge, Lt
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.ncsnpp_ways import Changer, Down, Join, Route, Up
from scorefield.networks.resampling import BlurredConv, Change, Filtered, Image, StridedConv, Taps
from scorefield.networks.residual import (
    Block,
    Fourier,
    Positional,
    Style,
    image_shape,
    nearest_level,
    one_hot,
    require_shape,
)

Activation = Literal["silu", "elu", "relu", "leaky_relu"]
_ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "relu": nn.ReLU,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
}


class NCSNpp(nn.Module):
    """A U-Net F(x, noise, labels) of residual blocks and attention.

    NCSN++ is ``embedding="fourier", taps=(1, 3, 3, 1), encoder="residual"``; DDPM++ the default; DDPM is ``resampling="conv",
    rescale=False, per_group=1``.

    Args:
        channels: channels of the images.
        size: their height and width, or the one number that is both; divisible by two as often as there are grids less one.
        width: channels of the finest grid.
        multipliers: channels of each grid, in units of ``width``.
        depth: blocks on each grid on the way down; there is one more on the way up.
        attention: heights of the grids whose blocks are followed by attention.
        embedding: how the noise is encoded: "positional" for a number of the order of 1000, "fourier" for one of order 1.
        fourier_scale: standard deviation of the frequencies.
        taps: the filter between grids: (1, 1), or (1, 3, 3, 1) against aliasing.
        resampling: what leads from a grid to the next: a residual "block", a convolution ("conv") as in DDPM, or the "filter" alone.
        encoder: where the input enters: on the finest grid alone ("standard"), also reduced on each coarser grid ("skip"), or there as a
            learned residual ("residual").
        decoder: where the output leaves: on the finest grid alone ("standard"), as a sum over all grids ("skip"), or as a residual that
            each grid adds to ("residual").
        join: with ``encoder="skip"``, whether the reduced input is added ("sum") or becomes channels of its own ("cat").
        rescale: whether sums of two branches are divided by √2.
        per_group: smallest number of channels in a group of the group norms.
        unit_range: whether images are in [0, 1] and are brought to [−1, 1] inside.
        classes: number of labels; None for a network that takes none.
        dropout: share of values set to zero inside each block in training.
        activation: after the norms; of "leaky_relu" the slope below 0 is 0.2.
        conditional: whether blocks are conditioned on the noise.
        encoding: features that the noise is encoded by; None for ``width`` of them, twice as many with "fourier".
        features: length of the vector that is made of them, and conditions the blocks; None for four times ``width``.
        timesteps: how many levels it was trained on, where it knows only these: it is given 999 t, and evaluated at the nearest level.

    Raises:
        ConfigError: the size cannot be halved as often, or labels are asked for where blocks are conditioned on nothing.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int],
        *,
        width: Annotated[int, Ge(4)] = 128,
        multipliers: tuple[int, ...] = (1, 2, 2, 2),
        depth: Annotated[int, Ge(1)] = 4,
        attention: tuple[int, ...] = (16,),
        embedding: Literal["positional", "fourier"] = "positional",
        fourier_scale: float = 16.0,
        taps: Taps = (1, 1),
        resampling: Literal["block", "conv", "filter"] = "block",
        encoder: Route = "standard",
        decoder: Route = "standard",
        join: Join = "sum",
        rescale: bool = True,
        per_group: int = 4,
        unit_range: bool = False,
        classes: Annotated[int, Ge(2)] | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        activation: Activation = "silu",
        conditional: bool = True,
        encoding: Annotated[int, Ge(4)] | None = None,
        features: Annotated[int, Ge(1)] | None = None,
        timesteps: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        super().__init__()
        if classes is not None and not conditional:
            raise ConfigError(f"conditional: a network without conditions knows no labels; received classes={classes}")
        self.shape = image_shape(channels, size, len(multipliers))
        self.width, self.multipliers, self.depth, self.attention = width, multipliers, depth, attention
        self.embedding, self.fourier_scale, self.taps, self.resampling = embedding, fourier_scale, taps, resampling
        self.encoder: Route = encoder
        self.decoder: Route = decoder
        self.join: Join = join
        self.rescale, self.per_group, self.unit_range = rescale, per_group, unit_range
        self.classes, self.dropout, self.activation, self.conditional = classes, dropout, activation, conditional
        self.encoding, self.features, self.timesteps = encoding, features, timesteps
        act, mixed = _ACTIVATIONS[activation](), features or 4 * width
        self.style = Style(mixed, taps, per_group=per_group, rescale=rescale, dropout=dropout, activation=act)
        if embedding == "fourier":
            self.noise = Fourier(width if encoding is None else encoding // 2, fourier_scale)
        else:
            self.noise = Positional(encoding or width)
        self.label = None if classes is None else nn.Linear(classes, self.noise.size)
        told = self.noise.size
        self.mix = nn.Sequential(nn.Linear(told, mixed), act, nn.Linear(mixed, mixed), act) if conditional else None
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        widths = [width * m for m in multipliers]
        kept = [width]
        self.down = nn.ModuleList(self._way_down(widths, kept))
        self.middle = nn.ModuleList(
            [Block(widths[-1], widths[-1], self.style, attention=True), Block(widths[-1], widths[-1], self.style)]
        )
        self.up = nn.ModuleList(self._way_up(widths, kept))
        finest = decoder != "skip"
        self.norm = self.style.norm(widths[0]) if finest else None
        self.head = nn.Conv2d(widths[0], channels, 3, padding=1) if finest else None

    def _way_down(self, widths: list[int], kept: list[int]) -> Iterator[Down]:
        """Yield each grid's part; append to ``kept`` the channels of the states that are kept."""
        handed = self.shape[0]
        for i, width in enumerate(widths):
            blocks, change, beside = [], None, None
            for _ in range(self.depth):
                blocks.append(Block(kept[-1], width, self.style, attention=self._attends(i)))
                kept.append(width)
            if i < len(widths) - 1:
                change = self._change(width, "halve")
                if self.encoder == "skip":
                    beside = nn.Conv2d(handed, width, 1)
                elif self.encoder == "residual":
                    beside, handed = self._conv(handed, width, "halve"), width
                kept.append(2 * width if self.encoder == "skip" and self.join == "cat" else width)
            yield Down(blocks, change, beside, self.encoder, self.join, self.style)

    def _way_up(self, widths: list[int], kept: list[int]) -> Iterator[Up]:
        """Yield each grid's part, from the coarsest; the channels kept on the way down are used up."""
        width = gathered = widths[-1]
        for i in reversed(range(len(widths))):
            blocks, grow, norm, conv = [], None, None, None
            for k in range(self.depth + 1):
                inputs, width = width + kept.pop(), widths[i]
                blocks.append(Block(inputs, width, self.style, attention=k == self.depth and self._attends(i)))
            if self.decoder == "residual" and i < len(widths) - 1:
                grow = self._conv(gathered, width, "double")
            elif self.decoder != "standard":
                norm = self.style.norm(width)
                conv = nn.Conv2d(width, self.shape[0] if self.decoder == "skip" else width, 3, padding=1)
            gathered = width
            yield Up(blocks, grow, norm, conv, self._change(width, "double") if i else None, self.style)

    def _attends(self, i: int) -> bool:
        return self.shape[1] // 2**i in self.attention

    def _change(self, width: int, how: Change) -> Changer:
        """Return what changes the grid of a state."""
        if self.resampling == "filter":
            return Filtered(how, self.taps)
        return Block(width, width, self.style, how) if self.resampling == "block" else self._conv(width, width, how)

    def _conv(self, inputs: int, outputs: int, how: Change) -> nn.Conv2d:
        """Return a convolution that changes the grid."""
        if len(self.style.taps) == 2:
            return StridedConv(inputs, outputs, how)
        return BlurredConv(inputs, outputs, how, self.style.taps)

    def forward(self, x: Image, noise: Float[Tensor, " b"], labels: Int[Tensor, " b"] | None = None) -> Image:
        """Return the network's value at ``x``.

        Args:
            x: images of the shape the network was built for.
            noise: how noisy each is.
            labels: the class of each, from 0; None, or the number of classes, for 'no label'.

        Raises:
            ConfigError: images of another shape.
        """
        require_shape(x, self.shape)
        condition = self._condition(x, noise, labels)
        beside = 2 * x - 1 if self.unit_range else x
        h = self.stem(beside)
        kept = [h]
        for down in self.down:
            h, beside, more = down(h, beside, condition)
            kept += more
        for block in self.middle:
            h = block(h, condition)
        out = None
        for up in self.up:
            joined = [kept.pop() for _ in range(self.depth + 1)]
            h, out = up(h, out, joined, condition)
        if self.norm is None or self.head is None:
            assert out is not None  # noqa: S101 for the type checker: it was gathered
            return out
        return self.head(self.style.activation(self.norm(h)))

    def _condition(self, x: Image, noise: Tensor, labels: Tensor | None) -> Float[Tensor, "b f"] | None:
        """Return the vector that conditions every block, its last activation applied; None where there are no conditions."""
        if self.mix is None:
            return None
        vector = self.noise(nearest_level(noise, self.timesteps)).to(x)
        if self.label is not None:
            vector = vector + self.label(one_hot(labels, x, self.label.in_features) * self.label.in_features**0.5)
        return self.mix(vector)
