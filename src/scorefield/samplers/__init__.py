"""Transitions from noise to data: Langevin chains, reverse SDEs, probability-flow ODEs, and their compositions."""

from scorefield.samplers.langevin import AnnealedLangevin, Langevin, LangevinCorrector
from scorefield.samplers.ode import Euler, Heun
from scorefield.samplers.predictor_corrector import PredictorCorrector
from scorefield.samplers.sde import EulerMaruyama

__all__ = [
    "AnnealedLangevin",
    "Euler",
    "EulerMaruyama",
    "Heun",
    "Langevin",
    "LangevinCorrector",
    "PredictorCorrector",
]
