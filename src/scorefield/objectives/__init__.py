"""What a model is trained to minimise: one number per example."""

from scorefield.objectives.base import Objective
from scorefield.objectives.classification import CrossEntropy
from scorefield.objectives.denoising import DAE, DSM, MultiLevelDSM
from scorefield.objectives.distillation import Distillation
from scorefield.objectives.score_matching import SSM, SSMVR, FiniteDifferenceSSM, FisherDivergence, ImplicitSM
from scorefield.objectives.times import LogNormal, OneLevel, UniformTime
from scorefield.objectives.weights import edm_weight, likelihood_weight, min_snr_weight, sigma_weight, unit_weight

__all__ = [
    "DAE",
    "DSM",
    "SSM",
    "SSMVR",
    "CrossEntropy",
    "Distillation",
    "FiniteDifferenceSSM",
    "FisherDivergence",
    "ImplicitSM",
    "LogNormal",
    "MultiLevelDSM",
    "Objective",
    "OneLevel",
    "UniformTime",
    "edm_weight",
    "likelihood_weight",
    "min_snr_weight",
    "sigma_weight",
    "unit_weight",
]
