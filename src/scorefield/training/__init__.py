"""Training that survives: a loop of typed records, state that is all in a checkpoint, one process or many."""

from scorefield.training import checkpoint
from scorefield.training.environment import environment
from scorefield.training.loop import BatchStream, StepRecord, check_labels, fit, train
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import Accelerated, OneProcess, Parallel, pick_device
from scorefield.training.state import TrainState, load_weights

__all__ = [
    "Accelerated",
    "BatchStream",
    "OneProcess",
    "Optimization",
    "Parallel",
    "StepRecord",
    "TrainState",
    "check_labels",
    "checkpoint",
    "environment",
    "fit",
    "load_weights",
    "pick_device",
    "train",
]
