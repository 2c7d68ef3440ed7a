"""What a score model is trained to minimise: one number per example."""

from scorefield.objectives.base import Objective
from scorefield.objectives.denoising import DSM, MultiLevelDSM
from scorefield.objectives.levels import LogNormal, UniformTime
from scorefield.objectives.weights import edm_weight, sigma_weight

__all__ = ["DSM", "LogNormal", "MultiLevelDSM", "Objective", "UniformTime", "edm_weight", "sigma_weight"]
