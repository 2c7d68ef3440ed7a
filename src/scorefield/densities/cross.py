"""Two long Gaussians across each other."""

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.densities.base import Density
from scorefield.densities.gaussian import GaussianMixture

__all__ = ["Cross"]


class Cross(Density):
    """½ N(0, diag(a², b²)) + ½ N(0, diag(b², a²)) in the plane.

    Args:
        long: a.
        wide: b.
    """

    event = (2,)

    def __init__(self, long: float = 2.0, wide: float = 0.3) -> None:
        self.long, self.wide = long, wide
        variances = torch.tensor([[long, wide], [wide, long]], dtype=torch.float64) ** 2
        self._mixture = GaussianMixture(torch.zeros(2, 2, dtype=torch.float64), variances)

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Return log p(x)."""
        return self._mixture.log_prob(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        """Return n draws."""
        return self._mixture.sample(n, generator)

    def diffuse(self, alpha: Float[Tensor, "*b"] | float, sigma: Float[Tensor, "*b"] | float) -> Density:
        """Return the law of αX + σZ."""
        return self._mixture.diffuse(alpha, sigma)
