r"""Brownian paths that are functions of a seed: asked anywhere, in any order, a path is the same, and it takes no memory.

Lévy's construction halves an interval again and again. At the middle m of [a, b], W is normal about the line through its ends, with the
variance (m − a)(b − m)/(b − a). So a path is a sum over the halvings on the way to τ, one at each depth,

    W(τ) = √(b₀ − a₀) (τ − a₀)/(b₀ − a₀) Z₀ + Σ_k √((m_k − a_k)(b_k − m_k)/(b_k − a_k)) Λ_k(τ) Z_k

with Λ_k the hat that is 1 at m_k and 0 at both ends, and Z_k numbers that Philox counts from the seed and the halving's number: the
expansion of Lévy and Ciesielski, as virtual Brownian trees use it (Li et al. 2020, arXiv:2001.01328, section 4).
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from scorefield._noise import Noise, derive_seed
from scorefield._philox import normals, words
from scorefield._tensors import precise

_KEY = derive_seed("brownian")


class BrownianTree:
    """W(τ) for every row of a batch: W = 0 at ``low``, and independent increments of variance Δτ in every coordinate.

    It is halved in the logarithm of τ, ``depth`` times, and is a straight line between the places reached then.

    Args:
        noise: two of its uniform draws seed each row's path.
        low, high: the ends, 0 < low < high.
        depth: halvings; the path is known at 2^depth + 1 places.

    Attributes:
        walked: ln τ up to which whoever follows the path has come.

    Cost: ``depth`` + 1 random numbers for every coordinate and place asked for.
    """

    def __init__(self, noise: Noise, low: float, high: float, depth: int = 16) -> None:
        self.walked = -math.inf
        halves = [(noise.uniform().to(precise(noise.device)) * 2**24).long() for _ in range(2)]
        self._seeds: Int64[Tensor, "b 2"] = torch.stack(halves, dim=1)
        self._event, self._ends, self._depth, self._size = noise.event, (low, high), depth, math.prod(noise.event)
        self._number = torch.full((len(self._seeds), depth + 1), -1, device=noise.device)
        self._kept = torch.zeros(*self._number.shape, self._size, dtype=torch.float32, device=noise.device)

    def __call__(self, tau: Float[Tensor, " k"], rows: Int64[Tensor, " k"]) -> Float[Tensor, "k *d"]:
        """Return W(τ) of the rows numbered ``rows``, no two the same, each at a τ of its own."""
        low, high = self._ends
        tau = tau.to(precise(tau.device))[:, None]
        intervals = torch.pow(2.0, torch.arange(self._depth).to(tau))  # 2^k of them before halving k
        place = (torch.log(tau / low) / math.log(high / low)).clamp(0, 1)
        index = torch.minimum((place * intervals).floor(), intervals - 1)
        a, m, b = (low * (high / low) ** ((index + share) / intervals) for share in (0.0, 0.5, 1.0))
        hat = torch.minimum((tau - a) / (m - a), (b - tau) / (b - m)).clamp(min=0)
        weights = torch.cat([(tau - low) / math.sqrt(high - low), torch.sqrt((m - a) * (b - m) / (b - a)) * hat], dim=1)
        number = torch.cat([torch.zeros_like(tau), intervals + index], dim=1).long()
        halvings = zip(weights.unbind(1), self._normal(number, rows).unbind(1), strict=True)
        w = sum((weight[:, None] * z for weight, z in halvings), start=torch.zeros_like(tau))
        return w.reshape(len(tau), *self._event)

    def _normal(self, number: Int64[Tensor, "k h"], rows: Int64[Tensor, " k"]) -> Float[Tensor, "k h d"]:
        """Return Z of some halvings; those of the place that a row was last asked for are kept, and most are the next place's too."""
        row, depth = (number != self._number[rows]).nonzero(as_tuple=True)
        drawn = words(self._seeds[rows[row]], number[row, depth][:, None], self._size, _KEY)
        self._kept[rows[row], depth] = normals(drawn, torch.float32, precise(number.device))[:, : self._size]
        self._number[rows] = number
        return self._kept[rows]
