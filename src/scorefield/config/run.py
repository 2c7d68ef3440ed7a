"""The configuration of a training run, whole."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    create_model,
    model_validator,
)
from torch import Tensor

from scorefield._noise import derive_seed, seeded
from scorefield.config import usual
from scorefield.config.base import Section, of_usual_kinds
from scorefield.config.data import DataConfig
from scorefield.config.guide import GuideConfig
from scorefield.config.kind import Kind
from scorefield.config.kinds import parameters
from scorefield.config.load import merge, validate
from scorefield.config.measure import measured
from scorefield.config.migrate import named
from scorefield.config.rooms import MODEL, NETWORK, OBJECTIVE, PROCESS, ModelKind
from scorefield.config.sampling import SamplingConfig
from scorefield.data import Dataset
from scorefield.errors import ConfigError
from scorefield.grids import ends
from scorefield.models import NoisyModel, ScoreModel
from scorefield.objectives import Objective
from scorefield.preconditioning import LadderNet
from scorefield.processes import VE
from scorefield.training import Optimization
from scorefield.training.parallel import Sharding, checked_device, pick_device

_OF_RUN = ("guide_step", "seed")  # settings of the optimisation that the run says elsewhere
_Minimise: Any = create_model(
    "_Minimise",
    __base__=Section,
    __doc__=Optimization.__doc__,
    **{name: (p.type, p.default) for name, p in parameters(Optimization).items() if name not in _OF_RUN},  # pyright: ignore[reportArgumentType, reportCallIssue]
)


class TrainConfig(_Minimise):
    """How to train (the fields of `scorefield.training.Optimization`), and how often to write metrics, checkpoints and pictures.

    Attributes:
        epochs: instead of ``steps``: how many times to go through the data.
        batch_size: examples per optimiser step.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:N" or "mps".
        sharding: what each of several processes holds: "none", a copy of everything; "full", a share of weights, gradients, moments and
            averages (FSDP), for networks too large for one device at 20 bytes a parameter.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints.
        sample_every: steps between two pictures of samples.
        keep: how many of the newest checkpoints stay on disk.
        decoder_steps: at the end, steps in which a network learns which 8-bit image is behind one that is denoised
            (`scorefield.likelihood.ByteDecoder.with_network`); 0 leaves that to counts.
    """

    epochs: PositiveFloat | None = None
    batch_size: PositiveInt = 128
    device: Annotated[str, AfterValidator(checked_device)] = "auto"
    sharding: Sharding = "none"
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    sample_every: PositiveInt = 2_000
    keep: PositiveInt = 3
    decoder_steps: NonNegativeInt = 0

    def build(self, seed: int, guide_step: int | None = None) -> Optimization:
        """Return the optimisation settings."""
        shared = {name: getattr(self, name) for name in parameters(Optimization) if name not in _OF_RUN}
        return Optimization(**shared, guide_step=guide_step, seed=seed)


def _run_name(name: str) -> str:
    """Return the name, if a folder can have it on every system."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(
            f"expected at most 100 letters, digits, points, dashes and underscores, a letter or digit first; received {name[:120]!r}"
        )
    return name


