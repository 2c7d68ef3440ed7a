r"""Curved distributions on a one-dimensional skeleton: ring, banana, funnel, two moons.

Each is a Gaussian given one latent number u, so that noising leaves a one-dimensional integral:

    αX + σZ:   p(y) = ∫ p(u) N(y | u; α, σ) du

Where y sees u through a Gaussian factor (its own coordinate αu + σz), the product of prior and factor is again Gaussian in u, and
Gauss–Hermite nodes are laid around *that* posterior: they follow it as σ → 0, and the factor that remains is smooth. The stated errors of
log p are tested against adaptive quadrature.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import finite, positive, whole
from scorefield._noise import standard_normal
from scorefield._tensors import promoted
from scorefield.densities.base import Noised, Planar, count
from scorefield.units import Moments

Rule = tuple[np.ndarray, np.ndarray]
"""Nodes and weights."""


@dataclass(frozen=True)
class Ring(Planar):
    r"""A circle of Gaussian thickness: x = r (cos θ, sin θ), r ~ N(R, s²), θ uniform.

        p(x) = [N(ρ; R, s²) + N(−ρ; R, s²)] / (2πρ),   ρ = ‖x‖

    The 1/ρ is the curvature: the score is −(ρ − R)/s² − 1/ρ along the radius (up to the reflected term, e^{−2Rρ/s²}).
    Noised, with I₀ the Bessel function:  p(y) = E_r [ e^{−(‖y‖² + α²r²)/2σ²} I₀(α r‖y‖/σ²) ] / (2πσ²).

    Args:
        radius: R, radius of the circle.
        std: s, the thickness of the circle.

    Error of log p when noised: below 1e-9 for R ≥ 4s, below 1e-6 for all (twice 128 Gauss–Hermite nodes).
    """

    radius: float = 5.0
    std: float = 0.1

    def __post_init__(self) -> None:
        positive(radius=self.radius, std=self.std)

    @property
    def moments(self) -> Moments:
        """Mean 0 and variance (R² + s²)/2 of both coordinates, noised."""
        return _moments([0.0, 0.0], [(self.radius**2 + self.std**2) / 2] * 2).noised(self.alpha, self.sigma)

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Return log p(x)."""

        def clean(x: Tensor, alpha: Tensor) -> Tensor:
            r = _length(x) / alpha
            both = torch.cat([_log_normal(r, side * self.radius, self.std) for side in (1, -1)], dim=1)
            volume = torch.log(2 * math.pi * r) + 2 * torch.log(alpha)
            return (torch.logsumexp(both, dim=1, keepdim=True) - volume).squeeze(1)

        def noised(x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
            # e^{−(ρ² + α²r²)/2σ²} I₀(u) = e^{−(ρ − αr)²/2σ²} e^{−u} I₀(u), u = αrρ/σ²: a Gaussian in r times a smooth factor.
            # Where r may be negative, I₀(u) is shared out among u and −u, which is r under the mean −R.
            rho, lobes = _length(x), []
            for side in (1, -1):
                r, log_w = _posterior_nodes(rho, side * self.radius, self.std, alpha, sigma)
                u = alpha * r * rho / sigma**2
                share = torch.nn.functional.logsigmoid(2 * u)
                lobes.append(log_w + torch.log(torch.special.i0e(u)) + u.abs() - u + share)
            scale = 0.5 * torch.log(2 * math.pi * sigma**2)
            return torch.logsumexp(torch.cat(lobes, dim=1) - scale, dim=1)

        return self._by_noise(x, clean, noised)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        """Return n draws."""
        angle = 2 * math.pi * torch.rand(count(n), 1, generator=generator, dtype=torch.float64)
        r = self.radius + self.std * standard_normal(angle, generator)
        return self._noised(torch.cat([r * angle.cos(), r * angle.sin()], dim=1), generator)


@dataclass(frozen=True)
class Banana(Planar):
    r"""A bent Gaussian: u ~ N(0, a²), x = (u, κ(u² − a²) + c z), z ~ N(0, 1).

        p(x) = N(x₁; 0, a²) N(x₂; κ(x₁² − a²), c²)

    Args:
        spread: a, standard deviation along the banana before it is bent.
        curvature: κ, how strongly it is bent.
        std: c, its thickness.

    Error of log p when noised: below 1e-6 within four spreads (128 Gauss–Hermite nodes, or as many as the curve's bend within the noise
    takes).
    """

    spread: float = 2.0
    curvature: float = 0.5
    std: float = 0.5

    def __post_init__(self) -> None:
        finite(curvature=self.curvature)
        positive(spread=self.spread, std=self.std)

    @property
    def moments(self) -> Moments:
        """Mean 0; variances a² and 2κ²a⁴ + c², noised."""
        variances = [self.spread**2, 2 * self.curvature**2 * self.spread**4 + self.std**2]
        return _moments([0.0, 0.0], variances).noised(self.alpha, self.sigma)

    def _bend(self, u: Tensor) -> Tensor:
        return self.curvature * (u**2 - self.spread**2)

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Return log p(x)."""
        given, x = x, promoted(x, self.event)
        alpha, sigma = self._scales(x)
        width = torch.sqrt(alpha**2 * self.std**2 + sigma**2)
        steepest = (
            6 * alpha * abs(self.curvature) * self.spread / width
        )  # of the factor that is left, three spreads out
        u, log_w = _posterior_nodes(x[:, :1], 0.0, self.spread, alpha, sigma, steepest)
        return torch.logsumexp(log_w + _log_normal(x[:, 1:], alpha * self._bend(u), width), dim=1).to(given)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        """Return n draws."""
        z = standard_normal(torch.empty(count(n), 2, dtype=torch.float64), generator)
        u = self.spread * z[:, :1]
        return self._noised(torch.cat([u, self._bend(u) + self.std * z[:, 1:]], dim=1), generator)


@dataclass(frozen=True)
class Funnel(Noised):
    r"""Neal's funnel: v ~ N(0, 3²) (its first coordinate), x_i | v ~ N(0, e^v) for the rest (Neal 2003, section 8).

    Args:
        dim: number of coordinates, at least two.
        std: standard deviation of v, the first coordinate.

    Error of log p when noised: below 1e-6 (128 Gauss–Hermite nodes, or more where the other coordinates determine v more closely).
    """

    dim: int = 2
    std: float = 3.0

    def __post_init__(self) -> None:
        whole(self.dim, "dim", 2)
        positive(std=self.std)

    @property
    def event(self) -> tuple[int, ...]:
        """A vector of dim numbers."""
        return (self.dim,)

    @property
    def moments(self) -> Moments:
        """Mean 0; the variance of v, and E e^v = e^{std²/2} for the rest, noised."""
        variances = [self.std**2, *[math.exp(0.5 * self.std**2)] * (self.dim - 1)]
        return _moments([0.0] * self.dim, variances).noised(self.alpha, self.sigma)

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Return log p(x)."""
        given, x = x, promoted(x, self.event)
        alpha, sigma = self._scales(x)
        # Σ x_i² of dim − 1 numbers tells v to within √(2/(dim − 1)).
        v, log_w = _posterior_nodes(x[:, :1], 0.0, self.std, alpha, sigma, 2 * math.sqrt((self.dim - 1) / 2))
        variance = alpha**2 * torch.exp(v) + sigma**2
        rest = x[:, 1:].square().sum(1, keepdim=True)
        log_rest = -0.5 * (rest / variance + (self.dim - 1) * torch.log(2 * math.pi * variance))
        return torch.logsumexp(log_w + log_rest, dim=1).to(given)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Return n draws."""
        z = standard_normal(torch.empty(count(n), self.dim, dtype=torch.float64), generator)
        v = self.std * z[:, :1]
        return self._noised(torch.cat([v, torch.exp(0.5 * v) * z[:, 1:]], dim=1), generator)


@dataclass(frozen=True)
class TwoMoons(Planar):
    r"""Two interleaved half circles, blurred: x = c_k(θ) + s z, θ ~ U[0, π], k ∈ {1, 2}.

        c₁(θ) = (cos θ, sin θ) r − (r/2, r/4),   c₂ = −c₁

    Args:
        radius: r, of the half circles.
        std: s, the thickness of the half circles.

    Error of log p: below 1e-9 (192 Gauss–Legendre nodes on each arc, and as many more for every 30 that α r / √(α²s² + σ²) has).
    """

    radius: float = 2.0
    std: float = 0.1

    def __post_init__(self) -> None:
        positive(radius=self.radius, std=self.std)

    def _arc(self, angle: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        arc = self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)
        return arc - self.radius * torch.tensor([0.5, 0.25], dtype=angle.dtype, device=angle.device)

    @property
    def moments(self) -> Moments:
        """Mean 0; variances E c₁² + s² with E cos² θ = E sin² θ = ½, E cos θ = 0, E sin θ = 2/π, noised."""
        squares = [0.5 + 0.25, 0.5 - 0.5 * 2 / math.pi + 0.0625]
        variances = [self.radius**2 * square + self.std**2 for square in squares]
        return _moments([0.0, 0.0], variances).noised(self.alpha, self.sigma)

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Return log p(x)."""
        given, x = x, promoted(x, self.event)
        alpha, sigma = self._scales(x)
        variance = alpha**2 * self.std**2 + sigma**2
        sharpest = (alpha * self.radius / variance.sqrt()).max().item() if len(variance) else 1.0
        nodes, weights = (torch.as_tensor(v).to(x) for v in _panels(math.ceil(sharpest / 30)))
        arc = self._arc(math.pi * nodes)
        centres, log_w = torch.cat([arc, -arc]), torch.log(weights / 2).repeat(2)
        square = (x[:, None, :] - alpha[..., None] * centres).square().sum(dim=2)
        return torch.logsumexp(log_w - 0.5 * square / variance - torch.log(2 * math.pi * variance), dim=1).to(given)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        """Return n draws."""
        n = count(n)
        arc = self._arc(math.pi * torch.rand(n, generator=generator, dtype=torch.float64))
        sign = torch.randint(2, (n, 1), generator=generator) * 2 - 1
        return self._noised(sign * arc + self.std * standard_normal(arc, generator), generator)


def _length(x: Float[Tensor, "b d"]) -> Float[Tensor, "b 1"]:
    """Return ‖x‖, at 0 a number that can be divided by."""
    return x.square().sum(1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny).sqrt()


def _moments(mean: list[float], variances: list[float]) -> Moments:
    """Return moments from numbers."""
    return Moments(torch.tensor(mean, dtype=torch.float64), torch.tensor(variances, dtype=torch.float64).sqrt())


def _log_normal(x: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """Return log N(x; mean, std²), elementwise."""
    return -0.5 * ((x - mean) / std) ** 2 - torch.log(torch.as_tensor(std, dtype=x.dtype) * math.sqrt(2 * math.pi))


def _posterior_nodes(
    y: Float[Tensor, "b 1"], mean: float, std: float, alpha: Tensor, sigma: Tensor, steep: Tensor | float = 0.0
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n"]]:
    """Return nodes u and log weights with Σ w h(u) = ∫ N(u; mean, std²) N(y; αu, σ²) h(u) du.

    The product is N(y; α mean, α²std² + σ²) times a Gaussian in u of variance (1/std² + α²/σ²)⁻¹; at σ = 0 that is a point, u = y/α.
    ``steep`` is 1 over the length in u within which h changes.
    """
    total = alpha**2 * std**2 + sigma**2
    centre = (mean * sigma**2 + alpha * std**2 * y) / total
    width = std * sigma / torch.sqrt(total)
    changes = (width * steep).max().item() if len(width) else 0.0
    rule = _hermite(128) if changes <= _SMOOTH else _even(math.ceil(changes))
    nodes, weights = (torch.as_tensor(v).to(y) for v in rule)
    return centre + width * nodes, _log_normal(y, alpha * mean, torch.sqrt(total)) + torch.log(weights)


_SMOOTH = 5.0
"""Changes within a standard deviation that 128 Gauss–Hermite nodes follow to 1e-7."""


# What is kept for later calls is NumPy's: a tensor would be one of the inference mode, transformation or device of the first call.


@lru_cache
def _even(changes: int) -> Rule:
    """Return nodes and weights of E h(Z) for an h of so many changes within a standard deviation: 24 σ in 40 equal steps for each."""
    nodes = np.linspace(-12, 12, 40 * changes + 1)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


@lru_cache
def _hermite(n: int) -> Rule:
    """Return nodes and weights of E h(Z), Z ~ N(0, 1); weights that underflow are left out."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    kept = weights > 0
    return nodes[kept], weights[kept] / math.sqrt(2 * math.pi)


@lru_cache
def _panels(count: int) -> Rule:
    """Return nodes and weights of ∫₀¹, 192 of Gauss and Legendre in each of so many equal parts."""
    nodes, weights = np.polynomial.legendre.leggauss(192)
    starts = np.arange(count, dtype=np.float64)[:, None]
    return ((starts + (nodes + 1) / 2) / count).reshape(-1), np.tile(weights / (2 * count), count)
