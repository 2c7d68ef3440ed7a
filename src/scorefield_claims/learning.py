"""Training what claims are about: a small network, from a seed alone."""

from collections.abc import Callable

import torch
from torch import Tensor

import scorefield as sf
from scorefield.data import Dataset
from scorefield.objectives import Objective
from scorefield_claims.chance import generator

__all__ = ["built", "learned"]


def built(build: Callable[[], sf.ScoreModel], seed: int) -> sf.ScoreModel:
    """Return build() with initial weights that are a function of ``seed``."""
    with torch.random.fork_rng(devices=[]):  # layers draw their initial weights from the global generator
        torch.manual_seed(generator(seed, "init").initial_seed())
        return build()


def learned(
    build: Callable[[], sf.ScoreModel],
    data: sf.Density | Dataset | Tensor,
    objective: Objective[sf.ScoreModel],
    *,
    steps: int,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> sf.ScoreModel:
    """Return a model trained from initial weights of ``seed``, its averaged weights in evaluation mode."""
    model = built(build, seed)
    sf.fit(model, data, objective, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    return model
