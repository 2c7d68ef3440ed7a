"""Are samples sound, before anything is said about their distribution: finite, in range, neither flat nor saturated, not all alike."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import numbers
from scorefield._tensors import flatten

_PAIRS = 1000  # samples whose pairwise distances are averaged


@dataclass(frozen=True)
class Soundness:
    """Plain statistics of samples; shares lie in [0, 1]. All but ``finite`` are of the finite samples.

    Attributes:
        n: samples.
        finite: share without NaN or infinity.
        in_range: share of values inside the range; None where there is none.
        saturated: share of values within 1 % of an end of the range, or beyond it; None where there is none.
        mean: of all values.
        std: of all values.
        total_variation: mean absolute difference of neighbouring values along the last two axes; None for vectors.
        pairwise_distance: mean Euclidean distance between two samples.
        coordinate_std: standard deviation over samples, averaged over coordinates: 0 when all samples are one.
    """

    n: int
    finite: float
    in_range: float | None
    saturated: float | None
    mean: float
    std: float
    total_variation: float | None
    pairwise_distance: float
    coordinate_std: float


def soundness(x: Float[Tensor, "n *d"], *, ends: tuple[float, float] | None = (0.0, 1.0)) -> Soundness:
    """Return plain statistics of samples.

    Args:
        x: the samples.
        ends: between which values should lie; None of what has no ends, such as the columns of a table.
    """
    x = numbers(x, "x")
    if x.ndim < 2 or len(x) < 2 or (ends is not None and not ends[0] < ends[1]):
        raise ValueError(f"soundness needs two samples, and ends that ascend; received shape {tuple(x.shape)}, {ends}")
    keep = torch.isfinite(flatten(x)).all(dim=1)
    good = x[keep].double()
    return Soundness(
        n=len(x),
        finite=keep.double().mean().item(),
        in_range=None if ends is None else 1 - _beyond(good, *ends),
        saturated=None if ends is None else _beyond(good, *ends, margin=0.01),
        mean=good.mean().item(),
        std=good.std().item(),
        total_variation=_total_variation(good) if x.ndim > 2 else None,
        pairwise_distance=torch.pdist(flatten(good[:_PAIRS])).mean().item(),
        coordinate_std=flatten(good).std(dim=0).mean().item(),
    )


def _beyond(x: Tensor, low: float, high: float, margin: float = 0.0) -> float:
    """Return the share of values outside the ends, each moved inwards by a share of their distance."""
    margin *= high - low
    return ((x < low + margin) | (x > high - margin)).double().mean().item()


def _total_variation(x: Tensor) -> float:
    """Return the mean absolute difference of neighbours, both ways."""
    differences = [x.diff(dim=axis).abs().flatten() for axis in (-1, -2)]
    return torch.cat(differences).mean().item()
