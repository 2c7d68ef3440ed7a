"""Is it right? Distances between samples, distances to a known law, chains that mix, samples that are sound.

A number that was estimated comes with its standard error, as an `Estimate`.
"""

from scorefield.metrics.calibration import Calibration, calibration
from scorefield.metrics.chains import ChainDiagnostics, diagnose_chains
from scorefield.metrics.estimate import Estimate, mean
from scorefield.metrics.evaluation import ImageJudge, Measure, evaluate
from scorefield.metrics.features import frechet_distance, kernel_distance
from scorefield.metrics.judge import Judge
from scorefield.metrics.memory import Memorisation, memorisation, nearest_neighbours
from scorefield.metrics.modes import ModeWeights, class_shares, mode_jumps, mode_weights
from scorefield.metrics.neighbourhoods import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from scorefield.metrics.resampling import half_sampling
from scorefield.metrics.scores import fisher_divergence, kernel_stein_discrepancy
from scorefield.metrics.soundness import Soundness, soundness
from scorefield.metrics.trace import Trace, TraceRow
from scorefield.metrics.two_sample import c2st, energy_distance, mmd, sliced_wasserstein, wasserstein

__all__ = [
    "Calibration",
    "ChainDiagnostics",
    "DensityCoverage",
    "Estimate",
    "ImageJudge",
    "Judge",
    "Measure",
    "Memorisation",
    "ModeWeights",
    "PrecisionRecall",
    "Soundness",
    "Trace",
    "TraceRow",
    "c2st",
    "calibration",
    "class_shares",
    "density_coverage",
    "diagnose_chains",
    "energy_distance",
    "evaluate",
    "fisher_divergence",
    "frechet_distance",
    "half_sampling",
    "kernel_distance",
    "kernel_stein_discrepancy",
    "mean",
    "memorisation",
    "mmd",
    "mode_jumps",
    "mode_weights",
    "nearest_neighbours",
    "precision_recall",
    "sliced_wasserstein",
    "soundness",
    "wasserstein",
]
