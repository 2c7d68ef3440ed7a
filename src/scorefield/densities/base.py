"""What a density is: a distribution whose log-probability, score, samples and noised versions are all known."""

import abc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import whole
from scorefield._noise import standard_normal
from scorefield._tensors import floating, gradient, like, precise, require_numbers
from scorefield._values import ByValue
from scorefield.errors import ConfigError
from scorefield.units import Moments

Scale = Float[Tensor, "*b"] | float


def compose(alpha: Scale, sigma: Scale, before: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the scales of αX + σZ where X has the scales ``before``, (a, s): αa and √(α²s² + σ²)."""
    scale, noise = (torch.as_tensor(v, dtype=torch.float64) for v in (alpha, sigma))
    a, s = (v.to(scale.device) for v in before)
    return scale * a, torch.sqrt((scale * s) ** 2 + noise**2)


def scale_of(value: float) -> Tensor:
    """Return a scale of no noise; on the CPU, as parameters are, whatever PyTorch's default device is."""
    return torch.tensor(value, dtype=torch.float64, device="cpu")


def one_scale(scale: Scale) -> Tensor:
    """Return α or σ if it is one number for all rows."""
    scale = torch.as_tensor(scale)
    if scale.ndim > 0:
        raise ConfigError(
            "a density noised to a level per row has no settings that describe it; describe it before diffuse()"
        )
    return scale


def count(n: int) -> int:
    """Return how many draws are wanted, if any can be made on PyTorch's default device."""
    require_numbers()
    return whole(n, "n", 0)


class Density(ByValue, abc.ABC):
    """A distribution p over events of shape ``event``.

    Parameters are kept in float64; computations follow the dtype and device of ``x``.

    Attributes:
        moments: mean and standard deviation of each coordinate, where they are known.
    """

    moments: Moments | None = None

    def __repr__(self) -> str:
        """Return a short description, since parameters may be many."""
        return f"{type(self).__name__}(event={self.event})"

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
        """Return the exact distribution of αX + σZ, Z ~ N(0, I).

        With α, σ of shape (b,) the result is one distribution per row: row i of its arguments and draws belongs to (α_i, σ_i).
        """

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return ∇ log p(x), by automatic differentiation."""
        # Guidance differentiates a score; without a gradient to record, no graph is kept.
        return gradient(self.log_prob, x, create_graph=torch.is_grad_enabled() and x.requires_grad)


class KnownScore(Density):
    """A density that knows its score in closed form."""

    @abc.abstractmethod
    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return ∇ log p(x)."""


@dataclass(frozen=True)
class Noised(Density):
    """A density that carries its noising (α, σ) and composes it."""

    alpha: Float[Tensor, "*b"] = field(default_factory=lambda: scale_of(1.0), kw_only=True)
    sigma: Float[Tensor, "*b"] = field(default_factory=lambda: scale_of(0.0), kw_only=True)

    def diffuse(self, alpha: Scale, sigma: Scale) -> Self:
        """Return the distribution of αX + σZ: the same density under composed scales."""
        alpha, sigma = compose(alpha, sigma, (self.alpha, self.sigma))
        return replace(self, alpha=alpha, sigma=sigma)

    def _scales(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return α and σ as columns that broadcast against (b, nodes)."""
        return tuple(like(v.reshape(-1), floating(x, self.event)) for v in (self.alpha, self.sigma))  # pyright: ignore[reportReturnType]

    def _by_noise(
        self,
        x: Float[Tensor, "b d"],
        clean: Callable[[Tensor, Tensor], Float[Tensor, " b"]],
        noised: Callable[[Tensor, Tensor, Tensor], Float[Tensor, " b"]],
    ) -> Float[Tensor, " b"]:
        """Return clean(x, α) for rows without noise, noised(x, α, σ) for the others.

        Both are computed in float64: their derivatives are differences of numbers of the order of (x/σ)².
        """
        y = floating(x, self.event).to(precise(x.device))
        alpha, sigma = self._scales(y)
        bare = sigma == 0
        if bare.all():
            return clean(y, alpha).to(x)
        found = noised(y, alpha, sigma.masked_fill(bare, 1.0))
        return (torch.where(bare[:, 0], clean(y, alpha), found) if bare.any() else found).to(x)

    def _noised(self, x: Float[Tensor, "n d"], generator: torch.Generator | None) -> Float[Tensor, "n d"]:
        """Return αx + σz in the default dtype."""
        alpha, sigma = self._scales(x)
        return (alpha * x + sigma * standard_normal(x, generator)).to(torch.get_default_dtype())


@dataclass(frozen=True)
class Planar(Noised):
    """A density of the plane that carries its noising."""

    @property
    def event(self) -> tuple[int, ...]:
        """The plane."""
        return (2,)
