"""Transitions from noise to data: Langevin chains, reverse SDEs, probability-flow ODEs, and their compositions."""

from scorefield.samplers.adaptive_sde import AdaptiveSDE
from scorefield.samplers.budget import within
from scorefield.samplers.langevin import MALA, AnnealedLangevin, Langevin, LangevinCorrector
from scorefield.samplers.multistep import Multistep
from scorefield.samplers.ode import AdaptiveODE, Euler, Heun
from scorefield.samplers.posterior import DDIM, Ancestral, DPMpp2M, ReverseDiffusion
from scorefield.samplers.predictor_corrector import PredictorCorrector
from scorefield.samplers.sde import EulerMaruyama

__all__ = [
    "DDIM",
    "MALA",
    "AdaptiveODE",
    "AdaptiveSDE",
    "Ancestral",
    "AnnealedLangevin",
    "DPMpp2M",
    "Euler",
    "EulerMaruyama",
    "Heun",
    "Langevin",
    "LangevinCorrector",
    "Multistep",
    "PredictorCorrector",
    "ReverseDiffusion",
    "within",
]
