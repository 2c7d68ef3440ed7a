r"""Averages of weights whose length is chosen after training: power functions of training time (Karras et al. 2024, section 3).

    θ̂_γ(t) = (γ+1)/t^{γ+1} ∫₀ᵗ τ^γ θ(τ) dτ        θ̂ ← β θ̂ + (1 − β) θ_t,   β = (1 − 1/t)^{γ+1}

At step t the weights θ_i of step i count (i^{γ+1} − (i−1)^{γ+1})/t^{γ+1} exactly. The length of an average is the standard deviation of
that profile as a share of the training,

    σ_rel = √((γ+1)/((γ+2)²(γ+3))).

Two averages, stored every so often, span profiles of other lengths nearly: `rebuild` takes the combination of all stored ones that is
nearest. Weights are sums of steps, Δ_j = θ_j − θ_{j−1}, so two averages differ by Σ_j Δ_j times the difference of what counts before j in
each; it is these whose squares are least, not those of the profiles themselves (Karras et al., appendix C), and the shares of the stored
averages add up to one. The usual exponential average, `train.ema_decay`, stays the default.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorefield._checks import require_fit
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint

LONGEST = 0.28
"""Just below √(1/12), the length of the average in which all steps count alike."""

Weights = Mapping[str, Tensor]
_GROUP = "average-"
_WHOLE = 1e3  # shares add up to one, whatever else is only nearly met: weights are far from zero


class Snapshot(NamedTuple):
    """An average of length ``length`` as it was at a step."""

    step: int
    length: float
    weights: Weights


def exponent(length: float) -> float:
    """Return the γ of a length σ_rel, the largest root of (γ+2)²(γ+3) = (γ+1)/σ_rel²."""
    if not 0 < length <= LONGEST:
        raise ValueError(f"the length of an average, σ_rel, lies between 0 and {LONGEST}; received {length}")
    inverse = length**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


@torch.no_grad()
def updated(average: Weights | None, current: Weights, step: int, length: float) -> dict[str, Tensor]:
    """Return an average after ``step`` steps, counted from 1, of which the last led to ``current``."""
    keep = 0.0 if average is None else (1 - 1 / step) ** (exponent(length) + 1)
    if average is None or keep == 0:
        return {name: value.clone() for name, value in current.items()}
    return {
        name: torch.lerp(value, average[name], keep) if value.is_floating_point() else value.clone()
        for name, value in current.items()
    }


def rebuild(found: Sequence[Snapshot], length: float, *, step: int | None = None) -> dict[str, Tensor]:
    """Return the average of length ``length`` at a step, the last one when absent, from what was stored.

    Exact, to rounding, where the stored profiles span that of the length: two averages stored at every second step or more often. Stored
    twenty times in a run it errs by 1e-4 of the weights, or by 1e-3 where they wander at a constant rate. `load_weights` of this room puts
    it into a model.

    Cost: O(steps · snapshots²), and one pass over the snapshots' weights, in float64.

    Raises:
        ValueError: no snapshots up to the step, or a length that no average has.
    """
    last = max((snapshot.step for snapshot in found), default=0) if step is None else step
    used = [snapshot for snapshot in found if snapshot.step <= last]
    if not used:
        raise ValueError(f"no snapshot of an average up to step {last}; train with train.averages, such as [0.05, 0.1]")
    columns = np.stack([_before(one.step, one.length, last) for one in used], axis=1)
    shares = np.linalg.lstsq(columns, _before(last, length, last), rcond=1e-13)[0]
    return {
        name: sum(
            (share * one.weights[name].double() for share, one in zip(shares.tolist(), used, strict=True)),
            start=torch.zeros((), dtype=torch.float64),
        ).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in used[-1].weights.items()
    }


def snapshots(run: str | Path) -> list[Snapshot]:
    """Return the averages that the checkpoints of a run keep: ``train.keep`` says how many there are.

    Raises:
        CheckpointError: none keeps any, or one is damaged.
    """
    folders = sorted((Path(run) / "checkpoints").glob("step-????????"))
    found = [
        Snapshot(saved.step, length, weights)
        for saved in map(checkpoint.load, folders)
        for length, weights in grouped(saved.tensors).items()
    ]
    if not found:
        raise CheckpointError(f"{run}: keeps no averages of weights; train with train.averages, such as [0.05, 0.1]")
    for one in found:
        require_fit(found[-1].weights, one.weights, f"{run}: the average {one.length:g} of step {one.step}")
    return found


def group(length: float) -> str:
    """Return the name of the group of a checkpoint that holds an average."""
    return _GROUP + str(float(length)).replace(".", "_")


def grouped(tensors: Mapping[str, Weights]) -> dict[float, Weights]:
    """Return the averages among the groups of a checkpoint, by length."""
    return {
        float(name.removeprefix(_GROUP).replace("_", ".")): weights
        for name, weights in tensors.items()
        if name.startswith(_GROUP)
    }


def _before(step: int, length: float, last: int) -> np.ndarray:
    """Return the sum of the shares of steps 1 to k in an average at ``step``, for k = 1 … ``last``; the last sum times `_WHOLE`."""
    together = np.minimum(np.arange(1, last + 1) / step, 1.0) ** (exponent(length) + 1)
    together[-1] *= _WHOLE
    return together
