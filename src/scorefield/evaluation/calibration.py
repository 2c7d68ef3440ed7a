"""A classifier held against test data: how well it reads noisy examples, and knows how well, noise level by noise level."""

import torch

from scorefield.config.data import DataConfig
from scorefield.data import Dataset
from scorefield.errors import ConfigError

__all__ = ["labelled_examples"]


def labelled_examples(
    config: DataConfig, event: tuple[int, ...], n: int, *, data_dir: str | None = None, seed: int = 0
) -> Dataset:
    """Return at most n random test examples with their labels.

    Raises:
        ConfigError: data without labels, or of another shape; fewer than two examples asked for.
    """
    data = (config if data_dir is None else config.model_copy(update={"dir": data_dir})).load(train=False)
    if data.labels is None or data.event != event:
        raise ConfigError(
            f"{data.name}: needs labels and examples of shape {event} to measure a classifier on; it has "
            f"{'labels' if data.labels is not None else 'none'} and {data.event}"
        )
    if n < 2:
        raise ConfigError(f"at least 2 examples are needed to say anything with an error; received {n}")
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
    return data.subset(chosen)
