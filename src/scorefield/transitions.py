r"""One step of the forward process: for s < t it is a Gaussian chain.

x_t | x_s      ~ N(a x_s, G² I)        a = α_t/α_s,  G² = σ_t² − a²σ_s²
x_s | x_t, x_0 has variance            v = σ_s² G²/σ_t²
"""

from typing import NamedTuple

from torch import Tensor

from scorefield.processes import Process

__all__ = ["Link"]


class Link(NamedTuple):
    """The numbers of one transition."""

    alpha_t: float
    sigma_t: float
    alpha_s: float
    sigma_s: float

    @classmethod
    def between(cls, process: Process, t: Tensor, s: Tensor) -> "Link":
        """Return the link from s up to t, s ≤ t."""
        return cls(*(v.item() for v in (*process.alpha_sigma(t), *process.alpha_sigma(s))))

    @property
    def shrink(self) -> float:
        """a, by which the forward chain multiplies the state."""
        return self.alpha_t / self.alpha_s

    @property
    def variance(self) -> float:
        """G², which it adds."""
        return max(0.0, self.sigma_t**2 - (self.shrink * self.sigma_s) ** 2)

    @property
    def posterior_variance(self) -> float:
        """The variance v of x_s given x_t and x_0."""
        return self.variance * (self.sigma_s / self.sigma_t) ** 2
