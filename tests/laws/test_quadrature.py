"""Curved densities have no closed form once noised; the error of their quadrature, against integration by other variables."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate
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
