r"""The norms of NCSN's RefineNets, which keep what instance norm forgets: how the means of the channels differ.

    InstanceNorm++    y = γ (IN(x) + α (μ − m)/√(v + ε)) + β                              (Song & Ermon 2019, appendix A)

with μ the mean of each channel over its pixels, m and v the mean and unbiased variance of μ over channels, ε = 10⁻⁵. The formula is that
of the released weights; the paper's text divides by v and leaves γ off the second term.

Every norm maps (x, level) ↦ feature maps, ``level`` the index of each example's noise level, whether it looks at it or not.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

Maps = Float[Tensor, "b c h w"]
Levels = Int[Tensor, " b"]
MakeNorm = Callable[[int], nn.Module]  # channels ↦ a norm

_EPSILON = 1e-5


def instance_norm_plus(x: Maps, gamma: Tensor, alpha: Tensor, beta: Tensor) -> Maps:
    """Return γ (IN(x) + α (μ − m)/√(v + ε)) + β, with γ, α, β of shape (c,) or (b, c).

    Computed as a · (x − μ)/√(variance + ε) + b with one pair (a, b) per example and channel, which is batch norm of one example with b·c
    channels: one kernel forward and one backward, float32 inside whatever the dtype of x, which is that of the result. One channel has no
    spread: its term is zero.
    """
    b, c, height, width = x.shape
    # Not mean(): its backward pass would divide whole maps instead of their sums.
    mean = x.sum(dim=(2, 3), dtype=gamma.dtype) / (height * width)
    # correction=1 would be 0/0 for a single channel.
    v, m = torch.var_mean(mean, dim=1, keepdim=True, correction=min(1, c - 1))
    shift = gamma * alpha * (mean - m) * torch.rsqrt(v + _EPSILON) + beta
    rows = x.reshape(1, b * c, height, width)
    scale = gamma.expand(b, c).flatten()
    return F.batch_norm(rows, None, None, scale, shift.flatten(), training=True, eps=_EPSILON).view(x.shape)


class ConditionalInstanceNormPlus(nn.Module):
    """InstanceNorm++ with γ, α, β of each noise level in one row of a table."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(levels, 3 * channels)
        nn.init.normal_(self.embed.weight[:, : 2 * channels], 1.0, 0.02)
        nn.init.zeros_(self.embed.weight[:, 2 * channels :])

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return the normalised maps."""
        return instance_norm_plus(x, *self.embed(level).chunk(3, dim=1))


class InstanceNormPlus(nn.Module):
    """InstanceNorm++ that is the same at every noise level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels).normal_(1.0, 0.02))
        self.gamma = nn.Parameter(torch.empty(channels).normal_(1.0, 0.02))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return the normalised maps; ``level`` is not looked at."""
        return instance_norm_plus(x, self.gamma, self.alpha, self.beta)


class Unnormalized(nn.Module):
    """No norm, where NCSNv2 has none: returns ``x`` itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Maps, level: Levels) -> Maps:
        """Return ``x``."""
        return x


def elu_of(norm: nn.Module, x: Maps, level: Levels) -> Maps:
    """Return ELU(norm(x, level)), in the norm's own output where there is one: a third of the memory of a training step."""
    y = norm(x, level)
    return F.elu(y, inplace=y is not x)
