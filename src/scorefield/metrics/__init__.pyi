"""The names of this package: each is written here once, for type checkers, and is imported from here when it is first used."""

from .calibration import (
    Calibration as Calibration,
    calibration as calibration,
)
from .chains import (
    ChainDiagnostics as ChainDiagnostics,
    diagnose_chains as diagnose_chains,
)
from .classifier_test import (
    ClassifierTest as ClassifierTest,
    classifier_two_sample as classifier_two_sample,
    image_views as image_views,
)
from .estimate import (
    Estimate as Estimate,
    mean as mean,
)
from .evaluation import (
    ImageJudge as ImageJudge,
    Measure as Measure,
    evaluate as evaluate,
)
from .features import (
    frechet_distance as frechet_distance,
    kernel_distance as kernel_distance,
)
from .judge import Judge as Judge
from .memory import (
    Memorisation as Memorisation,
    memorisation as memorisation,
    nearest_neighbours as nearest_neighbours,
)
from .modes import (
    ModeWeights as ModeWeights,
    class_shares as class_shares,
    mode_jumps as mode_jumps,
    mode_weights as mode_weights,
)
from .neighbourhoods import (
    DensityCoverage as DensityCoverage,
    PrecisionRecall as PrecisionRecall,
    density_coverage as density_coverage,
    precision_recall as precision_recall,
)
from .resampling import half_sampling as half_sampling
from .scores import (
    fisher_divergence as fisher_divergence,
    kernel_stein_discrepancy as kernel_stein_discrepancy,
)
from .soundness import (
    Soundness as Soundness,
    soundness as soundness,
)
from .strokes import (
    Tails as Tails,
    stroke_tails as stroke_tails,
    strokes as strokes,
)
from .trace import (
    Trace as Trace,
    TraceRow as TraceRow,
)
from .two_sample import (
    c2st as c2st,
    energy_distance as energy_distance,
    mmd as mmd,
    sliced_wasserstein as sliced_wasserstein,
    wasserstein as wasserstein,
)
