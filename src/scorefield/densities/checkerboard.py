"""The checkerboard: uniform on the dark squares."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, positive
from scorefield.densities.base import Planar, count
from scorefield.units import Moments


@dataclass(frozen=True)
class Checkerboard(Planar):
    r"""Uniform on every other square of a board of side × side squares, centred at the origin.

    Noised, it stays in closed form: with Φ the normal distribution function and K squares [a₁, b₁] × [a₂, b₂] of edge h,

        p(y) = 1/(K h² α²) Σ_squares Π_{i=1,2} [Φ((αb_i − y_i)/σ) − Φ((αa_i − y_i)/σ)]

    Args:
        side: squares along one edge, even.
        size: length of the whole edge.
    """

    side: int = 4
    size: float = 8.0

    def __post_init__(self) -> None:
        positive(size=self.size)
        if as_number(self.side) < 2 or as_number(self.side) % 2 != 0:
            raise ValueError(f"side must be even and at least 2; received {self.side!r:.80}")

    @property
    def moments(self) -> Moments:
        """Mean 0 and the variance size²/12 of a uniform coordinate, noised; all rows and columns have equally many dark squares."""
        std = torch.full((2,), self.size / math.sqrt(12), dtype=torch.float64)
        return Moments(torch.zeros_like(std), std).noised(self.alpha, self.sigma)

    @property
    def _edge(self) -> float:
        return self.size / self.side

    def _corners(self) -> Float[Tensor, "k 2"]:
        """Return the lower left corner of every dark square."""
        grid = torch.arange(self.side)
        cells = torch.cartesian_prod(grid, grid)
        return cells[cells.sum(1) % 2 == 0].double() * self._edge - 0.5 * self.size

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Return log p(x); −∞ off the board where there is no noise."""
        low = self._corners()

        def ends(y: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            corners = low.to(y)
            return y[:, None, :], alpha[..., None] * corners, alpha[..., None] * (corners + self._edge)

        def clean(y: Tensor, alpha: Tensor) -> Tensor:
            at, a, b = ends(y, alpha)
            inside = ((at >= a) & (at < b)).all(dim=2).any(dim=1)
            return torch.where(inside, 0.0, -math.inf).to(y) + 0 * y.sum(1)  # of gradient 0

        def noised(y: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
            at, a, b = ends(y, alpha)
            sigma = sigma[..., None]
            return torch.logsumexp(_log_interval((a - at) / sigma, (b - at) / sigma).sum(dim=2), dim=1)

        area = math.log(len(low)) + 2 * math.log(self._edge)
        return self._by_noise(x, clean, noised) - area - 2 * torch.log(self.alpha).to(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        """Return n draws."""
        n, corners = count(n), self._corners()
        which = torch.randint(len(corners), (n,), generator=generator)
        inside = torch.rand(n, 2, generator=generator, dtype=torch.float64)
        return self._noised(corners[which] + self._edge * inside, generator)


def _log_interval(a: Tensor, b: Tensor) -> Tensor:
    """Return log [Φ(b) − Φ(a)], a < b, without cancellation: in the upper tail by symmetry, then log Φ(b) + log(1 − e^{−gap})."""
    flip = a + b > 0
    low, high = torch.where(flip, -b, a), torch.where(flip, -a, b)
    top = torch.special.log_ndtr(high)
    gap = top - torch.special.log_ndtr(low)
    return top + torch.log(-torch.expm1(-gap))
