"""From a data set to advice on it, and from advice to the configuration of a run."""

from dataclasses import replace
from typing import Any

import torch

from scorefield.advice import Advice, suggest, taken
from scorefield.config.data import DataConfig
from scorefield.config.load import validate
from scorefield.config.measure import measured
from scorefield.config.run import RunConfig
from scorefield.data import Dataset
from scorefield.errors import DataError
from scorefield.units import Units

_AT_ONCE = 256  # examples


def advise(dataset: Dataset, *, sigma_L: float, repeats: int) -> tuple[Advice, Units]:
    """Return settings in the coordinates a model works in, and the units that say which these are."""
    open_: dict[str, Any] = dict.fromkeys(("location", "scale", "sigma_data", "mean_data"))
    found = measured(dataset, open_)
    units = Units(found["location"], found["scale"])
    which = taken(len(dataset))
    rows = torch.empty(len(which), *dataset.event)
    for part, index in zip(rows.split(_AT_ONCE), which.split(_AT_ONCE), strict=True):
        part.copy_(units.inside(dataset.scaled(index)))
    try:
        advice = suggest(rows, sigma_L=sigma_L, repeats=repeats)
    except ValueError as error:
        raise DataError(f"{dataset.name}: {error}") from error
    return replace(advice, sigma_data=found["sigma_data"], mean_data=found["mean_data"]), units


def suggested(a: Advice, data: DataConfig, event: tuple[int, ...]) -> RunConfig:
    """Return a run that trains on the suggested ladder and samples down it."""
    levels = {"kind": "geometric", "sigma_1": a.sigma_1, "sigma_L": a.sigma_L, "levels": a.levels}
    values: dict[str, Any] = {
        "name": "suggested",
        "data": data.model_dump(),
        "process": {"kind": "ve", "sigma_min": a.sigma_L, "sigma_max": a.sigma_1},
        "network": {"kind": "unet" if data.on_grid(event) else "mlp"},
        "model": "denoiser",
        "objective": {"kind": "multilevel_dsm", "levels": levels},
        "sampling": {
            "sampler": {"kind": "ald", "repeats": a.repeats, "relative_step": 2 * a.step_size / a.sigma_L**2},
            "grid": {"kind": "ladder", "levels": levels},
        },
    }
    return validate(RunConfig, values, "suggestion")
