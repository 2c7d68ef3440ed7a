"""Distributions known in closed form, closed under noising."""

from scorefield.densities.base import Density
from scorefield.densities.empirical import Empirical
from scorefield.densities.gaussian import Gaussian, GaussianMixture

__all__ = ["Density", "Empirical", "Gaussian", "GaussianMixture"]
