"""What happened on the way: step size, size of the state, size of the score, at every transition."""

from dataclasses import dataclass, field
from typing import Any

import torch

from scorefield._checks import require
from scorefield._tensors import evaluating
from scorefield.models import ScoreModel
from scorefield.samplers.langevin import Chain, MetropolisChain
from scorefield.sampling import Transition


@dataclass(frozen=True)
class TraceRow:
    """One transition of one batch, after it was made.

    Attributes:
        step: its number, from 1.
        sigma: noise level it ended at.
        step_size: what the sampler calls its step: α for a Langevin chain, t − s otherwise.
        x_rms: root mean square of the state's finite coordinates.
        score_rms: the same of the score there.
        nonfinite: samples with a coordinate that is not finite.
    """

    step: int
    sigma: float
    step_size: float
    x_rms: float
    score_rms: float
    nonfinite: int


@dataclass
class Trace:
    """A watcher for ``sample(…, on_step=Trace(model))``; read ``rows`` afterwards, also after a divergence.

    Cost: one evaluation of the model per transition, which `Samples.evaluations` does not count.
    """

    model: ScoreModel
    rows: list[TraceRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(ScoreModel, self.model, "the model", "Exact or a Denoiser")

    def __call__(self, made: Transition[Any]) -> None:
        """Record a transition."""
        x, step = made.x, made.step
        bad = ~torch.isfinite(x.flatten(1)).all(dim=1)
        good = x[~bad]
        with evaluating(self.model):
            score_rms = _rms(self.model.score(good, step.s)) if len(good) else float("nan")
        langevin = isinstance(made.memory, Chain | MetropolisChain)
        self.rows.append(
            TraceRow(
                step=step.number,
                sigma=step.sigma_s,
                step_size=made.memory.step_size if langevin else (step.t - step.s).item(),
                x_rms=_rms(good),
                score_rms=score_rms,
                nonfinite=int(bad.sum()),
            )
        )


def _rms(x: torch.Tensor) -> float:
    """Return the root mean square of all values; NaN of none."""
    return x.double().square().mean().sqrt().item()
