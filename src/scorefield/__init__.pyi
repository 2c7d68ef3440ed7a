"""The public names: each is written here once, for type checkers, and is imported from here when it is first used."""

from ._errors import (
    CheckpointError as CheckpointError,
    ConfigError as ConfigError,
    DataError as DataError,
    DivergedError as DivergedError,
    ScorefieldError as ScorefieldError,
)
from ._tensors import (
    Noise as Noise,
    standard_normal as standard_normal,
    uniform_like as uniform_like,
)
from .classifier import Classifier as Classifier
from .config import (
    RunConfig as RunConfig,
    describe as describe,
    register as register,
)
from .densities import (
    Banana as Banana,
    Checkerboard as Checkerboard,
    Density as Density,
    Empirical as Empirical,
    Funnel as Funnel,
    Gaussian as Gaussian,
    GaussianMixture as GaussianMixture,
    Product as Product,
    Ring as Ring,
    Similarity as Similarity,
    TwoMoons as TwoMoons,
)
from .energy import Energy as Energy
from .grids import (
    Constant as Constant,
    Grid as Grid,
    Karras as Karras,
    Ladder as Ladder,
    LogSNR as LogSNR,
    Step as Step,
    Uniform as Uniform,
    cosine as cosine,
    geometric as geometric,
    linear as linear,
    sigmoid as sigmoid,
)
from .guidance import (
    DPS as DPS,
    AutoGuided as AutoGuided,
    Blur as Blur,
    ClassifierFree as ClassifierFree,
    ClassifierGuided as ClassifierGuided,
    Downsample as Downsample,
    Inpaint as Inpaint,
    LinearGaussian as LinearGaussian,
    LinearOperator as LinearOperator,
    Mask as Mask,
    MatrixFree as MatrixFree,
    Particles as Particles,
    Project as Project,
    RePaint as RePaint,
)
from .likelihood import (
    ByteDecoder as ByteDecoder,
    LogLikelihood as LogLikelihood,
    bits_per_dim as bits_per_dim,
    decode as decode,
    encode as encode,
    interpolate as interpolate,
    log_likelihood as log_likelihood,
    variational_bound as variational_bound,
)
from .loaded import LoadedModel as LoadedModel
from .metrics import (
    Calibration as Calibration,
    ChainDiagnostics as ChainDiagnostics,
    Estimate as Estimate,
    Judge as Judge,
    Memorisation as Memorisation,
    ModeWeights as ModeWeights,
    Soundness as Soundness,
    Trace as Trace,
    c2st as c2st,
    calibration as calibration,
    class_shares as class_shares,
    density_coverage as density_coverage,
    diagnose_chains as diagnose_chains,
    energy_distance as energy_distance,
    evaluate as evaluate,
    fisher_divergence as fisher_divergence,
    frechet_distance as frechet_distance,
    half_sampling as half_sampling,
    kernel_distance as kernel_distance,
    kernel_stein_discrepancy as kernel_stein_discrepancy,
    memorisation as memorisation,
    mmd as mmd,
    mode_jumps as mode_jumps,
    mode_weights as mode_weights,
    nearest_neighbours as nearest_neighbours,
    precision_recall as precision_recall,
    sliced_wasserstein as sliced_wasserstein,
    soundness as soundness,
    wasserstein as wasserstein,
)
from .models import (
    Exact as Exact,
    FromScore as FromScore,
    ScoreModel as ScoreModel,
)
from .networks import (
    MLP as MLP,
    CondRefineNet as CondRefineNet,
    NCSNv2Net as NCSNv2Net,
    NoisyClassifier as NoisyClassifier,
    UNet as UNet,
)
from .objectives import (
    DAE as DAE,
    DSM as DSM,
    SSM as SSM,
    SSMVR as SSMVR,
    CrossEntropy as CrossEntropy,
    FiniteDifferenceSSM as FiniteDifferenceSSM,
    FisherDivergence as FisherDivergence,
    ImplicitSM as ImplicitSM,
    LogNormal as LogNormal,
    MultiLevelDSM as MultiLevelDSM,
    Objective as Objective,
    OneLevel as OneLevel,
    UniformTime as UniformTime,
    edm_weight as edm_weight,
    likelihood_weight as likelihood_weight,
    min_snr_weight as min_snr_weight,
    sigma_weight as sigma_weight,
    unit_weight as unit_weight,
)
from .preconditioning import (
    Denoiser as Denoiser,
    LadderNet as LadderNet,
    NoiseNet as NoiseNet,
    ScoreNet as ScoreNet,
)
from .pretrained import (
    from_pretrained as from_pretrained,
    load_classifier as load_classifier,
    load_judge as load_judge,
    load_model as load_model,
    save_pretrained as save_pretrained,
    shipped_models as shipped_models,
)
from .processes import (
    EDM as EDM,
    VE as VE,
    VP as VP,
    PowerVE as PowerVE,
    Process as Process,
    SubVP as SubVP,
)
from .runs import Run as Run
from .samplers import (
    DDIM as DDIM,
    MALA as MALA,
    AdaptiveODE as AdaptiveODE,
    Ancestral as Ancestral,
    AnnealedLangevin as AnnealedLangevin,
    DPMpp2M as DPMpp2M,
    Euler as Euler,
    EulerMaruyama as EulerMaruyama,
    Heun as Heun,
    Langevin as Langevin,
    LangevinCorrector as LangevinCorrector,
    PredictorCorrector as PredictorCorrector,
    ReverseDiffusion as ReverseDiffusion,
)
from .sampling import (
    Sampler as Sampler,
    Samples as Samples,
    Transition as Transition,
    sample as sample,
)
from .training import (
    Optimization as Optimization,
    StepRecord as StepRecord,
    TrainState as TrainState,
    fit as fit,
    train as train,
)
from .units import (
    Moments as Moments,
    Units as Units,
)

__version__: str
