"""Are samples sound, before anything is said about their distribution: finite, in range, neither flat nor saturated, not all alike."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import flatten

__all__ = ["Soundness", "soundness"]

_PAIRS = 1000  # samples whose pairwise distances are averaged


@dataclass(frozen=True)
class Soundness:
    """Plain statistics of samples; shares lie in [0, 1]. All but ``finite`` are of the finite samples.

    Attributes:
        n: samples.
        finite: share without NaN or infinity.
        in_range: share of values inside the range.
        saturated: share of values within 1 % of an end of the range, or beyond it.
        mean: of all values.
        std: of all values.
        total_variation: mean absolute difference of neighbouring values along the last two axes; None for vectors.
        pairwise_distance: mean Euclidean distance between two samples.
        coordinate_std: standard deviation over samples, averaged over coordinates: 0 when all samples are one.
    """

    n: int
    finite: float
    in_range: float
    saturated: float
    mean: float
    std: float
    total_variation: float | None
    pairwise_distance: float
    coordinate_std: float


def soundness(x: Float[Tensor, "n *d"], *, low: float = 0.0, high: float = 1.0) -> Soundness:
    """Return plain statistics of samples whose values should lie between ``low`` and ``high``."""
    if x.ndim < 2 or len(x) < 2 or not low < high:
        raise ValueError(f"soundness needs two samples and low < high; received shape {tuple(x.shape)}, {low}, {high}")
    keep = torch.isfinite(flatten(x)).all(dim=1)
    good = x[keep].double()
    margin = 0.01 * (high - low)
    outside = (good < low) | (good > high)
    return Soundness(
        n=len(x),
        finite=keep.double().mean().item(),
        in_range=1 - outside.double().mean().item(),
        saturated=((good < low + margin) | (good > high - margin)).double().mean().item(),
        mean=good.mean().item(),
        std=good.std().item(),
        total_variation=_total_variation(good) if x.ndim > 2 else None,
        pairwise_distance=torch.pdist(flatten(good[:_PAIRS])).mean().item(),
        coordinate_std=flatten(good).std(dim=0).mean().item(),
    )


def _total_variation(x: Tensor) -> float:
    """Return the mean absolute difference of neighbours, both ways."""
    differences = [x.diff(dim=axis).abs().flatten() for axis in (-1, -2)]
    return torch.cat(differences).mean().item()
