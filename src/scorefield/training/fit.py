"""The whole of a training in one call."""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from scorefield._checks import number, require, whole
from scorefield._tensors import home, recording
from scorefield.data import Dataset, batches_of
from scorefield.densities import Density
from scorefield.errors import ConfigError
from scorefield.models import NoisyModel
from scorefield.objectives import Objective
from scorefield.training.loop import train
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import OneProcess
from scorefield.training.record import StepRecord
from scorefield.training.state import TrainState, load_weights

Model = TypeVar("Model", bound=NoisyModel)


@recording()
def fit(
    model: Model,
    data: Density | Dataset | Tensor | np.ndarray | Iterable[Any],
    objective: Objective[Model],
    *,
    steps: int = 5_000,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool = False,
) -> list[StepRecord]:
    """Train ``model`` in place, and leave the averaged weights in it.

    Args:
        model: to be trained.
        data: a density, a `Dataset`, a tensor or array of examples (n, *d), a sequence of them, or a loader of batches.
        objective: of the model.
        steps: optimiser steps.
        batch_size: examples per step; a loader has its own.
        learning_rate: the largest.
        seed: names the order of the examples and all noise.
        progress: show a bar on stderr.

    Returns:
        the record of every step.

    Raises:
        ConfigError: data, a model or an objective of another kind, a model with nothing to train, or with weights of half precision.
        DivergedError: the loss or a gradient stopped being finite.
    """
    require(NoisyModel, model, "the model to train", "Denoiser(network, process, sigma_data)")
    if isinstance(objective, type) or not callable(objective):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"the objective must be an object, such as DSM(); received {objective!r:.80}")
    steps, seed, batch_size = whole(steps, "steps", 0), whole(seed, "seed"), whole(batch_size, "batch_size", 1)
    learning_rate = number(learning_rate, "learning_rate", 0)
    settings = Optimization(steps=steps, learning_rate=learning_rate, warmup=100, precision="fp32", seed=seed)
    state = TrainState.create(model, settings)
    device = home(model)
    batches = batches_of(data, batch_size, seed, device=device, generator=settings.stream(device))
    stepped = train(state, batches, objective, settings, OneProcess(device))
    records = list(tqdm(stepped, "training", steps, disable=not progress, dynamic_ncols=True))
    load_weights(model, state.ema.state_dict())
    model.eval()
    return records
