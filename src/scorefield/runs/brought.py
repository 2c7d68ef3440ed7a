"""What the readers of other projects' files have in common: what they find, and the configuration and tensors of a run made of it."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scorefield.config import RunConfig, merge, validate
from scorefield.errors import ConfigError
from scorefield.interop import Weights
from scorefield.preconditioning import Networked
from scorefield.training import load_weights

NET = "net."  # where a model keeps its network
_SIZE = {1: 28, 3: 32}  # MNIST's and CIFAR-10's


@dataclass(frozen=True, eq=False)
class Brought:
    """A run made of a file of another project: what was found there, and what was assumed.

    Attributes:
        config: of the run.
        event: the shape of an image.
        step: optimiser steps taken.
        tensors: the groups of a checkpoint.
        network: in words.
        averaged: whether the weights to sample with are an average.
        kept: whether training can go on with the file's optimiser.
        size: height and width of the images, where they were assumed.
        ends: largest and smallest noise level, where they were assumed.
        licence: of the weights, where all of that project have one.
    """

    config: RunConfig
    event: tuple[int, ...]
    step: int
    tensors: dict[str, dict[str, Tensor]]
    network: str
    averaged: bool = True
    kept: bool = True
    size: int | None = None
    ends: tuple[float, float] | None = None
    licence: str | None = None


def completed(known: dict[str, Any], given: dict[str, Any], source: str) -> RunConfig:
    """Return the run's configuration: what the user gave, over what the file says."""
    values = merge(RunConfig().model_dump(mode="json"), {"name": "converted", **known})
    return validate(RunConfig, merge(values, given), source)


def sized(asked: int | None, channels: int) -> int:
    """Return the height and width of the images."""
    size = _SIZE.get(channels) if asked is None else asked
    if size is None or size < 2:
        raise ConfigError(
            f"size: expected the height and width of the images, of {channels} channel(s), at least 2; received {asked}"
        )
    return size


def groups(model: Networked, weights: Weights) -> dict[str, dict[str, Tensor]]:
    """Return the groups of a checkpoint of ``model`` with these weights."""
    trained = [name for name, _ in model.net.named_parameters()]
    # What is no parameter is the configuration's where files leave it out, as score-SDE does the levels.
    fixed = {name: value for name, value in model.state_dict().items() if name.removeprefix(NET) not in trained}
    found = {}
    for group, state in (("model", weights.model), ("ema", weights.ema)):
        found[group] = fixed | {NET + name: value for name, value in state.items()}
        load_weights(model, found[group])
    moments = {
        f"{trained.index(name)}.{key}": value for name, entry in weights.moments.items() for key, value in entry.items()
    }
    return {**found, "optim": moments}
