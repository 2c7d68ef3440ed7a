"""What training changes: weights, their moving average, the optimiser's moments, the step. Nothing else, so a checkpoint is all of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from scorefield.errors import CheckpointError, ConfigError
from scorefield.models import NoisyModel
from scorefield.training.muon import Muon
from scorefield.training.optimization import Optimization
from scorefield.training.posthoc import Weights, group, grouped, updated

__all__ = ["TrainState"]


@dataclass
class TrainState:
    """The mutable state of a run.

    Attributes:
        model: the model being trained.
        average: its exponential moving average; ``average.module`` is the model to sample with.
        optimizer: Adam or Muon, with its moments.
        step: optimiser steps taken.
        guide: averaged weights of an early step, once there are any.
        averages: by their length, from the first step on; see `scorefield.training.posthoc`.
    """

    model: NoisyModel
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    guide: dict[str, Tensor] | None = None
    averages: dict[float, Weights | None] = field(default_factory=dict[float, Weights | None])

    @classmethod
    def create(cls, model: NoisyModel, settings: Optimization) -> "TrainState":
        """Return the state before the first step.

        Raises:
            ConfigError: a model with nothing to train, such as an exact one.
        """
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not parameters:
            raise ConfigError(
                f"{type(model).__name__} has no trainable parameters; train a Denoiser, ScoreNet, NoiseNet or LadderNet"
            )
        # Its counter stays on the CPU: to read one on a GPU would be to wait for it, at every step.
        average = AveragedModel(model, multi_avg_fn=_ema(settings.ema_decay, lambda: int(average.n_averaged)))
        average.eval()
        build = {"adam": partial(torch.optim.Adam, fused=True), "muon": Muon}[settings.optimizer]
        optimizer = build(parameters, lr=settings.learning_rate, betas=settings.betas)
        return cls(model, average, optimizer, averages=dict.fromkeys(settings.averages))

    @property
    def ema(self) -> NoisyModel:
        """The averaged model, the one to sample with."""
        module = self.average.module
        assert isinstance(module, NoisyModel)  # noqa: S101 for the type checker: it is a copy of ``model``
        return module

    def average_in(self) -> None:
        """Bring every average to the weights of now, after ``step`` steps."""
        self.average.update_parameters(self.model)
        for length, weights in self.averages.items():
            self.averages[length] = updated(weights, self.model.state_dict(), self.step, length)

    def keep_guide(self) -> None:
        """Keep the averaged weights of now."""
        self.guide = {name: value.clone() for name, value in self.ema.state_dict().items()}

    def tensors(self) -> dict[str, Weights]:
        """Return every tensor of the state, grouped as a checkpoint stores them."""
        moments = {
            f"{index}.{name}": value
            for index, entries in self.optimizer.state_dict()["state"].items()
            for name, value in entries.items()
        }
        groups: dict[str, Weights] = {"model": self.model.state_dict(), "ema": self.ema.state_dict(), "optim": moments}
        groups |= {group(length): weights for length, weights in self.averages.items() if weights is not None}
        return groups if self.guide is None else groups | {"guide": self.guide}

    def not_finite(self) -> str | None:
        """Return the name of a tensor of the state that holds NaN or infinity, such as model.net.weight, or None."""
        named = ((f"{group}.{name}", x) for group, tensors in self.tensors().items() for name, x in tensors.items())
        return next((name for name, x in named if not x.isfinite().all()), None)

    def restore(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Put a checkpoint's step and tensors in place of these.

        Raises:
            CheckpointError: a checkpoint of another model.
        """
        load_weights(self.model, tensors["model"])
        load_weights(self.ema, tensors["ema"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors["optim"].items():
            index, name = key.split(".", 1)
            moments.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.guide = dict(tensors["guide"]) if "guide" in tensors else None
        stored = grouped(tensors)
        home = next(self.model.parameters()).device
        self.averages = {
            length: {name: value.to(home) for name, value in stored[length].items()} if length in stored else None
            for length in self.averages
        }
        self.average.n_averaged.fill_(step)
        self.step = step


def load_weights(model: NoisyModel, weights: Mapping[str, Tensor]) -> None:
    """Load ``weights`` into ``model``, refusing names or shapes that differ.

    Raises:
        CheckpointError: naming the first few differences.
    """
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in weights]
    wrong += [f"{name} is unknown" for name in weights if name not in own]
    wrong += [
        f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(value.shape)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(
            f"the weights do not fit the model: {'; '.join(wrong[:3])}{more}. Use the config they were trained with."
        )
    model.load_state_dict(dict(weights))


def _ema(decay: float, averaged_before: Callable[[], int]):  # noqa: ANN202 the signature torch asks for
    """Return the update θ̄ ← m θ̄ + (1 − m) θ with m = min(decay, (1 + n)/(10 + n)) at the n-th (Song et al. 2021, code)."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], _: Tensor | int) -> None:
        n = averaged_before()
        weight = 1 - min(decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(list(averaged), list(current), weight)  # pyright: ignore[reportPrivateImportUsage]

    return update
