"""Training what claims are about: a small network, from a seed alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from scorefield._tensors import derive_seed
from scorefield.data import Dataset
from scorefield.densities import Density
from scorefield.models import ScoreModel
from scorefield.objectives import Objective
from scorefield.training import fit

__all__ = ["built", "learned"]


def built(build: Callable[[], ScoreModel], seed: int) -> ScoreModel:
    """Return build() with initial weights that are a function of ``seed``."""
    with torch.random.fork_rng(devices=[]):  # layers draw their initial weights from the global generator
        torch.manual_seed(derive_seed(seed, "init"))
        return build()


def learned(
    build: Callable[[], ScoreModel],
    data: Density | Dataset | Tensor,
    objective: Objective[ScoreModel],
    *,
    steps: int,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> ScoreModel:
    """Return a model trained from initial weights of ``seed``, its averaged weights in evaluation mode."""
    model = built(build, seed)
    fit(model, data, objective, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    return model
