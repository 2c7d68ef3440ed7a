"""The blocks of DDPM, NCSN++ and ADM: a residual block, conditioned on the noise, that may change the grid, and attention over pixels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks.resampling import Change, Image, Taps, changed


@dataclass(frozen=True)
class Style:
    """What all blocks of one network have in common.

    Args:
        features: length of the vector that conditions them.
        taps: the filter with which a block changes the grid.
        groups: how many groups of channels are normalised together, at most; none has fewer than ``per_group`` channels.
        per_group: see ``groups``.
        rescale: whether sums of two branches are divided by √2, which keeps their variance.
        adaptive: whether the condition scales and shifts the second norm, or is added before it.
        project: whether a block that changes the grid has a 1×1 convolution beside it even where the channels do not change.
        heads: of attention, as a function of the channels.
        eps: of the norms.
        dropout: share of values set to zero in training.
        activation: after the norms.
    """

    features: int
    taps: Taps = (1, 1)
    groups: int = 32
    per_group: int = 4
    rescale: bool = True
    adaptive: bool = False
    project: bool = True
    heads: Callable[[int], int] = lambda channels: 1
    eps: float = 1e-6
    dropout: float = 0.0
    activation: Callable[[Tensor], Tensor] = F.silu

    def norm(self, channels: int) -> nn.GroupNorm:
        """Return the norm of so many channels."""
        return nn.GroupNorm(min(self.groups, channels // self.per_group), channels, eps=self.eps)

    def sum(self, a: Image, b: Image) -> Image:
        """Return the sum of two branches."""
        return (a + b) / math.sqrt(2) if self.rescale else a + b


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))) + condition))), attention after it if asked for."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        style: Style,
        resample: Change | None = None,
        *,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.style = style
        self.resample: Change | None = resample
        self.norm_in = style.norm(inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.condition = nn.Linear(style.features, 2 * outputs if style.adaptive else outputs)
        self.norm_out = style.norm(outputs)
        self.dropout = nn.Dropout(style.dropout)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        beside = inputs != outputs or (resample is not None and style.project)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if beside else nn.Identity()
        self.attention = Attention(outputs, style) if attention else None

    def forward(self, x: Image, condition: Float[Tensor, "b f"] | None) -> Image:
        """Return the block's value; ``condition`` has passed its activation, and is None in a network without conditions."""
        act = self.style.activation
        h = act(self.norm_in(x))
        if self.resample is not None:
            h, x = (changed(part, self.resample, self.style.taps) for part in (h, x))
        h = self.conv_in(h)
        if condition is None:
            h = self.norm_out(h)
        elif self.style.adaptive:
            scale, shift = self.condition(condition)[:, :, None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, self.norm_out(h), 1 + scale)
        else:
            h = self.norm_out(h + self.condition(condition)[:, :, None, None])
        h = self.conv_out(self.dropout(act(h)))
        h = self.style.sum(self.shortcut(x), h)
        return h if self.attention is None else self.attention(h)


class Attention(nn.Module):
    """x + a 1×1 convolution of softmax(qᵀk/√c) v over all pixels, in as many heads as the style says."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.style, self.heads = style, style.heads(channels)
        self.norm = style.norm(channels)
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Image) -> Image:
        """Return x plus what its pixels tell each other."""
        h = self.norm(x)
        q, k, v = (self._rows(part(h)) for part in (self.query, self.key, self.value))
        h = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(x.shape)
        return self.style.sum(x, self.out(h))

    def _rows(self, x: Image) -> Float[Tensor, "b heads pixels c"]:
        """Return a row per pixel and head."""
        return x.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)


class Fourier(nn.Module):
    """sin and cos of 2π w n at ``size`` random frequencies w ~ N(0, scale²), which are weights that no training changes."""

    W: Tensor

    def __init__(self, size: int, scale: float) -> None:
        super().__init__()
        self.size = 2 * size
        self.register_buffer("W", torch.randn(size) * scale)

    def forward(self, noise: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
        """Return the features of each number."""
        angle = noise[:, None] * self.W * (2 * math.pi)
        return torch.cat([angle.sin(), angle.cos()], dim=1)


class Positional(nn.Module):
    """sin and cos of n at frequencies from 1 to 1e-4, spaced geometrically (Vaswani et al. 2017).

    Args:
        size: how many features; the last of an odd number is 0.
        endpoint: whether the last frequency is 1e-4 itself, or the first one left out.
        cosine_first: whether the cosines come first.
    """

    def __init__(self, size: int, *, endpoint: bool = True, cosine_first: bool = False) -> None:
        super().__init__()
        self.size, self.endpoint, self.cosine_first = size, endpoint, cosine_first

    def forward(self, noise: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
        """Return the features of each number."""
        half = self.size // 2
        k = torch.arange(half, dtype=torch.float32, device=noise.device)
        frequencies = torch.exp(k * (-math.log(10_000) / (half - 1 if self.endpoint else half)))
        angle = noise[:, None] * frequencies.to(noise)
        waves = [angle.cos(), angle.sin()] if self.cosine_first else [angle.sin(), angle.cos()]
        return F.pad(torch.cat(waves, dim=1), (0, self.size % 2))


def nearest_level(noise: Float[Tensor, " b"], timesteps: int | None) -> Float[Tensor, " b"]:
    """Return the index, of so many levels that a network was trained on, that is nearest to 999 t; as it is where there are none."""
    return noise if timesteps is None else torch.round(noise * ((timesteps - 1) / 999))


def one_hot(labels: Int[Tensor, " b"] | None, x: Image, classes: int) -> Float[Tensor, "b classes"]:
    """Return a one in the column of each label; none for 'no label', which is None or the number of classes."""
    if labels is None:
        return x.new_zeros(len(x), classes)
    return F.one_hot(labels, classes + 1)[:, :-1].to(x)


def image_shape(channels: int, size: int | tuple[int, int], grids: int) -> tuple[int, int, int]:
    """Return the shape of images that a network of so many grids, each half as fine as the one before, can halve."""
    height, width = (size, size) if isinstance(size, int) else size
    if height % 2 ** (grids - 1) or width % 2 ** (grids - 1):
        raise ConfigError(
            f"a network of {grids} grids halves images {grids - 1} times; received the size {(height, width)}: "
            "resize the images, or give it fewer multipliers"
        )
    return channels, height, width


def require_shape(x: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse images of another shape than a network was built for."""
    if x.shape[1:] != shape:
        raise ConfigError(
            f"images have shape {tuple(x.shape[1:])}, but the network was built for {shape}: "
            "resize them, or build it with their channels and size"
        )
