"""Densities made of densities: products, and scaled, rotated, shifted images."""

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import broadcasts, positive, reals, require
from scorefield._tensors import flatten, floating, like, there
from scorefield.densities.base import Density, KnownScore, Scale, one_scale, scale_of
from scorefield.errors import ConfigError
from scorefield.units import Moments, beside


class Product(KnownScore):
    """Independent parts laid side by side: an event is the concatenation of one vector of each part.

    Args:
        parts: densities over vectors.
    """

    def __init__(self, *parts: Density) -> None:
        for part in parts:
            require(Density, part, "each part of a product", "Product(Ring(), Gaussian([0.0]))")
        if not parts or any(len(part.event) != 1 for part in parts):
            raise ValueError(
                f"a product needs densities over vectors; received events {[part.event for part in parts]}"
            )
        self.parts = parts
        self._sizes = [part.event[0] for part in parts]

    @property
    def event(self) -> tuple[int, ...]:
        """A vector of all coordinates."""
        return (sum(self._sizes),)

    @property
    def moments(self) -> Moments | None:
        """Those of the parts, side by side; None where a part's are unknown."""
        parts = [part.moments for part in self.parts if part.moments is not None]
        if len(parts) < len(self.parts):
            return None
        return Moments(
            torch.cat([part.mean for part in parts], dim=-1), torch.cat([part.std for part in parts], dim=-1)
        )

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Return Σ log p_k(x_k)."""
        pieces = floating(x, self.event).split(self._sizes, dim=1)
        return torch.stack([part.log_prob(piece) for part, piece in zip(self.parts, pieces, strict=True)]).sum(dim=0)

    def score(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Return the scores of the parts, side by side."""
        pieces = floating(x, self.event).split(self._sizes, dim=1)
        return torch.cat([part.score(piece) for part, piece in zip(self.parts, pieces, strict=True)], dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Return n draws."""
        return torch.cat([part.sample(n, generator) for part in self.parts], dim=1)

    def diffuse(self, alpha: Scale, sigma: Scale) -> "Product":
        """Return the product of the noised parts."""
        return Product(*(part.diffuse(alpha, sigma) for part in self.parts))


class Similarity(KnownScore):
    """The distribution of Y = c Q X + m, Q orthogonal: the affine images under which isotropic noise stays isotropic.

        p_Y(y) = p_X(Qᵀ(y − m)/c) / c^D        αY + σZ = c Q (αX + (σ/c) Z′) + αm

    Args:
        density: the distribution of X, over events of D numbers.
        scale: c > 0.
        rotation: Q, shape (D, D) over the flattened event; the identity when absent.
        shift: m, broadcast against the event.
    """

    def __init__(
        self, density: Density, scale: float = 1.0, rotation: Tensor | None = None, shift: Tensor | float = 0.0
    ) -> None:
        require(Density, density, "the density", "GaussianMixture(...)")
        positive(scale=scale)
        shift = reals(shift, "shift").double()
        rotation = None if rotation is None else reals(rotation, "rotation").double()
        size, event = math.prod(density.event), density.event
        if rotation is not None and not (
            rotation.shape == (size, size)
            and torch.allclose(rotation @ rotation.T, torch.eye(size).to(rotation), atol=1e-8)
        ):
            raise ValueError(
                f"rotation must be an orthogonal matrix, Q Qᵀ = I, of shape {(size, size)}; other linear maps would colour the noise. "
                f"Received one of shape {tuple(rotation.shape)}"
            )
        if not broadcasts(shift.shape, event):
            raise ConfigError(
                f"shift must be a number or broadcast to an event, {event}; received the shape {tuple(shift.shape)}"
            )
        self.density = density
        self.scale = float(scale)
        self.rotation = rotation
        self._shift = shift.expand(event)
        self.alpha: Scale = scale_of(1.0)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one event."""
        return self.density.event

    @property
    def moments(self) -> Moments | None:
        """Mean c Q m_X + αm and, without a rotation, deviation c s_X; None where those of X are unknown, or a rotation mixes them."""
        own = self.density.moments
        if own is None or self.rotation is not None:
            return None
        return Moments(
            self.scale * own.mean + beside(torch.as_tensor(self.alpha), self._shift) * self._shift, self.scale * own.std
        )

    @property
    def shift(self) -> Float[Tensor, "*d"]:
        """αm."""
        return one_scale(self.alpha) * self._shift

    def _turn(self, x: Tensor, back: bool) -> Tensor:
        """Return Qx, or Qᵀx."""
        if self.rotation is None:
            return x
        q = there(self.rotation, x)
        return (flatten(x) @ (q if back else q.T)).reshape(x.shape)

    def _offset(self, x: Tensor) -> Tensor:
        """Return αm for every row."""
        return like(torch.as_tensor(self.alpha), x) * there(self._shift, x)

    def _pull(self, y: Tensor) -> Tensor:
        """Return the x that maps to y."""
        return self._turn(y - self._offset(floating(y, self.event)), back=True) / self.scale

    def log_prob(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
        """Return log p_Y(x)."""
        volume = self._shift.numel() * math.log(self.scale)
        return self.density.log_prob(self._pull(x)) - volume

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return Q s_X / c."""
        return self._turn(self.density.score(self._pull(x)), back=False) / self.scale

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *d"]:
        """Return n draws."""
        x = self.density.sample(n, generator)
        return self.scale * self._turn(x, back=False) + self._offset(x)

    def diffuse(self, alpha: Scale, sigma: Scale) -> "Similarity":
        """Return the distribution of αY + σZ."""
        noised = copy.copy(self)
        noised.density = self.density.diffuse(alpha, torch.as_tensor(sigma, dtype=torch.float64) / self.scale)
        noised.alpha = torch.as_tensor(alpha, dtype=torch.float64) * self.alpha
        return noised
