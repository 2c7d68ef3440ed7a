"""What an optimiser step measured, and a diagnosis where that is not finite."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scorefield._values import ByValue
from scorefield.data import Batch
from scorefield.errors import DivergedError
from scorefield.training.sharding import full
from scorefield.training.state import TrainState

_HELP = "Lower the learning rate, clip gradients, use fp32, or look for non-finite values in the data."


@dataclass(frozen=True)
class StepRecord(ByValue):
    """What one optimiser step measured. Loss and norm stay on the device until they are read, which waits for a GPU.

    Attributes:
        step: its number, from 1.
        learning_rate: the rate it was taken with.
        measured: loss and norm.
    """

    step: int
    learning_rate: float
    measured: Tensor

    @property
    def loss(self) -> float:
        """Mean of the objective over the global batch."""
        return self.measured[0].item()

    @property
    def grad_norm(self) -> float:
        """Norm of the gradient of the mean loss per coordinate, before clipping."""
        return self.measured[1].item()

    def values(self) -> dict[str, float]:
        """Return all of it by name, as a line of metrics has it."""
        loss, grad_norm = self.measured.tolist()
        return {"step": self.step, "loss": loss, "grad_norm": grad_norm, "learning_rate": self.learning_rate}


def look_back(unseen: list[StepRecord]) -> None:
    """Read what steps measured, all in one go, and forget them; raise for the first that was not finite."""
    if not unseen:
        return
    values, now = torch.stack([record.measured for record in unseen]).tolist(), unseen[-1].step
    for record, (loss, norm) in zip(unseen, values, strict=True):
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "gradient is not finite" if math.isfinite(loss) else f"loss is {loss}"
            raise DivergedError(
                f"training diverged at step {record.step}: the {what}; it was noticed at step {now}, too late for the state. Go on from "
                f"the last checkpoint. {_HELP}"
            )
    unseen.clear()


def diagnosis(state: TrainState, batch: Batch, loss: float) -> str:
    """Return what stopped being finite first, on the way from the state and the data to the gradient, and what helps."""
    gradients = ((name, p.grad) for name, p in state.model.named_parameters() if p.grad is not None)
    wrong = next(
        (f"gradient of {name}" for name, grad in gradients if not full(grad.isfinite().all())), "gradient's norm"
    )
    if name := state.not_finite():
        what = f"{name} is not finite"
    elif not batch.x.isfinite().all():
        what = f"the data of batch {state.step} are not finite"
    elif not math.isfinite(loss):
        what = f"the loss is {loss}"
    else:
        what = f"the {wrong} is not finite"
    return f"training diverged at step {state.step + 1}: {what}. The state is that of step {state.step}. {_HELP}"
