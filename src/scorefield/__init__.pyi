"""The names most people need: each is written here once, for type checkers, and imported when it is first used. More are in the rooms."""

from .errors import ScorefieldError as ScorefieldError
from ._noise import Noise as Noise
from .classifier import Classifier as Classifier
from .config import (
    RunConfig as RunConfig,
    register as register,
)
from .densities import (
    Banana as Banana,
    Density as Density,
    Empirical as Empirical,
    Gaussian as Gaussian,
    GaussianMixture as GaussianMixture,
    Ring as Ring,
    TwoMoons as TwoMoons,
)
from .energy import Energy as Energy
from .grids import (
    Constant as Constant,
    Grid as Grid,
    Karras as Karras,
    Ladder as Ladder,
    LogSNR as LogSNR,
    Uniform as Uniform,
    geometric as geometric,
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
    Mask as Mask,
    Particles as Particles,
    PiGDM as PiGDM,
    RePaint as RePaint,
    TwistedDiffusion as TwistedDiffusion,
)
from .likelihood import (
    bits_per_dim as bits_per_dim,
    decode as decode,
    encode as encode,
    log_likelihood as log_likelihood,
)
from .loaded import LoadedModel as LoadedModel
from .metrics import (
    Judge as Judge,
    Trace as Trace,
    c2st as c2st,
    energy_distance as energy_distance,
    evaluate as evaluate,
    fisher_divergence as fisher_divergence,
    mmd as mmd,
    mode_weights as mode_weights,
    sliced_wasserstein as sliced_wasserstein,
)
from .models import (
    Exact as Exact,
    FromScore as FromScore,
    ScoreModel as ScoreModel,
)
from .networks import (
    MLP as MLP,
    UNet as UNet,
)
from .objectives import (
    DAE as DAE,
    DSM as DSM,
    SSM as SSM,
    SSMVR as SSMVR,
    CrossEntropy as CrossEntropy,
    LogNormal as LogNormal,
    MultiLevelDSM as MultiLevelDSM,
    edm_weight as edm_weight,
)
from .preconditioning import (
    Denoiser as Denoiser,
    LadderNet as LadderNet,
    NoiseNet as NoiseNet,
    ScoreNet as ScoreNet,
)
from .pretrained import (
    from_pretrained as from_pretrained,
    load_model as load_model,
    save as save,
)
from .processes import (
    EDM as EDM,
    VE as VE,
    VP as VP,
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
    sample as sample,
)
from .training import fit as fit
from .units import Units as Units

__version__: str
