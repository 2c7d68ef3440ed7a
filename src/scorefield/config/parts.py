"""Sections that describe the mathematics: process, network, model, objective. A ``kind`` picks one of each."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from scorefield.config.base import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scorefield.classifier import Classifier
    from scorefield.models import NoisyModel, ScoreModel
    from scorefield.objectives import Objective
    from scorefield.processes import Process

__all__ = ["ModelConfig", "NetworkConfig", "ObjectiveConfig", "ProcessConfig"]


class VEConfig(Section):
    """`scorefield.VE`."""

    kind: Literal["ve"] = "ve"
    sigma_min: PositiveFloat = 0.01
    sigma_max: PositiveFloat = 50.0

    def build(self) -> "Process":
        """Return the process."""
        from scorefield.processes import VE

        return VE(self.sigma_min, self.sigma_max)


class EDMConfig(Section):
    """`scorefield.EDM`."""

    kind: Literal["edm"] = "edm"
    sigma_min: PositiveFloat = 0.002
    sigma_max: PositiveFloat = 80.0

    def build(self) -> "Process":
        """Return the process."""
        from scorefield.processes import EDM

        return EDM(self.sigma_min, self.sigma_max)


class VPConfig(Section):
    """`scorefield.VP` or `scorefield.SubVP`."""

    kind: Literal["vp", "subvp"] = "vp"
    beta_min: PositiveFloat = 0.1
    beta_max: PositiveFloat = 20.0

    def build(self) -> "Process":
        """Return the process."""
        from scorefield.processes import VP, SubVP

        return (VP if self.kind == "vp" else SubVP)(self.beta_min, self.beta_max)


class PowerVEConfig(Section):
    """`scorefield.PowerVE`."""

    kind: Literal["power_ve"] = "power_ve"
    base: Annotated[float, Field(gt=1)] = 25.0

    def build(self) -> "Process":
        """Return the process."""
        from scorefield.processes import PowerVE

        return PowerVE(self.base)


ProcessConfig = Annotated[VEConfig | EDMConfig | VPConfig | PowerVEConfig, Field(discriminator="kind")]


class UNetConfig(Section):
    """`scorefield.UNet`; channels and size come from the data."""

    kind: Literal["unet"] = "unet"
    width: Annotated[int, Field(ge=4, le=4096)] = 128
    depth: PositiveInt = 2
    finest: NonNegativeInt = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    classes: Annotated[int, Field(ge=2, le=100_000)] | None = None

    def build(self, event: tuple[int, ...], levels: "Tensor | None") -> "nn.Module":
        """Return the network for images of shape ``event``, conditioned on the index of a level where there are ``levels``."""
        from scorefield.networks import UNet

        channels, height, width = _image(event, self.kind)
        count = None if levels is None else len(levels)
        shared = self.model_dump(exclude={"kind"})
        return UNet(channels, (height, width), levels=count, **shared)


class RefineNetConfig(Section):
    """`scorefield.CondRefineNet` or `scorefield.NCSNv2Net`; channels come from the data, levels from model.kind=ladder."""

    kind: Literal["cond_refinenet", "ncsnv2"]
    ngf: Annotated[int, Field(ge=1, le=4096)] = 64

    def build(self, event: tuple[int, ...], levels: "Tensor | None") -> "nn.Module":
        """Return the network for images of shape ``event`` on the ladder ``levels``."""
        from scorefield._errors import ConfigError
        from scorefield.networks import CondRefineNet, NCSNv2Net

        channels, height, width = _image(event, self.kind)
        if levels is None:
            raise ConfigError(f"network.kind={self.kind} is told the index of a noise level; use model.kind=ladder")
        if height % 2 or width % 2:
            raise ConfigError(f"network.kind={self.kind} halves images of even sides; the data has {event}; use unet")
        if self.kind == "ncsnv2":
            return NCSNv2Net(channels, levels, self.ngf)
        return CondRefineNet(channels, len(levels), self.ngf)


class MLPConfig(Section):
    """`scorefield.MLP`; the event is flattened by its single dimension."""

    kind: Literal["mlp"] = "mlp"
    width: PositiveInt = 128
    depth: PositiveInt = 3

    def build(self, event: tuple[int, ...], levels: "Tensor | None") -> "nn.Module":
        """Return the network for vectors of shape ``event``; an index of ``levels`` is a number like any other."""
        from scorefield._errors import ConfigError
        from scorefield.networks import MLP

        if len(event) != 1:
            raise ConfigError(
                f"network.kind=mlp needs vectors of shape (dim,); the data has events of shape {event}; use unet"
            )
        return MLP(event[0], self.width, self.depth)


class ClassifierNetworkConfig(Section):
    """`scorefield.NoisyClassifier`; channels and size come from the data."""

    kind: Literal["noisy_classifier"]
    classes: Annotated[int, Field(ge=2, le=100_000)] = 10
    width: Annotated[int, Field(ge=4, le=4096)] = 128
    depth: PositiveInt = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def build(self, event: tuple[int, ...], levels: "Tensor | None") -> "nn.Module":
        """Return the network for images of shape ``event``."""
        from scorefield.networks import NoisyClassifier

        channels, height, width = _image(event, self.kind)
        return NoisyClassifier(channels, (height, width), **self.model_dump(exclude={"kind"}))


NetworkConfig = Annotated[
    UNetConfig | MLPConfig | RefineNetConfig | ClassifierNetworkConfig, Field(discriminator="kind")
]


def _image(event: tuple[int, ...], kind: str) -> tuple[int, int, int]:
    """Return (channels, height, width), or refuse data that is not images."""
    from scorefield._errors import ConfigError

    if len(event) != 3:
        raise ConfigError(
            f"network.kind={kind} needs images of shape (channels, height, width); the data has {event}; use mlp"
        )
    return event


class DenoiserConfig(Section):
    """`scorefield.Denoiser` or `scorefield.Classifier`; mean and standard deviation of the data are measured unless given."""

    kind: Literal["denoiser", "classifier"] = "denoiser"
    sigma_data: PositiveFloat | None = None
    mean_data: float | None = None

    def build(self, net: "nn.Module", process: "Process") -> "NoisyModel":
        """Return the model."""
        from scorefield.classifier import Classifier
        from scorefield.preconditioning import Denoiser

        if self.sigma_data is None or self.mean_data is None:
            raise ValueError("sigma_data and mean_data are not resolved; measure them on the data first")
        return (Denoiser if self.kind == "denoiser" else Classifier)(net, process, self.sigma_data, self.mean_data)


class NetConfig(Section):
    """`scorefield.NoiseNet` or `scorefield.ScoreNet`."""

    kind: Literal["noise", "score"]

    def build(self, net: "nn.Module", process: "Process") -> "ScoreModel":
        """Return the model."""
        from scorefield.preconditioning import NoiseNet, ScoreNet

        return (NoiseNet if self.kind == "noise" else ScoreNet)(net, process)


class LadderConfig(Section):
    """`scorefield.LadderNet`: ``levels`` noise levels, geometric from the process's sigma_max to its sigma_min."""

    kind: Literal["ladder"]
    levels: Annotated[int, Field(ge=2, le=10_000)] = 10

    def ladder(self, process: "Process") -> "Tensor":
        """Return the levels."""
        from scorefield._errors import ConfigError
        from scorefield.grids import geometric
        from scorefield.processes import VE

        if not isinstance(process, VE):
            raise ConfigError("model.kind=ladder is a ladder of a ve process; set process.kind=ve and its two sigmas")
        return geometric(process.sigma_max, process.sigma_min, self.levels)

    def build(self, net: "nn.Module", process: "Process") -> "ScoreModel":
        """Return the model."""
        from scorefield.preconditioning import LadderNet

        return LadderNet(net, self.ladder(process))


