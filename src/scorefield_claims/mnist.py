"""What the claims about MNIST share: the shipped models, the judge that reads their digits, pictures of digits in figures."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from torch import Tensor

from scorefield.data import Dataset, mnist
from scorefield.grids import Grid
from scorefield.metrics import Judge
from scorefield.models import ScoreModel
from scorefield.plotting import grid_image
from scorefield.pretrained import load_judge
from scorefield.sampling import Sampler, Samples, sample
from scorefield_claims.drawing import label

__all__ = ["BATCH", "Reading", "digits", "draw", "examples", "judge", "read", "real_features", "real_reading", "show"]

BATCH = 64  # activations that stay in a core's cache: a tenth faster than 250


class Reading(NamedTuple):
    """What the judge reads in each image, and how confident it is."""

    labels: Int[Tensor, " n"]
    confidence: Float[Tensor, " n"]


@cache
def judge() -> Judge:
    """Return the shipped judge of digits."""
    return load_judge()


@cache
def digits(*, train: bool) -> Dataset:
    """Return the training or the test set."""
    return mnist(train=train)


def examples(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Return n random examples."""
    return dataset.subset(torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))[:n])


def read(x: Float[Tensor, "n 1 h w"]) -> Reading:
    """Return what the judge reads."""
    confidence, labels = judge().probabilities(x).max(dim=1)
    return Reading(labels, confidence)


@cache
def real_features(n: int) -> Float[Tensor, "n f"]:
    """Return what the judge sees in the first n test digits."""
    return judge().features(digits(train=False).scaled(slice(n)))


@cache
def real_reading(n: int) -> Reading:
    """Return what the judge reads in the first n test digits."""
    return read(digits(train=False).scaled(slice(n)))


def draw(model: ScoreModel, sampler: Sampler, grid: Grid, n: int, seed: int) -> Samples:
    """Return n digits of a model."""
    return sample(model, sampler, (n, 1, 28, 28), grid=grid, seed=seed, batch_size=BATCH)


def show(axes: Axes, x: Float[Tensor, "n 1 h w"], title: str, columns: int, *, rows: Sequence[str] = ()) -> None:
    """Show a grid of digits, its rows named where there are names."""
    picture = grid_image(x, columns)
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    label(axes, title)
    axes.set_xticks([])
    heights = [(k + 0.5) * picture.height / max(1, len(rows)) for k in range(len(rows))]
    axes.set_yticks(heights, rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
