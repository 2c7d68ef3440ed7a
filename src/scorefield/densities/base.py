"""What a density is: a law whose log-probability, score, samples and noised versions are all known."""

import abc

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Density"]


class Density(abc.ABC):
    """A distribution p over events of shape ``event``.

    Parameters are kept in float64; computations follow the dtype and device of ``x``.
    """

    @property
    @abc.abstractmethod
    def event(self) -> tuple[int, ...]:
        """The shape d of one event."""

    @abc.abstractmethod
    def log_prob(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
        """Return log p(x), normalised, in nats."""

    @abc.abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *d"]:
        """Return n independent draws in the default dtype."""

    @abc.abstractmethod
    def diffuse(self, alpha: Float[Tensor, "*b"] | float, sigma: Float[Tensor, "*b"] | float) -> "Density":
        """Return the exact law of αX + σZ, Z ~ N(0, I).

        With α, σ of shape (b,) the result is one law per row: row i of its arguments and draws belongs to (α_i, σ_i).
        """

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return ∇ log p(x); by automatic differentiation where a density has nothing better."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.log_prob(x).sum(), x)
        return gradient
