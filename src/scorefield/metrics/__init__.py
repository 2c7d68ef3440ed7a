"""Is it right? Distances between samples, distances to a known law, chains that mix, samples that are sound.

A number that was estimated comes with its standard error, as an `Estimate`.
"""

from scorefield.metrics.chains import ChainDiagnostics, diagnose_chains
from scorefield.metrics.estimate import Estimate
from scorefield.metrics.modes import ModeWeights, mode_jumps, mode_weights
from scorefield.metrics.scores import fisher_divergence, kernel_stein_discrepancy
from scorefield.metrics.soundness import Soundness, soundness
from scorefield.metrics.trace import Trace, TraceRow
from scorefield.metrics.two_sample import c2st, energy_distance, mmd, sliced_wasserstein, wasserstein

__all__ = [
    "ChainDiagnostics",
    "Estimate",
    "ModeWeights",
    "Soundness",
    "Trace",
    "TraceRow",
    "c2st",
    "diagnose_chains",
    "energy_distance",
    "fisher_divergence",
    "kernel_stein_discrepancy",
    "mmd",
    "mode_jumps",
    "mode_weights",
    "sliced_wasserstein",
    "soundness",
    "wasserstein",
]
