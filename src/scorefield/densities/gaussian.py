r"""Gaussians and their mixtures, any covariance, closed under noising.

    p(x) = Σ_k w_k N(x; μ_k, Σ_k)          Σ_k = U_k diag(λ_k) U_kᵀ
    αX + σZ ~ Σ_k w_k N(α μ_k, α²Σ_k + σ²I)   with the same U_k and eigenvalues α²λ_k + σ²

so the noised distribution is the same object under another (α, σ), and noising twice composes: (a, s)∘(α, σ) = (aα, √(a²σ² + s²)).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import numbers, positive, whole
from scorefield._noise import standard_normal
from scorefield._tensors import flatten, like, promoted, there
from scorefield.densities.base import KnownScore, compose, count, one_scale, scale_of
from scorefield.units import Moments

Scale = Float[Tensor, "*b"] | float
Numbers = Tensor | Sequence[float] | float


@dataclass(frozen=True)
class _Components:
    """K Gaussians over D flattened numbers; ``basis`` is None where the covariances are diagonal."""

    means: Float[Tensor, "k D"]
    variances: Float[Tensor, "k D"]
    basis: Float[Tensor, "k D D"] | None

    def to(self, x: Tensor) -> "_Components":
        """Return the same numbers in the dtype and device of x."""
        basis = None if self.basis is None else there(self.basis, x)
        return _Components(there(self.means, x), there(self.variances, x), basis)

    def into(self, x: Float[Tensor, "b k D"]) -> Float[Tensor, "b k D"]:
        """Return Uᵀx per component."""
        return x if self.basis is None else torch.einsum("bkd,kde->bke", x, self.basis)

    def out(self, y: Float[Tensor, "b k D"]) -> Float[Tensor, "b k D"]:
        """Return Uy per component."""
        return y if self.basis is None else torch.einsum("bke,kde->bkd", y, self.basis)


class GaussianMixture(KnownScore):
    """Σ_k w_k N(μ_k, Σ_k).

    Args:
        means: the k means μ_k, of shape (k, *d).
        covariances: a variance (one number, or shape (k,)), variances of shape (k, *d), or matrices of shape (k, D, D) over the
            flattened event.
        weights: k non-negative numbers, normalised to sum to one; equal when absent.

    Cost: O(b k D) per call for diagonal covariances, O(b k D²) for full ones.

    Raises:
        ValueError: shapes that do not fit, weights that are negative or all zero, covariances that are not positive definite.
    """

    def __init__(self, means: Numbers, covariances: Numbers = 1.0, weights: Numbers | None = None) -> None:
        mu = _finite("means", means)
        if mu.ndim < 2 or mu.numel() == 0:
            raise ValueError(f"means must have shape (k, *d), one row per component; received {tuple(mu.shape)}")
        rows = flatten(mu)
        self._given = _finite("covariances", covariances)
        self.components = _Components(rows, *_diagonalise(self._given, rows, mu.shape))
        self.log_weights = _log_weights(weights, len(rows))
        self.shape = tuple(mu.shape[1:])
        self.alpha: Float[Tensor, "*b"] = scale_of(1.0)
        self.sigma: Float[Tensor, "*b"] = scale_of(0.0)

    @classmethod
    def ring(cls, modes: int = 8, radius: float = 4.0, std: float = 0.3) -> "GaussianMixture":
        """Return equal isotropic modes on a circle in the plane.

        Args:
            modes: how many.
            radius: radius of the circle.
            std: standard deviation of each mode.
        """
        positive(std=std)
        angle = 2 * math.pi * torch.arange(whole(modes, "modes", 1), dtype=torch.float64) / modes
        return cls(radius * torch.stack([angle.cos(), angle.sin()], dim=1), std**2)

    @classmethod
    def grid(cls, side: int = 5, spacing: float = 2.0, std: float = 0.2) -> "GaussianMixture":
        """Return side² equal isotropic modes on a square lattice centred at the origin.

        Args:
            side: modes along one edge.
            spacing: distance between neighbours.
            std: standard deviation of each mode.
        """
        positive(std=std)
        ticks = spacing * (torch.arange(whole(side, "side", 1), dtype=torch.float64) - (side - 1) / 2)
        return cls(torch.cartesian_prod(ticks, ticks), std**2)

    @classmethod
    def song2019(cls) -> "GaussianMixture":
        """Return ⅕ N((−5, −5), I) + ⅘ N((5, 5), I), the toy distribution of Song & Ermon (2019), section 3.2."""
        return cls([[-5.0, -5.0], [5.0, 5.0]], 1.0, [0.2, 0.8])  # pyright: ignore[reportArgumentType]

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one event."""
        return self.shape

    @property
    def means(self) -> Float[Tensor, "k *d"]:
        """αμ_k; with `covariances` and `weights` the arguments that make this mixture, noise included."""
        return one_scale(self.alpha) * self.components.means.reshape(-1, *self.shape)

    @property
    def covariances(self) -> Tensor:
        """α²Σ_k + σ²I, in the form in which Σ_k was given (a variance, variances or matrices)."""
        alpha, sigma = one_scale(self.alpha), one_scale(self.sigma)
        eye = 1.0 if self.components.basis is None else torch.eye(self._given.shape[-1], dtype=torch.float64)
        return alpha**2 * self._given + sigma**2 * eye

    @property
    def weights(self) -> Float[Tensor, " k"]:
        """The mixture weights w_k."""
        return self.log_weights.exp()

    @property
    def moments(self) -> Moments:
        """Mean Σ w_k αμ_k and variance Σ w_k (α²λ_k + σ² + (αμ_k − mean)²) of each coordinate."""
        c, w = self.components, self.weights[:, None]
        spread = c.variances if c.basis is None else torch.einsum("kde,ke->kd", c.basis**2, c.variances)
        mean = (w * c.means).sum(dim=0)
        variance = (w * (spread + (c.means - mean) ** 2)).sum(dim=0)
        return Moments(mean.reshape(self.shape), variance.sqrt().reshape(self.shape)).noised(self.alpha, self.sigma)

    def _whiten(self, x: Tensor) -> tuple[_Components, Tensor, Tensor]:
        """Return the components as x sees them, Uᵀ(x − αμ) and the variances α²λ + σ², both (b, k, D)."""
        rows = flatten(promoted(x, self.event))
        c = self.components.to(rows)
        cube = rows[:, None, :]
        alpha, sigma = like(self.alpha, cube), like(self.sigma, cube)
        return c, c.into(cube - alpha * c.means), alpha**2 * c.variances + sigma**2

    def _log_joint(self, y: Tensor, variances: Tensor) -> Float[Tensor, "b k"]:
        """Return log w_k + log N_k."""
        log_normal = -0.5 * (y**2 / variances + torch.log(2 * math.pi * variances)).sum(dim=2)
        return self.log_weights.to(y) + log_normal

    def log_prob(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
        """Return log Σ_k w_k N(x; αμ_k, α²Σ_k + σ²I)."""
        _, y, variances = self._whiten(x)
        return torch.logsumexp(self._log_joint(y, variances), dim=1).to(x)

    def responsibilities(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b k"]:
        """Return the posterior probability of each component given x."""
        _, y, variances = self._whiten(x)
        return torch.softmax(self._log_joint(y, variances), dim=1).to(x)

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return Σ_k r_k(x) (α²Σ_k + σ²I)⁻¹ (αμ_k − x), r the responsibilities."""
        c, y, variances = self._whiten(x)
        weight = torch.softmax(self._log_joint(y, variances), dim=1)
        pull = c.out(-y / variances)
        return torch.einsum("bk,bkd->bd", weight, pull).reshape(x.shape).to(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *d"]:
        """Return n draws: a component, then a Gaussian, then the noise of (α, σ)."""
        n, c = count(n), self.components
        which = torch.multinomial(self.weights, max(n, 1), replacement=True, generator=generator)[:n]
        z = standard_normal(torch.empty(n, c.means.shape[1], dtype=torch.float64), generator)
        y = c.variances[which].sqrt() * z
        x = c.means[which] + (y if c.basis is None else torch.einsum("ne,nde->nd", y, c.basis[which]))
        x = like(self.alpha, x) * x + like(self.sigma, x) * standard_normal(x, generator)
        return x.reshape(n, *self.shape).to(torch.get_default_dtype())

    def diffuse(self, alpha: Scale, sigma: Scale) -> "GaussianMixture":
        """Return the distribution of αX + σZ: the same components under composed scales."""
        noised = copy.copy(self)
        noised.alpha, noised.sigma = compose(alpha, sigma, (self.alpha, self.sigma))
        return noised


class Gaussian(KnownScore):
    """N(μ, Σ): the mixture of one.

    Args:
        mean: μ, of shape d.
        covariance: a variance, variances of shape d, or a matrix (D, D) over the flattened event.
    """

    def __init__(self, mean: Numbers, covariance: Numbers = 1.0) -> None:
        mu = _finite("mean", mean)
        if mu.ndim == 0:
            raise ValueError("mean must have the shape of an event, at least (1,); received a single number")
        sigma = _finite("covariance", covariance)
        self.mixture = GaussianMixture(mu[None], sigma if sigma.ndim == 0 else sigma[None])

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one event."""
        return self.mixture.event

    @property
    def moments(self) -> Moments:
        """αμ, and the square root of the diagonal of α²Σ + σ²I."""
        return self.mixture.moments

    @property
    def mean(self) -> Float[Tensor, "*d"]:
        """αμ."""
        return self.mixture.means[0]

    @property
    def covariance(self) -> Tensor:
        """α²Σ + σ²I, in the form in which Σ was given."""
        return self.mixture.covariances if self.mixture.covariances.ndim == 0 else self.mixture.covariances[0]

    def log_prob(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
        """Return log N(x; αμ, α²Σ + σ²I)."""
        return self.mixture.log_prob(x)

    def score(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return (α²Σ + σ²I)⁻¹ (αμ − x)."""
        return self.mixture.score(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *d"]:
        """Return n draws."""
        return self.mixture.sample(n, generator)

    def diffuse(self, alpha: Scale, sigma: Scale) -> "Gaussian":
        """Return N(αμ, α²Σ + σ²I)."""
        noised = copy.copy(self)
        noised.mixture = self.mixture.diffuse(alpha, sigma)
        return noised


def _finite(name: str, value: Numbers) -> Tensor:
    """Return ``value`` in float64, refusing NaN and infinities."""
    tensor = numbers(value, name).double()
    if not torch.isfinite(tensor).all():
        raise ValueError(
            f"{name} must be finite; received {int((~torch.isfinite(tensor)).sum())} NaN or infinite value(s)"
        )
    return tensor


def _log_weights(weights: Numbers | None, k: int) -> Float[Tensor, " k"]:
    """Return log w, normalised."""
    if weights is None:
        return scale_of(-math.log(k)).expand(k)
    w = _finite("weights", weights)
    if w.shape != (k,) or (w < 0).any() or w.sum() <= 0:
        raise ValueError(f"weights must be {k} non-negative numbers, not all zero; received {w.tolist()}")
    return torch.log(w / w.sum())


def _diagonalise(cov: Tensor, rows: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor | None]:
    """Return eigenvalues (k, D) and, for full matrices, eigenvectors (k, D, D)."""
    k, size = rows.shape
    basis = None
    if cov.ndim == 0 or cov.shape == (k,):
        variances = cov.reshape(-1, 1).expand(k, size)
    elif cov.shape == shape:
        variances = flatten(cov)
    elif cov.shape == (k, size, size):
        if not torch.allclose(cov, cov.mT, rtol=1e-8, atol=1e-12):
            raise ValueError("covariance matrices must be symmetric; received one that differs from its transpose")
        variances, basis = torch.linalg.eigh(cov)
    else:
        raise ValueError(
            f"covariances must be a number, or have shape ({k},), {tuple(shape)} or ({k}, {size}, {size}); received {tuple(cov.shape)}"
        )
    if (variances <= 0).any():
        raise ValueError(
            f"covariances must be positive definite; the smallest variance received is {variances.min().item():.3g}"
        )
    return variances.contiguous(), basis
