"""Learning a toy: objectives by name, each over all noise levels, and the training itself."""

import math
from collections.abc import Callable

from scorefield._noise import derive_seed, seeded
from scorefield.data import DensityBatches
from scorefield.grids import geometric
from scorefield.models import ScoreModel
from scorefield.networks import MLP
from scorefield.objectives import (
    DSM,
    SSM,
    SSMVR,
    FiniteDifferenceSSM,
    ImplicitSM,
    LogNormal,
    MultiLevelDSM,
    Objective,
    edm_weight,
    sigma_weight,
)
from scorefield.preconditioning import Denoiser
from scorefield.toys.known import Plan, Toy
from scorefield.training import Optimization, StepRecord, TrainState, load_weights, train

_LEVELS = 24  # of the ladder


def objective(kind: str, plan: Plan) -> Objective[ScoreModel]:
    """Return the objective called ``kind``, for all noise levels of the plan."""
    return _OBJECTIVES[kind](plan)


def _times(plan: Plan) -> LogNormal:
    """Return the noise levels of all but the ladder: those at which the data can still be distinguished from noise."""
    centre = 0.5 * math.log(plan.process.sigma_min * plan.sigma_1)
    return LogNormal(centre, 0.35 * math.log(plan.sigma_1 / plan.process.sigma_min))


_OBJECTIVES: dict[str, Callable[[Plan], Objective[ScoreModel]]] = {
    "dsm": lambda plan: DSM(_times(plan), edm_weight(plan.sigma_data)),
    "multilevel": lambda plan: MultiLevelDSM(geometric(plan.process.sigma_max, plan.process.sigma_min, _LEVELS)),
    # At one level it is `DAE` but for a factor; over all, each level's reconstruction counts in units of its own noise.
    "dae": lambda plan: DSM(_times(plan), sigma_weight),
    "ssm": lambda plan: SSM(times=_times(plan)),
    "ssmvr": lambda plan: SSMVR(times=_times(plan)),
    "implicit": lambda plan: ImplicitSM(times=_times(plan)),
    "fdssm": lambda plan: FiniteDifferenceSSM(epsilon=0.05, times=_times(plan)),
}
OBJECTIVES = tuple(_OBJECTIVES)
"""The names that `objective` knows."""


def learn(
    toy: Toy, plan: Plan, kind: str, *, steps: int, batch_size: int, seed: int, on_step: Callable[[StepRecord], object]
) -> ScoreModel:
    """Return a model of the density's noised distributions: a preconditioned MLP, averaged weights."""
    with seeded(derive_seed(seed, "init")):
        net = MLP(2)
    model = Denoiser(net, plan.process, plan.sigma_data, plan.mean_data)
    settings = Optimization(steps=steps, learning_rate=3e-3, warmup=100, ema_decay=0.99, precision="fp32", seed=seed)
    state = TrainState.create(model, settings)
    for record in train(state, DensityBatches(toy.density, batch_size, seed), objective(kind, plan), settings):
        on_step(record)
    load_weights(model, state.ema.state_dict())
    return model.eval()
