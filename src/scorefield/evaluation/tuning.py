"""Ways to draw from one model, chosen by measured distances.

Noise added on the way (churn) repairs what an imperfect score draws wrong, and adds its own grain where the network is worst; guidance
trades variety for shape; a grid fitted to the model saves evaluations. What helps depends on data and network, and has to be measured.

A choice made on the numbers that are then reported looks better than it is. So samples and held-out data are cut in halves: a way is chosen
on the first half, and its reported distance is measured on the second.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from scorefield.evaluation.data import RealData
from scorefield.metrics import Estimate, ImageJudge, energy_distance, frechet_distance

_ERRORS = 2.0  # by how many standard errors a way must be nearer to be called so


class Trial(NamedTuple):
    """A way to draw, and how far its samples are from held-out data.

    Attributes:
        options: what differs from the run's own sampling, named as by `scorefield sample`.
        guide: weight of autoguidance; None where the run keeps no weaker version.
        evaluations: of the network, for each sample.
        first: the distance of the first half of its samples from the first half of the data, by which ways are chosen.
        second: that of the other halves.
    """

    options: dict[str, Any]
    guide: float | None
    evaluations: float
    first: Estimate
    second: Estimate


def halves(x: Tensor, data: RealData, judge: ImageJudge | None, *, seed: int = 0) -> tuple[Estimate, Estimate]:
    """Return the distances of every other sample, and of those between, from every other held-out example, and from those between.

    The Fréchet distance of a judge's features; without a judge the energy distance of vectors.
    """
    ours, theirs = data.on_scale(x), data.reference.scaled()
    if judge is None:
        ours, theirs = data.compared(ours), data.compared(theirs)
        return energy_distance(ours[::2], theirs[::2]), energy_distance(ours[1::2], theirs[1::2])
    ours, theirs = judge.features(ours), judge.features(theirs)
    return frechet_distance(ours[::2], theirs[::2], seed=seed), frechet_distance(ours[1::2], theirs[1::2], seed=seed)


def best(trials: Sequence[Trial]) -> Trial:
    """Return the one that is nearest on the first halves."""
    return min(trials, key=lambda trial: trial.first.value)


def told_apart(near: Trial, far: Trial) -> bool:
    """Return whether, on the second halves, ``near`` is nearer by two standard errors of the difference, taken as independent."""
    gain = far.second.value - near.second.value
    return gain > _ERRORS * math.hypot(near.second.error, far.second.error)