ModelConfig = Annotated[DenoiserConfig | NetConfig | LadderConfig, Field(discriminator="kind")]


class DSMConfig(Section):
    """`scorefield.DSM`: the law of noise levels and their weight."""

    kind: Literal["dsm"] = "dsm"
    times: Literal["uniform", "lognormal"] = "lognormal"
    mean: float = -1.2
    std: PositiveFloat = 1.2
    weight: Literal["sigma", "edm", "min_snr"] = "edm"

    def build(self, sigma_data: float | None) -> "Objective[ScoreModel]":
        """Return the objective."""
        from scorefield._errors import ConfigError
        from scorefield.objectives import DSM, LogNormal, UniformTime, edm_weight, min_snr_weight, sigma_weight

        times = UniformTime() if self.times == "uniform" else LogNormal(self.mean, self.std)
        if self.weight == "sigma":
            return DSM(times, sigma_weight)
        if sigma_data is None:
            raise ConfigError(
                f"objective.weight={self.weight} needs the sigma_data of model.kind=denoiser; use weight=sigma"
            )
        return DSM(times, {"edm": edm_weight, "min_snr": min_snr_weight}[self.weight](sigma_data))


class CrossEntropyConfig(Section):
    """`scorefield.CrossEntropy`: the law of noise levels."""

    kind: Literal["cross_entropy"]
    times: Literal["uniform", "lognormal"] = "lognormal"
    mean: float = -0.7
    std: PositiveFloat = 1.2

    def build(self, sigma_data: float | None) -> "Objective[Classifier]":
        """Return the objective."""
        from scorefield.objectives import CrossEntropy, LogNormal, UniformTime

        return CrossEntropy(UniformTime() if self.times == "uniform" else LogNormal(self.mean, self.std))


class MultiLevelDSMConfig(Section):
    """`scorefield.MultiLevelDSM` on a geometric ladder."""

    kind: Literal["multilevel_dsm"] = "multilevel_dsm"
    sigma_1: PositiveFloat = 1.0
    sigma_L: PositiveFloat = 0.01
    levels: Annotated[int, Field(ge=2, le=10_000)] = 10
    anneal_power: float = 2.0

    def build(self, sigma_data: float | None) -> "Objective[ScoreModel]":
        """Return the objective."""
        from scorefield.grids import geometric
        from scorefield.objectives import MultiLevelDSM

        return MultiLevelDSM(geometric(self.sigma_1, self.sigma_L, self.levels), self.anneal_power)


ObjectiveConfig = Annotated[DSMConfig | MultiLevelDSMConfig | CrossEntropyConfig, Field(discriminator="kind")]
