"""What training changes: weights, their moving average, the optimiser's moments, the step. Nothing else, so a checkpoint is all of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedParameter
from torch.optim.swa_utils import AveragedModel

from scorefield._checks import require_fit
from scorefield._tensors import home, require_numbers
from scorefield.errors import CheckpointError, ConfigError
from scorefield.models import NoisyModel
from scorefield.training.muon import ADAM, KERNEL, Muon, is_kernel
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import Parallel
from scorefield.training.posthoc import Weights, group, updated
from scorefield.training.sharding import full, gathered, in_shares, shared_as


@dataclass
class TrainState:
    """The mutable state of a run.

    Attributes:
        model: the model being trained.
        average: its exponential moving average; ``average.module`` is the model to sample with.
        optimizer: Adam or Muon, with its moments.
        step: optimiser steps taken.
        guide: averaged weights of an early step, once there are any.
        averages: more averages by their length, kept from the first step on; see `scorefield.training.posthoc`.
        ema_decay: d, the most that ``average`` keeps of itself at a step.
    """

    model: NoisyModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    guide: dict[str, Tensor] | None = None
    averages: dict[float, Weights | None] = field(default_factory=dict[float, Weights | None])
    ema_decay: float = 0.999

    @classmethod
    def create(cls, model: NoisyModel, settings: Optimization, parallel: Parallel | None = None) -> "TrainState":
        """Return the state before the first step.

        Args:
            model: to be trained; the same in every process.
            settings: of the training.
            parallel: the processes, which place the model; it stays where it is when absent.

        Raises:
            ConfigError: a model with nothing to train, such as an exact one, with weights of half precision, on the device meta, or that
                cannot be copied.
        """
        require_numbers(model)
        if any(isinstance(p, UninitializedParameter) for p in model.parameters()):
            raise ConfigError(
                "the network has lazy layers of unknown size: call it once, net(x, noise), before it is trained"
            )
        if any(p.is_inference() for p in model.parameters()):
            raise ConfigError("the model was made in inference mode, whose weights take no gradients: make it outside")
        if not any(p.requires_grad for p in model.parameters()):
            raise ConfigError(
                f"{type(model).__name__} has no trainable parameters; train a Denoiser, ScoreNet, NoiseNet or LadderNet"
            )
        narrow = next(
            (p.dtype for p in model.parameters() if p.requires_grad and p.is_floating_point() and p.itemsize < 4), None
        )
        if narrow is not None:
            raise ConfigError(
                f"the weights are {narrow}, which rounds away steps and what an average takes of them; train model.float(), of which "
                "precision bf16 computes in bfloat16 and rounds no weight"
            )
        try:
            average = AveragedModel(model).eval()
        except RuntimeError as error:
            raise ConfigError(
                f"the network cannot be copied, and training averages a copy ({str(error).partition('.')[0]}): keep no computed "
                "tensors in its modules; torch.nn.utils.parametrizations.weight_norm takes the place of weight_norm"
            ) from error
        if parallel is not None:
            parallel.place(model)
            parallel.place(average.module)
        parameters = [p for p in model.parameters() if p.requires_grad]
        build = {"adam": partial(torch.optim.Adam, fused=not any(p.is_complex() for p in parameters)), "muon": Muon}[
            settings.optimizer
        ]
        optimizer = build(parameters, lr=settings.learning_rate, betas=settings.betas)
        return cls(model, average, optimizer, averages=dict.fromkeys(settings.averages), ema_decay=settings.ema_decay)

    @property
    def ema(self) -> NoisyModel:
        """The averaged model, the one to sample with."""
        module = self.average.module
        assert isinstance(module, NoisyModel)  # noqa: S101 for the type checker: it is a copy of ``model``
        return module

    @property
    def sharded(self) -> bool:
        """Whether each process holds a share of the tensors: what concerns them whole, all processes do together."""
        return any(map(in_shares, self.model.parameters()))

    @torch.no_grad()
    def average_in(self) -> None:
        """Update every average with the current weights, after ``step`` steps.

        At the n-th time, from 0, θ̄ ← m θ̄ + (1 − m) θ with m = min(d, (1 + n)/(10 + n)) (Song et al. 2021, code), and m = 0 at first. So
        without `AveragedModel.update_parameters`, which sends its counter to the GPU, and waits for it.
        """
        n = int(self.average.n_averaged)
        keep = min(self.ema_decay, (1 + n) / (10 + n)) if n else 0.0
        averaged, current = tuple(self.ema.parameters()), tuple(self.model.parameters())
        torch._foreach_lerp_(averaged, current, 1 - keep)  # pyright: ignore[reportPrivateImportUsage]
        for mine, theirs in zip(self.ema.buffers(), self.model.buffers(), strict=True):
            mine.copy_(theirs)
        self.average.n_averaged += 1
        for length, weights in self.averages.items():
            self.averages[length] = updated(weights, self.model.state_dict(), self.step, length)

    def keep_guide(self) -> None:
        """Keep a copy of the averaged weights."""
        self.guide = {name: value.clone() for name, value in self.ema.state_dict().items()}

    def tensors(self) -> dict[str, Weights]:
        """Return every tensor of the state, in shares where it is sharded, grouped as a checkpoint stores them."""
        moments = {
            f"{index}.{name}": value
            for index, entries in self.optimizer.state_dict()["state"].items()
            for name, value in entries.items()
        }
        groups: dict[str, Weights] = {"model": self.model.state_dict(), "ema": self.ema.state_dict(), "optim": moments}
        groups |= {group(length): weights for length, weights in self.averages.items() if weights is not None}
        return groups if self.guide is None else groups | {"guide": self.guide}

    def gathered(self, *, keep: bool = True, copy: bool = False) -> dict[str, Weights]:
        """Return `tensors`, whole; arguments are those of `scorefield.training.sharding.gathered`."""
        return {group: gathered(weights, keep=keep, copy=copy) for group, weights in self.tensors().items()}

    def not_finite(self) -> str | None:
        """Return the name of a tensor of the state that holds NaN or infinity, such as model.net.weight, or None."""
        # In one order everywhere.
        groups = ((group, sorted(tensors.items())) for group, tensors in self.tensors().items())
        named = {f"{group}.{name}": x for group, tensors in groups for name, x in tensors}
        finite = torch.stack([full(x.isfinite().all()).to(home(self.model)) for x in named.values()])
        return next((name for name, good in zip(named, finite.tolist(), strict=True) if not good), None)

    def restore(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Replace step and tensors by a checkpoint's.

        Raises:
            CheckpointError: a checkpoint of another model.
        """
        own, like = self.model.state_dict(), self._moments(tensors.get("optim", {}))
        also = [name for name in ("guide", *map(group, self.averages)) if name in tensors]
        for name, expected in {**dict.fromkeys(("model", "ema", *also), own), "optim": like}.items():
            if name not in tensors:
                raise CheckpointError(f"the checkpoint has no {name}.safetensors, without which training cannot go on")
            require_fit(expected, tensors[name], f"{name}.safetensors")
        load_weights(self.model, tensors["model"])
        load_weights(self.ema, tensors["ema"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors["optim"].items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = shared_as(value, like[key])
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.guide = dict(tensors["guide"]) if "guide" in tensors else None
        self.averages = {
            length: {name: shared_as(value, own[name]) for name, value in tensors[group(length)].items()}
            if group(length) in tensors
            else None
            for length in self.averages
        }
        self.average.n_averaged.fill_(step)
        self.step = step

    def _moments(self, stored: Iterable[str]) -> dict[str, Tensor]:
        """Return tensors of the names and shapes that the optimiser's have, of the parameters of which any are stored."""
        # A parameter that takes no part in the loss has none.
        known = {key.partition(".")[0] for key in stored}
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        return {
            f"{index}.{name}": torch.empty(()) if name == "step" else p
            for index, p in enumerate(parameters)
            if str(index) in known
            for name in (KERNEL if isinstance(self.optimizer, Muon) and is_kernel(p) else ADAM)
        }


def load_weights(model: NoisyModel, weights: Mapping[str, Tensor], what: str = "the weights") -> None:
    """Load ``weights``, called ``what`` in errors, into ``model``, refusing names, shapes or kinds of number that differ.

    Raises:
        CheckpointError: naming the first few differences.
    """
    own = model.state_dict()
    require_fit(own, weights, what)
    model.load_state_dict({name: shared_as(weights[name], value) for name, value in own.items()})


def start_from(model: NoisyModel, weights: Mapping[str, Tensor], what: str) -> None:
    """Load the weights of a former model; labels that it did not know start at zero: the same is drawn whatever the label.

    Errors are those of `load_weights`.
    """
    own = model.state_dict()
    new = {name: torch.zeros_like(own[name]) for name in own.keys() - weights if name.endswith("label.weight")}
    load_weights(model, {**weights, **new}, what)
