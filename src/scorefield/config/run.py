"""The configuration of a training run, whole."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from scorefield.config.base import Section
from scorefield.config.parts import (
    DenoiserConfig,
    DSMConfig,
    EDMConfig,
    LadderConfig,
    ModelConfig,
    MultiLevelDSMConfig,
    NetworkConfig,
    ObjectiveConfig,
    ProcessConfig,
    UNetConfig,
    VEConfig,
)
from scorefield.config.sampling import HeunConfig, SamplingConfig

if TYPE_CHECKING:
    from scorefield.data import Dataset
    from scorefield.models import NoisyModel, ScoreModel
    from scorefield.objectives import Objective
    from scorefield.training import Optimization

__all__ = ["DataConfig", "RunConfig", "TrainConfig"]


class DataConfig(Section):
    """What to learn: an embedded or downloaded data set, or a path of your own (a folder of images, .npy, .npz).

    ``keep`` makes it unbalanced: {3: 0.35} keeps 35 % of the threes (`scorefield.data.keep_share`).
    """

    kind: Literal["digits", "mnist", "fashion_mnist", "kmnist", "path"] = "mnist"
    path: str | None = None
    size: PositiveInt | None = None
    dir: str | None = None
    keep: dict[NonNegativeInt, Annotated[float, Field(ge=0, le=1)]] | None = None

    def load(self, *, train: bool = True) -> "Dataset":
        """Return the training set, or else the test set; a path of your own has one set, which is both."""
        from scorefield.data import keep_share

        dataset = self._whole(train)
        for label, share in sorted((self.keep or {}).items()):
            dataset = keep_share(dataset, label, share)
        return dataset

    def _whole(self, train: bool) -> "Dataset":
        """Return the set with all of its classes whole."""
        from pathlib import Path

        from scorefield import data
        from scorefield._errors import ConfigError

        if (self.kind == "path") != (self.path is not None):
            raise ConfigError("data.path goes with data.kind=path, and only with it; set both or neither")
        if self.path is not None:
            return data.from_path(Path(self.path), size=self.size)
        if self.kind == "digits":
            return data.digits(train=train)
        return {"mnist": data.mnist, "fashion_mnist": data.fashion_mnist, "kmnist": data.kmnist}[self.kind](
            train=train, data_dir=None if self.dir is None else Path(self.dir)
        )


class TrainConfig(Section):
    """How to minimise (`scorefield.Optimization`), and how often to look."""

    steps: PositiveInt = 20_000
    batch_size: PositiveInt = 128
    optimizer: Literal["adam", "muon"] = "adam"
    learning_rate: PositiveFloat = 2e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    warmup: NonNegativeInt = 200
    decay: Literal["cosine", "constant"] = "cosine"
    clip: PositiveFloat | None = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    label_dropout: Annotated[float, Field(ge=0, le=1)] = 0.1
    accumulate: PositiveInt = 1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    sample_every: PositiveInt = 2_000
    keep: PositiveInt = 3

    def build(self, seed: int, guide_step: int | None = None) -> "Optimization":
        """Return the optimisation settings."""
        from scorefield.training import Optimization

        shared = self.model_dump(
            exclude={"batch_size", "device", "log_every", "checkpoint_every", "sample_every", "keep"}
        )
        return Optimization(**shared, guide_step=guide_step, seed=seed)


class GuideConfig(Section):
    """`scorefield.AutoGuided`: the averaged weights of an early step guide the last, when samples are drawn, with this weight.

    ``interval`` bounds the noise-to-signal ratios at which they do; all, when absent.
    """

    step: PositiveInt | None = None
    weight: NonNegativeFloat = 1.0
    interval: tuple[NonNegativeFloat, PositiveFloat] | None = None

    @field_validator("interval")
    @classmethod
    def _ascends(cls, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        # Refused when it is read: the first to build it is the first picture, hours into a run.
        if interval is not None and not interval[0] < interval[1]:
            raise ValueError("the interval's ends must ascend, such as [0.2, 4.0]")
        return interval

    def build(self, model: "ScoreModel", weak: "ScoreModel") -> "ScoreModel":
        """Return the guided model."""
        from scorefield.guidance import AutoGuided

        return AutoGuided(model, weak, self.weight, *([] if self.interval is None else [self.interval]))


class RunConfig(Section):
    """Everything that decides a run. The same configuration and code give the same weights, bit for bit."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "run"
    comment: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataConfig = DataConfig()
    process: ProcessConfig = EDMConfig()
    network: NetworkConfig = UNetConfig()
    model: ModelConfig = DenoiserConfig()
    objective: ObjectiveConfig = DSMConfig()
    train: TrainConfig = TrainConfig()
    sampling: SamplingConfig = HeunConfig()
    guide: GuideConfig = GuideConfig()

    def resolve(self, dataset: "Dataset") -> "RunConfig":
        """Return the configuration with what depends on the data filled in: mean and standard deviation."""
        if not isinstance(self.model, DenoiserConfig):
            return self
        values = dataset.scaled()
        measured = {"mean_data": round(values.mean().item(), 4), "sigma_data": round(values.std().item(), 4)}
        given = self.model.model_dump(exclude_none=True)
        return self.model_copy(update={"model": DenoiserConfig(**{**measured, **given})})

    def build_model(self, event: tuple[int, ...]) -> "NoisyModel":
        """Return the model, freshly initialised as a function of the seed.

        Raises:
            ConfigError: a classifier's part in a score model, or the other way round.
        """
        import torch

        from scorefield._tensors import derive_seed

        self._check_parts()
        process = self.process.build()
        levels = self.model.ladder(process) if isinstance(self.model, LadderConfig) else None
        with torch.random.fork_rng(devices=[]):  # layers draw their initial weights from the global generator
            torch.manual_seed(derive_seed(self.seed, "init"))
            net = self.network.build(event, levels)
        return self.model.build(net, process)

    def build_objective(self) -> "Objective[Any]":
        """Return the objective.

        Raises:
            ConfigError: it trains on other levels than those a ladder has.
        """
        if isinstance(self.model, LadderConfig) and isinstance(self.objective, MultiLevelDSMConfig):
            self._check_levels(self.model, self.objective)
        sigma_data = self.model.sigma_data if isinstance(self.model, DenoiserConfig) else None
        return self.objective.build(sigma_data)

    def _check_parts(self) -> None:
        from scorefield._errors import ConfigError

        parts = {"network": "noisy_classifier", "model": "classifier", "objective": "cross_entropy"}
        kinds = {part: getattr(self, part).kind for part in parts}
        if kinds != parts and set(kinds.values()) & set(parts.values()):
            raise ConfigError(f"a classifier is trained by {_named(parts)}, all three; received {_named(kinds)}")
        if kinds == parts and self.train.label_dropout > 0:
            raise ConfigError("train.label_dropout hides labels that a classifier should learn; set it to 0")

    def _check_levels(self, model: LadderConfig, objective: MultiLevelDSMConfig) -> None:
        from scorefield._errors import ConfigError

        asked = (objective.sigma_1, objective.sigma_L, objective.levels)
        ends = (self.process.sigma_max, self.process.sigma_min) if isinstance(self.process, VEConfig) else ()
        if asked != (*ends, model.levels):
            raise ConfigError(
                f"the model's ladder is process.sigma_max, process.sigma_min and model.levels, {(*ends, model.levels)}, but the "
                f"objective's sigma_1, sigma_L and levels are {asked}; give both the same"
            )


def _named(kinds: dict[str, str]) -> str:
    """Return kinds as a person would ask for them."""
    return ", ".join(f"{part}.kind={kind}" for part, kind in kinds.items())
