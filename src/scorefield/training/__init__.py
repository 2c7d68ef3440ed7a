"""Training that survives: a loop of typed records, state that is all in a checkpoint, one process or many."""

from scorefield.training import checkpoint
from scorefield.training.environment import environment
from scorefield.training.fit import fit
from scorefield.training.loop import BatchStream, check_labels, train
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import Accelerated, OneProcess, Parallel, Sharded, pick_device, processes
from scorefield.training.parts import Each, Parts, fingerprint, in_turn
from scorefield.training.record import StepRecord
from scorefield.training.state import TrainState, load_weights

__all__ = [
    "Accelerated",
    "BatchStream",
    "Each",
    "OneProcess",
    "Optimization",
    "Parallel",
    "Parts",
    "Sharded",
    "StepRecord",
    "TrainState",
    "check_labels",
    "checkpoint",
    "environment",
    "fingerprint",
    "fit",
    "in_turn",
    "load_weights",
    "pick_device",
    "processes",
    "train",
]
