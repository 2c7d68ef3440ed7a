"""Score-based generative modelling in which an exact score and a learned score are the same type.

    target = GaussianMixture.ring(modes=8, radius=4.0, std=0.3)
    process = VE(sigma_min=0.01, sigma_max=20.0)
    model = Denoiser(MLP(dim=2), process, sigma_data=2.8)
    fit(model, target, DSM(), steps=5_000)
    learned = sample(model, Heun(), shape=(10_000, 2), grid=Karras(31), seed=0)

Names are imported when first used, so that ``import scorefield`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PUBLIC = {
    "scorefield._errors": ("CheckpointError", "ConfigError", "DataError", "DivergedError", "ScorefieldError"),
    "scorefield._tensors": ("Noise", "standard_normal", "uniform_like"),
    "scorefield.classifier": ("Classifier",),
    "scorefield.config": ("describe", "register"),
    "scorefield.densities": (
        *("Banana", "Checkerboard", "Density", "Empirical", "Funnel", "Gaussian", "GaussianMixture", "Product", "Ring"),
        *("Similarity", "TwoMoons"),
    ),
    "scorefield.energy": ("Energy",),
    "scorefield.grids": (
        *("Constant", "Grid", "Karras", "Ladder", "LogSNR", "Step", "Uniform"),
        *("cosine", "geometric", "linear", "sigmoid"),
    ),
    "scorefield.guidance": (
        *("DPS", "AutoGuided", "Blur", "ClassifierFree", "ClassifierGuided", "Downsample", "Inpaint", "LinearGaussian"),
        *("LinearOperator", "Mask", "MatrixFree", "Particles", "Project", "RePaint"),
    ),
    "scorefield.likelihood": (
        "ByteDecoder",
        "LogLikelihood",
        "bits_per_dim",
        "variational_bound",
        "decode",
        "encode",
        "interpolate",
        "log_likelihood",
    ),
    "scorefield.metrics": (
        *("Calibration", "ChainDiagnostics", "Estimate", "Judge", "ModeWeights", "Soundness", "Trace", "c2st"),
        *("Memorisation", "calibration", "class_shares", "diagnose_chains", "memorisation", "nearest_neighbours"),
        *("energy_distance", "fisher_divergence", "kernel_stein_discrepancy", "mmd", "mode_jumps", "mode_weights"),
        *("sliced_wasserstein", "soundness", "wasserstein", "density_coverage", "evaluate", "frechet_distance"),
        *("half_sampling", "kernel_distance", "precision_recall"),
    ),
    "scorefield.models": ("Exact", "FromScore", "ScoreModel"),
    "scorefield.networks": ("MLP", "CondRefineNet", "NCSNv2Net", "NoisyClassifier", "UNet"),
    "scorefield.objectives": (
        *("DAE", "DSM", "SSM", "SSMVR", "CrossEntropy", "FiniteDifferenceSSM", "FisherDivergence", "ImplicitSM"),
        *("LogNormal", "MultiLevelDSM", "Objective", "OneLevel", "UniformTime"),
        *("edm_weight", "likelihood_weight", "min_snr_weight", "sigma_weight", "unit_weight"),
    ),
    "scorefield.preconditioning": ("Denoiser", "LadderNet", "NoiseNet", "ScoreNet"),
    "scorefield.pretrained": (
        *("LoadedModel", "from_pretrained", "load_classifier", "load_judge", "load_model", "save_pretrained"),
        "shipped_models",
    ),
    "scorefield.processes": ("EDM", "VE", "VP", "PowerVE", "Process", "SubVP"),
    "scorefield.samplers": (
        *("DDIM", "MALA", "AdaptiveODE", "Ancestral", "AnnealedLangevin", "DPMpp2M", "Euler", "EulerMaruyama", "Heun"),
        *("Langevin", "LangevinCorrector", "PredictorCorrector", "ReverseDiffusion"),
    ),
    "scorefield.sampling": ("Sampler", "Samples", "Transition", "sample"),
    "scorefield.units": ("Moments", "Units"),
    "scorefield.training": ("Optimization", "StepRecord", "TrainState", "fit", "train"),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from scorefield._errors import *  # noqa: F403
    from scorefield._tensors import Noise as Noise
    from scorefield._tensors import standard_normal as standard_normal
    from scorefield._tensors import uniform_like as uniform_like
    from scorefield.classifier import Classifier as Classifier
    from scorefield.config import describe as describe
    from scorefield.config import register as register
    from scorefield.densities import *  # noqa: F403
    from scorefield.energy import Energy as Energy
    from scorefield.grids import *  # noqa: F403
    from scorefield.guidance import *  # noqa: F403
    from scorefield.likelihood import *  # noqa: F403
    from scorefield.metrics import *  # noqa: F403
    from scorefield.models import *  # noqa: F403
    from scorefield.networks import *  # noqa: F403
    from scorefield.objectives import *  # noqa: F403
    from scorefield.preconditioning import *  # noqa: F403
    from scorefield.pretrained import *  # noqa: F403
    from scorefield.processes import *  # noqa: F403
    from scorefield.samplers import *  # noqa: F403
    from scorefield.sampling import *  # noqa: F403
    from scorefield.training import *  # noqa: F403
    from scorefield.units import *  # noqa: F403


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'scorefield' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
