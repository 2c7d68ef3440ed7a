"""What the claims about MNIST share: the shipped models, the judge that reads their digits, pictures of digits in figures."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from torch import Tensor

import scorefield as sf
from scorefield.data import Dataset, mnist
from scorefield.metrics import Estimate, ModeWeights, frechet_distance
from scorefield.objectives import Objective
from scorefield.plotting import grid_image, share_bars
from scorefield.pretrained import load_judge
from scorefield.sampling import Samples
from scorefield_claims.drawing import label, legend
from scorefield_claims.learning import learned

__all__ = [
    "BATCH", "CHURNED", "Reading", "class_weights", "classes", "digit_shares", "digits", "draw", "examples", "fid",
    "judge", "read", "real_features", "shipped", "show", "trained", "training_digits",
]  # fmt: skip

BATCH = 64  # activations that stay in a core's cache: a tenth faster than 250
CHURNED = sf.Heun(churn=10.0, churn_min=0.05, churn_max=10.0)
"""The sampler of the shipped models' own recipes, on the grid of Karras et al."""


class Reading(NamedTuple):
    """What the judge reads in each image, and how confident it is."""

    labels: Int[Tensor, " n"]
    confidence: Float[Tensor, " n"]


@cache
def judge() -> sf.Judge:
    """Return the shipped judge of digits."""
    return load_judge()


@cache
def digits(*, train: bool) -> Dataset:
    """Return the training or the test set."""
    return mnist(train=train)


def shipped(name: str) -> sf.ScoreModel:
    """Return a shipped model, in bfloat16 where the processor computes with it."""
    return sf.load_model(name, precision="auto").model


def classes(dataset: Dataset) -> Int[Tensor, " n"]:
    """Return the labels of MNIST, or of a part of it."""
    assert dataset.labels is not None  # noqa: S101 MNIST has labels
    return dataset.labels


def class_weights(dataset: Dataset) -> list[float]:
    """Return the share of each digit."""
    return (torch.bincount(classes(dataset)).double() / len(dataset)).tolist()


def examples(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Return n random examples."""
    return dataset.subset(torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))[:n])


def training_digits(n: int, seed: int) -> Float[Tensor, "n 1 h w"]:
    """Return n random training digits: samples without a flaw, whose distance to the test set is the floor of all others."""
    return examples(digits(train=True), n, seed).scaled()


def read(x: Float[Tensor, "n 1 h w"]) -> Reading:
    """Return what the judge reads."""
    confidence, labels = judge().probabilities(x).max(dim=1)
    return Reading(labels, confidence)


def trained(
    objective: Objective[sf.ScoreModel], process: sf.Process, *, steps: int, width: int, batch_size: int, seed: int
) -> sf.ScoreModel:
    """Return a network of a claim's own, trained on the digits with one objective."""
    data = digits(train=True)
    values = data.scaled()
    build = lambda: sf.Denoiser(sf.UNet(1, 28, width=width), process, values.std().item(), values.mean().item())  # noqa: E731
    return learned(build, data, objective, steps=steps, batch_size=batch_size, learning_rate=2e-3, seed=seed)


def fid(x: Float[Tensor, "n 1 h w"], reference: int) -> Estimate:
    """Return the Fréchet distance between what the judge sees in x and in the first test digits: FID (MNIST features)."""
    return frechet_distance(judge().features(x), real_features(reference))


@cache
def real_features(n: int) -> Float[Tensor, "n f"]:
    """Return what the judge sees in the first n test digits."""
    return judge().features(digits(train=False).scaled(slice(n)))


def draw(model: sf.ScoreModel, sampler: sf.Sampler, grid: sf.Grid, n: int, seed: int) -> Samples:
    """Return n digits of a model."""
    return sf.sample(model, sampler, (n, 1, 28, 28), grid=grid, seed=seed, batch_size=BATCH)


def show(axes: Axes, x: Float[Tensor, "n 1 h w"], title: str, columns: int, *, rows: Sequence[str] = ()) -> None:
    """Show a grid of digits, its rows named where there are names."""
    picture = grid_image(x, columns)
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    label(axes, title)
    axes.set_xticks([])
    heights = [(k + 0.5) * picture.height / max(1, len(rows)) for k in range(len(rows))]
    axes.set_yticks(heights, rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def digit_shares(axes: Axes, shares: Mapping[str, ModeWeights], title: str) -> None:
    """Draw the shares of the digits, and what they should be."""
    share_bars(axes, shares)
    axes.set_xticks(range(10), [str(k) for k in range(10)])
    axes.set_ylim(top=(1.1 + 0.12 * len(shares)) * axes.get_ylim()[1])  # for the names
    label(axes, title, "digit", "share")
    legend(axes)
