"""Curved densities have no closed form once noised; the error of their quadrature, against integration by other variables."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, special
from scipy.stats import norm

from scorefield import Banana, Density, Funnel, Ring, TwoMoons

Point = tuple[float, float]
ALPHA, SIGMA = 0.8, 0.5


def integral(f: Callable[[float], float], low: float, high: float) -> float:
    return integrate.quad(f, low, high, epsabs=0, epsrel=1e-11, limit=500)[0]


def pdf(x: float, mean: float, std: float) -> float:
    return math.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def ring(y: Point) -> float:
    """Over the angle by the trapezoidal rule, which converges geometrically on a circle, and over the radius by 400 Gaussian nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    r, angle = (2.0 + 0.4 * 9 * nodes)[:, None], np.linspace(0, 2 * math.pi, 400, endpoint=False)
    at_y = norm.pdf(y[0], ALPHA * r * np.cos(angle), SIGMA) * norm.pdf(y[1], ALPHA * r * np.sin(angle), SIGMA)
    return float(0.4 * 9 * weights @ (norm.pdf(r[:, 0], 2.0, 0.4) * at_y.mean(axis=1)))


def banana(y: Point) -> float:
    """Over the first clean coordinate."""
    width = math.hypot(ALPHA * 0.5, SIGMA)

    def at(u: float) -> float:
        return pdf(u, 0, 1) * pdf(y[0], ALPHA * u, SIGMA) * pdf(y[1], ALPHA * 0.4 * (u**2 - 1), width)

    return integral(at, -9, 9)


def funnel(y: Point) -> float:
    """Over the clean log variance."""

    def at(v: float) -> float:
        return pdf(v, 0, 1.5) * pdf(y[0], ALPHA * v, SIGMA) * pdf(y[1], 0, math.sqrt(ALPHA**2 * math.exp(v) + SIGMA**2))

    return integral(at, -14, 14)


def moons(y: Point) -> float:
    """Over the angle along each arc."""
    width = math.hypot(ALPHA * 0.3, SIGMA)

    def at(angle: float) -> float:
        x = 1.5 * np.array([math.cos(angle) - 0.5, math.sin(angle) - 0.25])
        return sum(pdf(y[0], s * ALPHA * x[0], width) * pdf(y[1], s * ALPHA * x[1], width) for s in (1, -1)) / 2

    return integral(at, 0.0, math.pi) / math.pi


CASES: dict[str, tuple[Density, Callable[[Point], float], float]] = {
    "Ring": (Ring(radius=2.0, std=0.4), ring, 1e-9),
    "Banana": (Banana(spread=1.0, curvature=0.4, std=0.5), banana, 1e-6),
    "Funnel": (Funnel(dim=2, std=1.5), funnel, 1e-6),
    "TwoMoons": (TwoMoons(radius=1.5, std=0.3), moons, 1e-9),
}
POINTS = [(0.1, 0.2), (1.5, -0.4), (-0.7, 1.9), (2.2, 2.0)]


@pytest.mark.parametrize("name", CASES)
def test_the_error_of_the_quadrature_is_as_stated(name: str) -> None:
    density, exact, error = CASES[name]
    found = density.diffuse(ALPHA, SIGMA).log_prob(torch.tensor(POINTS, dtype=torch.float64))
    expected = torch.tensor([math.log(exact(y)) for y in POINTS], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=error)


def summed(log_integrand: Callable[[np.ndarray], np.ndarray], centre: float, width: float) -> float:
    """Return the logarithm of an integral by twenty thousand equal steps within fourteen widths."""
    u = centre + width * np.linspace(-14, 14, 20_001)
    logs = log_integrand(u)
    return logs.max() + math.log(np.trapezoid(np.exp(logs - logs.max()), u))


def wide_ring(d: Ring, y: np.ndarray, sigma: float) -> float:
    rho = float(np.linalg.norm(y))

    def at(r: np.ndarray) -> np.ndarray:
        bessel = np.log(special.ive(0, np.abs(r) * rho / sigma**2))
        return norm.logpdf(r, d.radius, d.std) + bessel - (rho - np.abs(r)) ** 2 / 2 / sigma**2

    return summed(at, d.radius, d.std) - math.log(2 * math.pi * sigma**2)


def bent(d: Banana, y: np.ndarray, sigma: float) -> float:
    total, width = d.spread**2 + sigma**2, math.hypot(d.std, sigma)

    def at(u: np.ndarray) -> np.ndarray:
        seen = norm.logpdf(y[0], u, sigma) + norm.logpdf(y[1], d.curvature * (u**2 - d.spread**2), width)
        return norm.logpdf(u, 0, d.spread) + seen

    return summed(at, d.spread**2 * y[0] / total, d.spread * sigma / math.sqrt(total))


def many(d: Funnel, y: np.ndarray, sigma: float) -> float:
    total = d.std**2 + sigma**2

    def at(v: np.ndarray) -> np.ndarray:
        rest = norm.logpdf(y[1:, None], 0, np.sqrt(np.exp(v) + sigma**2)).sum(axis=0)
        return norm.logpdf(v, 0, d.std) + norm.logpdf(y[0], v, sigma) + rest

    return summed(at, d.std**2 * y[0] / total, d.std * sigma / math.sqrt(total))


def thin(d: TwoMoons, y: np.ndarray, sigma: float) -> float:
    angle, width = np.linspace(0, math.pi, 200_001), math.hypot(d.std, sigma)
    arc = d.radius * np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25])
    both = sum(norm.pdf(y[0], s * arc[0], width) * norm.pdf(y[1], s * arc[1], width) for s in (1, -1))
    return math.log(np.trapezoid(both, angle) / (2 * math.pi))


EXTREME: dict[str, tuple[Any, Callable[[Any, np.ndarray, float], float]]] = {
    "a ring as thick as it is wide": (Ring(radius=1.0, std=1.0), wide_ring),
    "a disc": (Ring(radius=0.1, std=1.0), wide_ring),
    "a banana bent twice": (Banana(curvature=1.0), bent),
    "a banana bent four times": (Banana(curvature=-2.0), bent),
    "a thin banana": (Banana(spread=1.0, curvature=3.0, std=0.1), bent),
    "Neal's funnel of ten": (Funnel(dim=10), many),
    "a funnel of a hundred": (Funnel(dim=100), many),
    "a steep funnel": (Funnel(dim=10, std=5.0), many),
    "thin moons": (TwoMoons(std=0.03), thin),
    "moons of lines": (TwoMoons(std=0.01), thin),
}


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("name", EXTREME)
def test_the_error_of_the_quadrature_is_as_stated_whatever_the_shape(name: str, sigma: float) -> None:
    """At draws of the noised distribution: 1e-6 of log p, where too few nodes err by 1e-4 to 5."""
    density, exact = EXTREME[name]
    noised = density.diffuse(1.0, sigma)
    x = noised.sample(5, torch.Generator().manual_seed(0)).double()
    expected = torch.tensor([exact(density, y, sigma) for y in x.numpy()], dtype=torch.float64)
    torch.testing.assert_close(noised.log_prob(x), expected, rtol=0, atol=1e-6)
