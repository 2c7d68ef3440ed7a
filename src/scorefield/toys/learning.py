"""Learning a toy: objectives by name, each made to cover all noise levels, and the training itself."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Source, derive_seed, uniform_like
from scorefield.data import DensityBatches
from scorefield.grids import geometric
from scorefield.models import ScoreModel
from scorefield.networks import MLP
from scorefield.objectives import (
    DAE,
    DSM,
    SSM,
    SSMVR,
    FiniteDifferenceSSM,
    ImplicitSM,
    LogNormal,
    MultiLevelDSM,
    Objective,
    edm_weight,
)
from scorefield.preconditioning import Denoiser
from scorefield.toys.known import Plan, Toy
from scorefield.training import Optimization, StepRecord, TrainState, load_weights, train

__all__ = ["OBJECTIVES", "learn", "objective"]

_LEVELS = 24  # the ladder of the objectives that know one level at a time


def objective(kind: str, plan: Plan) -> Objective[ScoreModel]:
    """Return the objective called ``kind``, for all noise levels of the plan."""
    if kind == "dsm":
        centre = 0.5 * math.log(plan.process.sigma_min * plan.sigma_1)
        spread = 0.35 * math.log(plan.sigma_1 / plan.process.sigma_min)
        return DSM(LogNormal(centre, spread), edm_weight(plan.sigma_data))
    levels = geometric(plan.process.sigma_max, plan.process.sigma_min, _LEVELS)
    return MultiLevelDSM(levels) if kind == "multilevel" else _LevelByLevel(levels, _AT_ONE_LEVEL[kind])


# A loss at level σ, and what brings it to the scale of σ² times the score's error.
_AT_ONE_LEVEL: dict[str, Callable[[float], tuple[Objective[ScoreModel], float]]] = {
    "dae": lambda sigma: (DAE(sigma), 0.5 / sigma**2),
    "ssm": lambda sigma: (SSM(sigma), sigma**2),
    "ssmvr": lambda sigma: (SSMVR(sigma), sigma**2),
    "implicit": lambda sigma: (ImplicitSM(sigma), sigma**2),
    "fdssm": lambda sigma: (FiniteDifferenceSSM(sigma, epsilon=0.05 * sigma), sigma**2),
}
OBJECTIVES = ("dsm", "multilevel", *_AT_ONE_LEVEL)
"""The names that `objective` knows."""


@dataclass(frozen=True)
class _LevelByLevel:
    """An objective that knows one noise level, at another level of a ladder for every batch."""

    levels: Float[Tensor, " L"]
    at: Callable[[float], tuple[Objective[ScoreModel], float]]

    def __call__(self, model: ScoreModel, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        index = int(uniform_like(x0, noise)[0] * len(self.levels))
        loss, scale = self.at(self.levels[index].item())
        return scale * loss(model, x0, noise)


def learn(
    toy: Toy, plan: Plan, kind: str, *, steps: int, batch_size: int, seed: int, on_step: Callable[[StepRecord], object]
) -> ScoreModel:
    """Return a model of the density's noised laws: a preconditioned MLP, averaged weights."""
    with torch.random.fork_rng(devices=[]):  # layers draw their initial weights from the global generator
        torch.manual_seed(derive_seed(seed, "init"))
        net = MLP(2)
    model = Denoiser(net, plan.process, plan.sigma_data, plan.mean_data)
    settings = Optimization(steps=steps, learning_rate=3e-3, warmup=100, ema_decay=0.99, precision="fp32", seed=seed)
    state = TrainState.create(model, settings)
    for record in train(state, DensityBatches(toy.density, batch_size, seed), objective(kind, plan), settings):
        on_step(record)
    load_weights(model, state.ema.state_dict())
    return model.eval()
