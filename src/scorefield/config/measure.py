"""What a model has to know of its data: units, and mean and standard deviation in them. Measured a part of the data at a time."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from scorefield._checks import broadcasts
from scorefield.config.load import refusals
from scorefield.data import Dataset
from scorefield.errors import ConfigError, DataError
from scorefield.units import INSIDE, Moments, Units

_VALUES = 2**22  # numbers looked at in one go: 32 MiB in float64
_OF_DATA = ("sigma_data", "mean_data")


def measured(dataset: Dataset, model: Mapping[str, Any], *, units: bool = True) -> dict[str, Any]:
    """Return a model's section with what it left open filled in.

    Images in bytes stand for [0, 1], and keep their units. So do data of which a mean or a standard deviation is given without units. The
    units of all others are such that each column of a table, or all numbers of a series, image or volume, have mean 0 and standard
    deviation ½.

    Args:
        dataset: the data.
        model: the section, None where it left something open.
        units: whether units may be measured.

    Raises:
        ConfigError: units that are not one number, or one for each of an example's.
        DataError: numbers that are all the same, and no ``sigma_data``.
    """
    found = dict(model)
    told = [name for name in ("location", "scale", *_OF_DATA) if found.get(name) is not None]
    own = dataset.x.dtype == torch.uint8 or not units or (bool(told) and set(told) <= set(_OF_DATA))
    standard = not own and "location" not in told and "scale" not in told
    defaults: dict[str, Any] = {"location": 0.0, "scale": 1.0}
    if dataset.x.dtype != torch.uint8:
        of = Units.of(dataset.x)
        defaults = defaults if own else {"location": of.location.tolist(), "scale": of.scale.tolist()}
        defaults["ends"] = of.ends
    found |= {name: value for name, value in defaults.items() if found.get(name) is None}
    of_model = _units(found, dataset.event)
    open_ = [name for name in _OF_DATA if name in found and found[name] is None]
    if not open_:
        return found
    mean, std = (0.0, INSIDE) if standard and dataset.x.min() < dataset.x.max() else _overall(dataset, of_model)
    if std == 0 and "sigma_data" in open_:
        raise DataError(
            f"{dataset.name}: every number is {dataset.x[0].flatten()[0].item():g}, so there is nothing to learn; set model.sigma_data "
            "to train on it all the same"
        )
    values = {"mean_data": mean, "sigma_data": std}
    if dataset.x.dtype == torch.uint8:
        # A recipe's numbers are read by people.
        values = {name: float(f"{value:.4g}") for name, value in values.items()}
    return found | {name: values[name] for name in open_}


def _units(model: Mapping[str, Any], event: tuple[int, ...]) -> Units:
    """Return the units that a model's section says."""
    with refusals("model"):
        units = Units(model["location"], model["scale"])
    for name in ("location", "scale"):
        shape = tuple(getattr(units, name).shape)
        if not broadcasts(shape, event):
            raise ConfigError(
                f"model.{name}: expected one number, or one for each of an example's, of shape {event}; received shape {shape}"
            )
    return units


def moments(dataset: Dataset, units: Units) -> Moments:
    """Return mean and standard deviation of each coordinate, in the units given; of images that are mirrored, those of both."""
    n, event = len(dataset), dataset.event
    rows = max(1, _VALUES // max(1, torch.Size(event).numel()))
    mean, square = torch.zeros(2, *event, dtype=torch.float64)
    for seen in range(0, n, rows):  # a part adds what it varies by, and how far its mean lies from that of those before
        part = units.inside(dataset.scaled(slice(seen, seen + rows)).double())
        variance, middle = torch.var_mean(part, dim=0, correction=0)
        gap, share = middle - mean, len(part) / (seen + len(part))
        mean = mean + share * gap
        square = square + len(part) * variance + seen * share * gap**2
    variance = square / n
    if dataset.flips:
        middle = (mean + mean.flip(-1)) / 2
        variance = (variance + variance.flip(-1)) / 2 + (mean - middle) ** 2
        mean = middle
    return Moments(mean, variance.sqrt())


def _overall(dataset: Dataset, units: Units) -> tuple[float, float]:
    """Return mean and standard deviation of all numbers; 0 where they differ by what rounding leaves."""
    found, n = moments(dataset, units), dataset.x.numel()
    mean = found.mean.mean().item()
    std = math.sqrt((found.std**2 + (found.mean - mean) ** 2).mean().item() * n / max(1, n - 1))
    return mean, std if std > 1e-12 * abs(mean) else 0.0
