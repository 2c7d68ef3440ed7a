"""Distributions known in closed form, closed under noising."""

from scorefield.densities.base import Density
from scorefield.densities.checkerboard import Checkerboard
from scorefield.densities.combined import Product, Similarity
from scorefield.densities.curved import Banana, Funnel, Ring, TwoMoons
from scorefield.densities.empirical import Empirical
from scorefield.densities.gaussian import Gaussian, GaussianMixture

__all__ = [
    "Banana",
    "Checkerboard",
    "Density",
    "Empirical",
    "Funnel",
    "Gaussian",
    "GaussianMixture",
    "Product",
    "Ring",
    "Similarity",
    "TwoMoons",
]
