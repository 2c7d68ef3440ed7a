"""What a density is: a law whose log-probability, score, samples and noised versions are all known."""

import abc
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import gradient, standard_normal
from scorefield.errors import ConfigError
from scorefield.units import Moments

__all__ = ["Density", "KnownScore", "Noised", "Scale", "one_scale"]

Scale = Float[Tensor, "*b"] | float


def one_scale(scale: Scale) -> Tensor:
    """Return α or σ if it is one number for all rows.

    Raises:
        ConfigError: there is one per row.
    """
    scale = torch.as_tensor(scale)
    if scale.ndim > 0:
        raise ConfigError(
            "a density noised to a level per row has no settings that describe it; describe it before diffuse()"
        )
    return scale


class Density(abc.ABC):
    """A distribution p over events of shape ``event``.

    Parameters are kept in float64; computations follow the dtype and device of ``x``.

    Attributes:
        moments: mean and standard deviation of each coordinate, where they are known.
    """

    moments: Moments | None = None

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
    def diffuse(self, alpha: Scale, sigma: Scale) -> "Density":
        """Return the exact law of αX + σZ, Z ~ N(0, I).

        With α, σ of shape (b,) the result is one law per row: row i of its arguments and draws belongs to (α_i, σ_i).
        """

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return ∇ log p(x), by automatic differentiation."""
        # Guidance asks for the Jacobian of a score; nobody else should carry its graph.
        return gradient(self.log_prob, x, create_graph=torch.is_grad_enabled() and x.requires_grad)


class KnownScore(Density):
    """A density that knows its score in closed form."""

    @abc.abstractmethod
    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return ∇ log p(x)."""


@dataclass(frozen=True)
class Noised(Density):
    """A density that carries its noising (α, σ) and composes it."""

    alpha: Float[Tensor, "*b"] = field(default=torch.ones((), dtype=torch.float64), kw_only=True)
    sigma: Float[Tensor, "*b"] = field(default=torch.zeros((), dtype=torch.float64), kw_only=True)

    def diffuse(self, alpha: Scale, sigma: Scale) -> Self:
        """Return the law of αX + σZ: the same density under composed scales."""
        a, s = (torch.as_tensor(v, dtype=torch.float64) for v in (alpha, sigma))
        noise = torch.sqrt((a * self.sigma.to(a.device)) ** 2 + s**2)
        return replace(self, alpha=a * self.alpha.to(a.device), sigma=noise)

    def _scales(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return α and σ as columns that broadcast against (b, nodes)."""
        return tuple(v.to(x).reshape(-1, 1) for v in (self.alpha, self.sigma))  # pyright: ignore[reportReturnType]

    def _noised(self, x: Float[Tensor, "n d"], generator: torch.Generator | None) -> Float[Tensor, "n d"]:
        """Return αx + σz in the default dtype."""
        alpha, sigma = self._scales(x)
        return (alpha * x + sigma * standard_normal(x, generator)).to(torch.get_default_dtype())
