r"""The distribution of a data set, and the ideal denoiser that comes with it.

    p(x)     = 1/n Σ_i δ(x − x_i)
    p_{α,σ}  = 1/n Σ_i N(x; α x_i, σ² I),   E[x_0 | x] = Σ_i softmax_i(−‖x − αx_i‖²/2σ²) x_i

The posterior mean is what a network trained to the very end on this data set would output: pure memorisation, exact.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import reals
from scorefield._noise import standard_normal
from scorefield._tensors import flatten, floating, like
from scorefield.densities.base import KnownScore, Noised, count
from scorefield.units import Moments

_PAIRS_AT_ONCE = 2**23  # distances held at a time: 64 MiB in float64, whatever the data set's size


@dataclass(frozen=True)
class Empirical(KnownScore, Noised):
    """The uniform distribution on the rows of ``data``, noised by (α, σ).

    Args:
        data: the n examples, of shape (n, *d).

    Cost: O(b n D) per call, streamed in chunks of bounded memory. Distances are computed in float64: at small σ the softmax is
    decided by differences that float32 rounds away.
    """

    data: Float[Tensor, "n *d"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", reals(self.data, "data"))
        if self.data.ndim < 2 or len(self.data) == 0:
            raise ValueError(
                f"data must be real numbers of shape (n, *d) with n ≥ 1; received the shape {tuple(self.data.shape)}"
            )

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one event."""
        return tuple(self.data.shape[1:])

    @property
    def moments(self) -> Moments:
        """Mean and standard deviation of each coordinate over the rows, noised."""
        data = self.data.double()
        return Moments(data.mean(dim=0), data.std(dim=0, correction=0)).noised(self.alpha, self.sigma)

    def _posterior(self, x: Tensor) -> tuple[Float[Tensor, " b"], Float[Tensor, "b D"]]:
        """Return log Σ_i exp(−‖x − αx_i‖²/2σ²) and E[x_0 | x], in one streaming pass (a running log-sum-exp)."""
        if (self.sigma <= 0).any():
            raise ValueError("a point set has no density: diffuse it with sigma > 0 first; received sigma = 0")
        rows = flatten(floating(x, self.event)).double()
        alpha, sigma = like(self.alpha, rows), like(self.sigma, rows)
        # From where the data are, so that squares of distances lose no digits to squares of lengths.
        origin = self.data[0].double().reshape(1, -1).to(x.device)
        rows = rows - alpha * origin
        top = torch.full_like(rows[:, :1], -math.inf)
        mass, mean = torch.zeros_like(top), torch.zeros_like(rows)
        for chunk in flatten(self.data).split(max(1, _PAIRS_AT_ONCE // max(1, len(rows)))):
            points = chunk.to(rows) - origin
            square = (rows**2).sum(1, keepdim=True) - 2 * alpha * (rows @ points.T) + alpha**2 * (points**2).sum(1)
            logits = -square.clamp_min(0) / (2 * sigma**2)
            new_top = torch.maximum(top, logits.amax(dim=1, keepdim=True))
            weights, shrink = torch.exp(logits - new_top), torch.exp(top - new_top)
            mass = shrink * mass + weights.sum(1, keepdim=True)
            mean = shrink * mean + weights @ points
            top = new_top
        return (top + torch.log(mass)).squeeze(1), origin + mean / mass

    def log_prob(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
        """Return log 1/n Σ_i N(x; αx_i, σ²I).

        Raises:
            ValueError: before any noise was added, where no density exists.
        """
        log_sum, _ = self._posterior(x)
        size = math.prod(self.event)
        log_normaliser = size * torch.log(self.sigma) + 0.5 * size * math.log(2 * math.pi) + math.log(len(self.data))
        return (log_sum - log_normaliser.to(log_sum)).to(x)

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return (α E[x_0 | x] − x) / σ²."""
        _, mean = self._posterior(x)
        rows = flatten(x).double()
        return ((like(self.alpha, rows) * mean - rows) / like(self.sigma, rows) ** 2).to(x).reshape(x.shape)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *d"]:
        """Return n rows drawn with replacement, noised by (α, σ)."""
        which = torch.randint(len(self.data), (count(n),), generator=generator)
        x = self.data[which].to(torch.get_default_dtype())
        return like(self.alpha, x) * x + like(self.sigma, x) * standard_normal(x, generator)
