"""``scorefield suggest``: settings from the user's own data, the reasons for them, and a configuration that uses them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError, DataError
from scorefield.advice import Advice, suggest, taken
from scorefield.config import RunConfig, to_yaml, validate
from scorefield.config.measure import measured
from scorefield.config.run import DataConfig
from scorefield.data import Dataset
from scorefield.units import UNCHANGED, Units

__all__ = ["run"]

_AT_ONCE = 256  # examples
_NAMED = ("digits", "mnist", "fashion_mnist", "kmnist")


def run(args: Namespace) -> int:
    """Measure, explain, and write the configuration if asked; return the exit code."""
    kind = args.data if args.data in _NAMED else "path"
    data = {"kind": kind, "dir": args.data_dir, "path": args.data if kind == "path" else None}
    data |= {name: args[name] for name in ("size", "array", "channels")}
    section = validate(DataConfig, data, "command line")
    dataset = section.load()
    advice, units = advise(dataset, sigma_L=args.sigma_L, repeats=args.repeats)
    if args.json:
        print(json.dumps(asdict(advice)))
    else:
        print(explain(advice, dataset.name, len(dataset), units))
    if args.out is not None:
        out = Path(args.out)
        try:
            out.write_text(to_yaml(configuration(advice, section, dataset.event)), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--out {out}: cannot be written: {error.strerror}") from error
        if not args.json:
            print(f"\n{out}: written. Train with: scorefield train --config {out}")
    return 0


def advise(dataset: Dataset, *, sigma_L: float, repeats: int) -> tuple[Advice, Units]:
    """Return settings in the coordinates a model works in, and the units that say which these are.

    Raises:
        DataError: data of which no levels follow, or a sigma_L that does not fit it.
    """
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


def explain(a: Advice, name: str, n: int, units: Units) -> str:
    """Return the settings with their reasons."""
    steps = f"{a.step_size:.3g}   in the convention of the NCSN code ({2 * a.step_size:.3g} in the paper's)"
    among = f"all {n}" if a.sampled == n else f"{a.sampled} of {n}"
    inside = "" if units.agrees(UNCHANGED) else f"\nThe model, and all that follows, is of y: {units.described}.\n"
    overlap = (
        "so that neighbours overlap by half"
        if a.dimension > 4
        else "ten, as NCSN has: neighbours overlap by far more than half"
    )
    return f"""{name}: {n} examples of {a.dimension} numbers, mean {a.mean_data:.4g}, standard deviation {a.sigma_data:.4g}
{inside}
sigma_1   {a.sigma_1:.4g}   the largest distance between two examples (among {among}): noise that lets chains cross the data
sigma_L   {a.sigma_L:.4g}   as asked: noise that cannot be seen
levels    {a.levels}   {overlap}: ratio {a.ratio:.4f} in {a.dimension} dimensions
repeats   {a.repeats}   as asked: Langevin steps on each level
step_size {steps}: leaves {a.variance:.3f} times a level's variance
snr       {a.snr:.3f}   the Langevin corrector with the same relative step
ema       0.999   averaged weights, and a noise-free last step (always on)"""


def configuration(a: Advice, data: DataConfig, event: tuple[int, ...]) -> RunConfig:
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
