"""What samples and classifiers are compared with: data held out from training, and training data, which show how near samples can come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._noise import derive_seed, generator_at
from scorefield.config.data import DataConfig
from scorefield.data import Dataset, quantize
from scorefield.errors import ConfigError, DataError

LEAST = 12
"""The fewest rows for which all measures exist: halves of them have the five neighbours that some need, and a tenth of a half is two."""


@dataclass(frozen=True)
class RealData:
    """The data that samples are compared with.

    Attributes:
        train: what the model was trained on.
        reference: at most n held-out examples, with which samples and ``real`` are compared.
        real: at most n training examples.
        held_out: whether the model was not trained on the reference; one's own data without a test set are cut in halves.
    """

    train: Dataset
    reference: Dataset
    real: Dataset
    held_out: bool

    @property
    def sizes(self) -> dict[str, Any]:
        """How many examples there are, for the report."""
        name = self.train.name
        what = f"test examples of {name}" if self.held_out else f"examples, one half of {name}, which has no test set"
        return {
            "reference": f"{len(self.reference)} {what}",
            "n_reference": len(self.reference),
            "n_real": len(self.real),
        }

    @property
    def in_bytes(self) -> bool:
        """Whether the data are images whose values are the levels byte/255."""
        return self.train.x.dtype == torch.uint8

    def on_scale(self, x: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Return samples on the scale of the data: for images of bytes, rounded to the levels byte/255, as a picture would show them."""
        return quantize(x).float() / 255 if self.in_bytes else x

    def compared(self, x: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Return x in the units of distances: columns of a table in standard deviations of the reference, all else as it is."""
        if len(self.train.event) != 1:
            return x
        spread = self.reference.scaled().double().std(dim=0)
        return x / torch.where(spread > 0, spread, 1.0).to(x)


def real_data(
    config: DataConfig,
    event: tuple[int, ...],
    n: int,
    *,
    classes: Sequence[int] | None = None,
    seed: int = 0,
    least: int = 1,
    trained: bool = True,
) -> RealData:
    """Return the data of a run, at most n examples each, of some classes only where they are named.

    Args:
        config: what the run was trained on.
        event: the shape of a sample.
        n: how many.
        classes: the classes to take; all when absent.
        seed: of the choice of examples.
        least: the fewest examples that each part must have, if n asks for as many.
        trained: whether training examples are needed; where they are not, and cannot be read, held-out ones take their place.

    Raises:
        ConfigError: data of another shape than the model's, or without examples of the classes.
        DataError: data that cannot be read, or too few of them.
    """
    try:
        train = _of_classes(config.load(), classes)
    except DataError:
        if trained or not config.tested:
            raise
        train = _of_classes(config.load(train=False), classes)
    if train.event != event:
        raise ConfigError(f"{train.name}: has examples of shape {train.event}; the model draws {event}")
    if not config.tested:
        half, order = len(train) // 2, _shuffled(len(train), seed)
        parts = (train, order[:half]), (train, order[half:])
    else:
        held_out = _of_classes(config.load(train=False), classes)
        if held_out.event != event:
            raise ConfigError(f"{held_out.name}: has examples of shape {held_out.event}; the model draws {event}")
        parts = tuple((part, _shuffled(len(part), seed)) for part in (held_out, train))
    fewest, wanted = min(len(order) for _, order in parts), min(least, n)
    if fewest < wanted:
        which = "" if config.tested else ", one half of the data, which has no test set"
        raise DataError(
            f"{train.name}: found {fewest} examples to compare with{which}; expected at least {wanted}. Use more data, or smaller n."
        )
    reference, real = (part.subset(order[:n]) for part, order in parts)
    return RealData(train, reference, real, held_out=config.tested)


def labelled_examples(config: DataConfig, event: tuple[int, ...], n: int, *, seed: int = 0) -> Dataset:
    """Return at most n random test examples with their labels, to measure a classifier on.

    Raises:
        ConfigError: data without labels, or of another shape; fewer than two examples asked for.
    """
    data = config.load(train=False)
    if data.labels is None or data.event != event:
        raise ConfigError(
            f"{data.name}: needs labels and examples of shape {event} to measure a classifier on; it has "
            f"{'labels' if data.labels is not None else 'none'} and {data.event}"
        )
    if n < 2:
        raise ConfigError(f"at least 2 examples are needed to say anything with an error; received {n}")
    chosen = torch.randperm(len(data), generator=generator_at(seed))[:n]
    return data.subset(chosen)


def _shuffled(n: int, seed: int) -> Tensor:
    """Return the numbers below n in random order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(derive_seed(seed, "real data")))


def _of_classes(data: Dataset, classes: Sequence[int] | None) -> Dataset:
    """Return the examples of some classes; all when none are named."""
    if classes is None:
        return data
    if data.labels is None or not torch.isin(data.labels, torch.tensor(classes)).any():
        raise ConfigError(f"{data.name} has no examples of the classes {sorted(set(classes))} to compare samples with")
    return data.subset(torch.isin(data.labels, torch.tensor(classes)))
