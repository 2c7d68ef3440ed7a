"""Every kind that a configuration can name: the one place where the library's classes are listed by name."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield import densities as d
from scorefield import grids as g
from scorefield import networks as n
from scorefield import objectives as o
from scorefield import processes as p
from scorefield import samplers as s
from scorefield.classifier import Classifier
from scorefield.config.kind import Itself, Kind
from scorefield.config.kinds import Room, kinds
from scorefield.config.signature import Numbers
from scorefield.energy import Energy
from scorefield.models import NoisyModel
from scorefield.objectives.times import TimeLaw
from scorefield.objectives.weights import EDMWeight, MinSNRWeight, Weight
from scorefield.preconditioning import DataNet, Denoiser, FlowNet, LadderNet, NoiseNet, ScoreNet, VelocityNet
from scorefield.sampling import Sampler
from scorefield.units import Units


class ModelKind(Kind):
    """A model and the units of its data.

    Attributes:
        location: m in x = m + s · y, where x is the data and y what the network sees: one number, or one per column; measured where absent.
        scale: s in x = m + s · y, likewise.
        ends: the values that are black and white in pictures; measured where absent.
    """

    location: Numbers | None = None
    scale: Numbers | None = None
    ends: tuple[float, float] | None = None

    def placed(self, model: NoisyModel) -> NoisyModel:
        """Return the model in the units of its data."""
        values = 0.0 if self.location is None else self.location, 1.0 if self.scale is None else self.scale
        if values == (0.0, 1.0) and self.ends is None:
            return model
        return model.in_units(Units(*(torch.tensor(value, dtype=torch.float64) for value in values), ends=self.ends))


def _levels(value: object) -> object:
    """Return what a number of levels, or the levels themselves, stand for."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"kind": "geometric", "levels": value}
    if isinstance(value, list):
        return {"kind": "listed", "levels": value}
    return {"kind": value} if isinstance(value, str) else value


def listed(levels: Tensor) -> Float[Tensor, " L"]:
    """Return the levels given, one by one.

    Args:
        levels: noise levels σ, the largest first.
    """
    return levels


PROCESS = kinds(
    Room("process", p.Process),
    ve=p.VE,
    edm=p.EDM,
    vp=p.VP,
    subvp=p.SubVP,
    power_ve=p.PowerVE,
    ddpm=p.DDPM,
    rectified_flow=p.RectifiedFlow,
)

_ENDS = "needs the process's largest and smallest σ/α; state it"
LEVELS = kinds(
    Room("levels", open={"sigma_1": _ENDS, "sigma_L": _ENDS}, short=_levels),
    geometric=g.geometric,
    linear=g.linear,
    cosine=g.cosine,
    sigmoid=g.sigmoid,
    listed=listed,
)
TIMES = kinds(Room("times", TimeLaw), uniform=o.UniformTime, lognormal=o.LogNormal, one_level=o.OneLevel)
WEIGHT = kinds(
    Room("weight", Weight, open={"sigma_data": "needs the sigma_data of model.kind=denoiser; state it, or use sigma"}),
    sigma=Itself(o.sigma_weight),
    edm=EDMWeight,
    min_snr=MinSNRWeight,
    unit=Itself(o.unit_weight),
    likelihood=Itself(o.likelihood_weight),
)
DENSITY = Room("density", d.Density)
kinds(
    DENSITY,
    gaussian=d.Gaussian,
    mixture=d.GaussianMixture,
    mixture_ring=d.GaussianMixture.ring,
    mixture_grid=d.GaussianMixture.grid,
    song2019=d.GaussianMixture.song2019,
    ring=d.Ring,
    banana=d.Banana,
    funnel=d.Funnel,
    moons=d.TwoMoons,
    checkerboard=d.Checkerboard,
    empirical=d.Empirical,
    product=d.Product,
    similarity=d.Similarity,
)
GRID = kinds(
    Room(
        "grid",
        g.Grid,
        open={
            "t": "needs a time at which to stay",
            "ratios": "has no ratios σ/α yet: training fits them at its end; state them",
        },
    ),
    karras=g.Karras,
    log_snr=g.LogSNR,
    fitted=g.Fitted,
    uniform=g.Uniform,
    ladder=g.Ladder,
    constant=g.Constant,
)
SAMPLER = Room("sampler", Sampler)
kinds(
    SAMPLER,
    heun=s.Heun,
    euler=s.Euler,
    dpmpp2m=s.DPMpp2M,
    multistep=s.Multistep,
    ddim=s.DDIM,
    ode=s.AdaptiveODE,
    sde=s.AdaptiveSDE,
    em=s.EulerMaruyama,
    reverse_diffusion=s.ReverseDiffusion,
    ancestral=s.Ancestral,
    pc=s.PredictorCorrector,
    langevin=s.Langevin,
    langevin_corrector=s.LangevinCorrector,
    mala=s.MALA,
    ald=s.AnnealedLangevin,
)
OBJECTIVE = kinds(
    Room(
        "objective",
        given={"teacher": "learns from a trained model; name it: teacher=mnist"},
        open={"density": "needs a density to compare with; state it, or train on data.kind=density"},
    ),
    dsm=o.DSM,
    multilevel_dsm=o.MultiLevelDSM,
    dae=o.DAE,
    ssm=o.SSM,
    ssmvr=o.SSMVR,
    implicit=o.ImplicitSM,
    fdssm=o.FiniteDifferenceSSM,
    fisher=o.FisherDivergence,
    cross_entropy=o.CrossEntropy,
    distillation=o.Distillation,
)

_IMAGES = (
    "needs images, series or volumes with channels, such as (1, 28, 28) or (1, 256); the data has {event}; "
    "use mlp, or say where the channels are: data.channels=first, last or none"
)
_INDEX = "needs the index of a noise level; use model.kind=ladder"
NETWORK = kinds(
    Room(
        "network",
        nn.Module,
        given={
            "channels": _IMAGES,
            "size": _IMAGES,
            "levels": _INDEX,
            "sigmas": _INDEX,
            "dim": "needs the number of coordinates of an event",
            "event": "needs the shape of an event",
        },
    ),
    unet=n.UNet,
    mlp=n.MLP,
    cond_refinenet=n.CondRefineNet,
    ncsnv2=n.NCSNv2Net,
    ncsnpp=n.NCSNpp,
    adm=n.ADM,
    unet2d=n.UNet2D,
    noisy_classifier=n.NoisyClassifier,
)
_MEASURE = "needs it measured: resolve(dataset) the configuration first, or state it"
MODEL = kinds(
    Room(
        "model",
        NoisyModel,
        given={"net": "needs a network", "process": "needs a process"},
        open={"sigma_data": _MEASURE, "mean_data": _MEASURE},
        base=ModelKind,
    ),
    denoiser=Denoiser,
    noise=NoiseNet,
    score=ScoreNet,
    velocity=VelocityNet,
    data=DataNet,
    flow=FlowNet,
    ladder=LadderNet,
    energy=Energy,
    classifier=Classifier,
)

ROOMS: Mapping[str, Room] = {
    room.noun: room for room in (PROCESS, NETWORK, MODEL, OBJECTIVE, SAMPLER, GRID, TIMES, WEIGHT, LEVELS, DENSITY)
}
