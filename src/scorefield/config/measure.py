"""What a model has to know of its data: units, and mean and standard deviation in them. Measured a part of the data at a time."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from scorefield._checks import broadcasts
from scorefield.config.load import refusals
from scorefield.data import Dataset
from scorefield.errors import ConfigError, DataError
from scorefield.units import INSIDE, Units

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
    mean, std = (0.0, INSIDE) if standard and dataset.x.min() < dataset.x.max() else _moments(dataset, of_model)
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


def _moments(dataset: Dataset, units: Units) -> tuple[float, float]:
    """Return mean and standard deviation of all numbers, in the units given."""
    n, event = len(dataset), max(1, torch.Size(dataset.event).numel())
    rows = max(1, _VALUES // event)
    parts = [slice(k, k + rows) for k in range(0, n, rows)]
    mean = math.fsum(units.inside(dataset.scaled(part).double()).sum().item() for part in parts) / (n * event)
    square = math.fsum(((units.inside(dataset.scaled(part).double()) - mean) ** 2).sum().item() for part in parts)
    std = math.sqrt(square / max(1, n * event - 1))
    return mean, std if std > 1e-12 * abs(mean) else 0.0