class RunConfig(Section):
    """Everything that decides a run. The same configuration and code give the same weights, bit for bit.

    Values in the form of earlier releases are read too (`scorefield.config.migrate`).

    Attributes:
        name: name of the run; its folder is runs/NAME.
        comment: anything you want to remember; it is stored with the run.
        seed: decides initial weights, order of examples and noise: the same seed gives the same run.
        pretrained: a trained model, by name or folder, whose weights training begins with; classes that it does not know begin alike.
        teacher: a trained model to learn from, by name or folder, for objectives that distil one.
    """

    name: Annotated[str, AfterValidator(_run_name)] = "run"
    comment: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataConfig = DataConfig()
    process: Annotated[Kind, PROCESS] = PROCESS.read("edm")
    network: Annotated[Kind, NETWORK] = NETWORK.read("unet")
    model: Annotated[ModelKind, MODEL] = MODEL.read("denoiser")  # pyright: ignore[reportAssignmentType]
    objective: Annotated[Kind, OBJECTIVE] = OBJECTIVE.read(usual.section("objective", "dsm"))
    train: TrainConfig = TrainConfig()
    sampling: SamplingConfig = SamplingConfig.model_validate({})
    guide: GuideConfig = GuideConfig()
    pretrained: str | None = None
    teacher: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: object) -> object:
        """Bring old forms into today's, and fill in a kind's usual settings where none are given."""
        if not isinstance(values, Mapping):
            return values
        values = merge({}, of_usual_kinds(cls, values))
        kinds = {noun: named(values.get(noun)).get("kind") for noun in ("objective", "model")}
        return merge({noun: usual.section(noun, kind) for noun, kind in kinds.items() if isinstance(kind, str)}, values)

    @model_validator(mode="wrap")
    @classmethod
    def _unnamed(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Remember whether a network was given by its settings alone: of which kind it is follows the data."""
        config = handler(values)
        section = values.get("network") if isinstance(values, Mapping) else None
        if isinstance(section, Mapping) and "kind" not in section:
            config.network.model_fields_set.discard("kind")
        return config

    def resolve(self, dataset: Dataset, before: "RunConfig | None" = None) -> "RunConfig":
        """Return the configuration with everything filled in that data and device decide.

        Steps of epochs, the model's units, the generator of noise, the names of a table's columns; and, where no network is named,
        `scorefield.MLP` for vectors.

        Args:
            dataset: what is learned.
            before: the configuration of the same run before it was resumed, whose measurements are kept.

        Raises:
            DataError: numbers that are all equal, so that there is nothing to learn.
            ConfigError: a process that does not reach beyond the data.
        """
        model = self.model
        if before is not None and before.model.kind == model.kind:
            kept = before.model.model_dump()
            told = (
                kept | model.model_dump(exclude_none=True) | {name: kept[name] for name in ("start",) if name in kept}
            )
        else:
            # A density that the objective compares with is in the data's units, and so has the model to.
            own = hasattr(self.objective, "density")
            told = measured(dataset, model.model_dump(), units=not own)
        train = self.train if before is None or self.train.generator else before.train
        known: dict[str, Any] = {"generator": train.build(self.seed).stream(pick_device(self.train.device))}
        if self.train.epochs is not None:
            known |= {"steps": math.ceil(self.train.epochs * len(dataset) / self.train.batch_size), "epochs": None}
        update: dict[str, Any] = {"model": MODEL.read(told), "train": self.train.model_copy(update=known)}
        if dataset.columns is not None:
            update["data"] = self.data.model_copy(update={"columns": dataset.columns})
        chosen = "network" in self.model_fields_set and "kind" in self.network.model_fields_set
        if not chosen and len(dataset.event) == 1:
            told = {"kind": "mlp"} | self.network.model_dump(exclude_unset=True, exclude={"kind"})
            update["network"] = validate(RunConfig, {"network": told}, "examples are vectors").network
        config = self.model_copy(update=update)
        config._check_reach()
        return config

    def kept(self, event: tuple[int, ...]) -> dict[str, Any]:
        """Return what a checkpoint keeps beside tensors: this configuration, the shape of an example, the seed."""
        return {"config": self.model_dump(mode="json"), "event": list(event), "seed": self.seed}

    def build_model(self, event: tuple[int, ...]) -> NoisyModel:
        """Return the model, freshly initialised as a function of the seed.

        Raises:
            ConfigError: parts that do not fit each other, or the data.
        """
        self._check_parts()
        process = self.process.build()
        sigma_1, sigma_L = ends(process)
        rungs = getattr(self.model, "levels", None)
        levels = rungs.build(sigma_1=sigma_1, sigma_L=sigma_L) if isinstance(rungs, Kind) else None
        image = self.data.on_grid(event)
        with seeded(derive_seed(self.seed, "init")):
            net = self.network.build(
                event=event,
                dim=torch.Size(event).numel(),
                channels=event[0] if image else None,
                size=tuple(event[1:]) if image else None,
                levels=None if levels is None else len(levels),
                sigmas=levels,
            )
        model = self.model.build(net=net, process=process, sigma_1=sigma_1, sigma_L=sigma_L)
        if isinstance(model, LadderNet) and not (isinstance(process, VE) and _ends_at(model.levels, sigma_1, sigma_L)):
            raise ConfigError(
                "model.kind=ladder is a ladder of a ve process: set process.kind=ve and its two sigmas to the levels' ends; "
                f"received {process}"
            )
        return self.model.placed(model)

    def build_objective(self, teacher: ScoreModel | None = None) -> Objective[Any]:
        """Return the objective.

        Args:
            teacher: the trained model that a distilling objective learns from.

        Raises:
            ConfigError: it trains on other levels than the model's ladder has, or needs something that the run does not provide.
        """
        sigma_1, sigma_L = ends(self.process.build())
        given = {"sigma_1": sigma_1, "sigma_L": sigma_L, "sigma_data": getattr(self.model, "sigma_data", None)}
        learns = "teacher" in self.objective.parameters
        if self.teacher is not None and not learns:
            raise ConfigError(
                f"teacher={self.teacher} belongs to objective.kind=distillation, {self.objective.kind} learns from data; leave one out"
            )
        if learns and self.objective.grid != self.sampling.grid:
            raise ConfigError(
                "objective.grid and sampling.grid are two grids; a distilled model draws along the one it learned, give both the same"
            )
        density = None if self.data.density is None else self.data.density.build()
        objective = self.objective.build(**given, density=density, teacher=teacher)
        mine, asked = (getattr(part, "levels", None) for part in (self.model, self.objective))
        if mine is not None and asked is not None:
            ladders = [part.build(**given).tolist() for part in (mine, asked)]
            if not _close(*ladders):
                raise ConfigError(
                    f"model.levels and objective.levels are two ladders, {_ladder(ladders[0])} and {_ladder(ladders[1])}; "
                    "give both the same"
                )
        return objective

    def _check_parts(self) -> None:
        parts = {"network": "noisy_classifier", "model": "classifier", "objective": "cross_entropy"}
        kinds = {part: getattr(self, part).kind for part in parts}
        if kinds != parts and set(kinds.values()) & set(parts.values()):
            raise ConfigError(f"a classifier is trained by {_named(parts)}, all three; received {_named(kinds)}")
        if kinds == parts and self.train.label_dropout > 0:
            raise ConfigError("train.label_dropout hides labels that a classifier should learn; set it to 0")

    def _check_reach(self) -> None:
        """Refuse a process whose largest noise does not drown the data."""
        reach, spread = ends(self.process.build())[0], getattr(self.model, "sigma_data", None)
        if spread is not None and reach < spread:
            raise ConfigError(
                f"process.kind={self.process.kind} ends at σ/α = {reach:.4g}, within the data's standard deviation {spread:.4g}: samples "
                "cannot start from noise; raise its largest noise, or leave model.sigma_data, location and scale out to have them measured"
            )


def _named(kinds: dict[str, str]) -> str:
    """Return kinds as a person would ask for them."""
    return ", ".join(f"{part}.kind={kind}" for part, kind in kinds.items())


def _ends_at(levels: Tensor, sigma_1: float, sigma_L: float) -> bool:
    """Return whether a ladder's ends are those of a process; a single level has to be at the lower end."""
    rungs = levels.tolist()
    return _close([rungs[0] if len(rungs) > 1 else sigma_1, rungs[-1]], [sigma_1, sigma_L])


def _close(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether numbers are the same but for rounding."""
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(a, b, strict=True))


def _ladder(levels: list[float]) -> str:
    """Return a ladder in words."""
    return f"{len(levels)} levels from {levels[0]:g} to {levels[-1]:g}"
