"""Configurations of the first edition in the form of this one: whole ones, and parts such as overrides of the command line.

    sampling: {kind: heun, steps: 17, grid: karras, churn: 10}     steps counted times, of which there is one more than transitions
    sampling: {sampler: {kind: heun, churn: 10}, grid: {kind: karras, steps: 16}}

    objective: {kind: dsm, times: lognormal, mean: -0.7, std: 1.2, weight: edm}
    objective: {kind: dsm, times: {kind: lognormal, mean: -0.7, std: 1.2}, weight: edm}

    objective: {kind: multilevel_dsm, sigma_1: 1, sigma_L: 0.01, levels: 10}
    objective: {kind: multilevel_dsm, levels: {kind: geometric, sigma_1: 1, sigma_L: 0.01, levels: 10}}

What is in this edition's form already is returned as it is.
"""

from collections.abc import Mapping
from typing import Any

from scorefield.config import usual

# The first edition's defaults of multilevel_dsm.
_LADDER = {"kind": "geometric", "sigma_1": 1.0, "sigma_L": 0.01, "levels": 10}
_OF_GRID = ("t", "rho", "sigma_min", "sigma_max", "ratios")
_CORRECTOR = {"snr": "snr", "corrections": "repeats"}

Section = Mapping[str, Any]


def migrated(values: Section, base: Section | None = None) -> dict[str, Any]:
    """Return the values of a configuration, or of a part of one that is laid over ``base``, in this edition's form."""
    found, base = dict(values), base or {}
    sampling, objective = found.get("sampling"), found.get("objective")
    if isinstance(sampling, Mapping) and (
        not sampling.keys() <= {"sampler", "grid", "generator"} or isinstance(sampling.get("grid"), str)
    ):
        found["sampling"] = flat_sampling(sampling, base.get("sampling"), times=True)
    if isinstance(objective, Mapping):
        found["objective"] = _objective(objective, named(base.get("objective")))
    return found


def stored(values: Section) -> dict[str, Any]:
    """Return the configuration of a checkpoint in today's form.

    Early releases worked in the data's units and started sampling at N(0, σ²), whatever the data. Runs that name no generator of noise used
    PyTorch's.
    """
    found = migrated(values)
    found["train"] = {"generator": "torch", **named(found.get("train"))}
    model = found.get("model")
    if isinstance(model, Mapping) and "location" not in model:
        start = {"start": "noise"} if model.get("kind") == "denoiser" else {}
        found["model"] = {"location": 0.0, "scale": 1.0, **start, **model}
    return found


def flat_sampling(flat: Section, base: object = None, *, times: bool) -> dict[str, Any]:
    """Return the section ``sampling`` of flat settings: of the first edition, or of the options of a command.

    Args:
        flat: settings of sampler and grid, side by side.
        base: the section they are laid over, in this edition's form; where its sampler is another, it does not count.
        times: whether ``steps`` counts times; otherwise transitions.
    """
    before = named(base)
    kind = flat.get("kind", named(before.get("sampler")).get("kind"))
    if kind != named(before.get("sampler")).get("kind"):
        before = {}
    sampler = {**({} if kind is None else {"kind": kind}), **named(flat.get("sampler"))}
    grid, held = named(flat.get("grid")), named(before.get("grid"))
    if "kind" not in held and isinstance(kind, str):
        held = {**usual.sampling(kind)["grid"], **held}
    ladder = grid.get("kind", held.get("kind")) == "ladder"
    rungs: dict[str, Any] = {}
    own = {"generator": flat["generator"]} if "generator" in flat else {}
    for name, value in flat.items():
        if name == "steps" and ladder:
            rungs["levels"] = value
        elif name in ("sigma_1", "sigma_L") and ladder:
            rungs[name] = value
        elif name == "steps":
            grid["steps"] = value - 1 if times and isinstance(value, int) else value
        elif name in _OF_GRID:
            grid[name] = value
        elif name in _CORRECTOR and kind == "pc":
            sampler["corrector"] = {**named(sampler.get("corrector")), _CORRECTOR[name]: value}
        elif name not in ("kind", "grid", "sampler", "generator"):
            sampler[name] = {**named(sampler.get(name)), **value} if isinstance(value, Mapping) else value
    if rungs:
        grid["levels"] = rungs if named(held.get("levels")).get("kind") != "listed" else {"kind": "geometric", **rungs}
    if "ratios" in grid:  # of one kind only
        grid = {"kind": "fitted", **grid}
    if "kind" in grid and not ladder and "steps" in held:
        grid = {"steps": held["steps"], **grid}
    return own | {name: part for name, part in (("sampler", sampler), ("grid", grid)) if part}


def _objective(section: Section, before: Section) -> dict[str, Any]:
    """Return the section of an objective in this edition's form."""
    found, kind = dict(section), section.get("kind", before.get("kind"))
    if kind in ("dsm", "cross_entropy"):
        law = {name: found.pop(name) for name in ("mean", "std") if name in found}
        times = named(found.get("times"))
        if law and times.get("kind", named(before.get("times")).get("kind", "lognormal")) == "lognormal":
            found["times"] = {**times, **law}
    elif kind == "multilevel_dsm":
        ends = {name: found.pop(name) for name in ("sigma_1", "sigma_L") if name in found}
        anew, held = "kind" in section, named(before.get("levels"))
        count = {"levels": found["levels"]} if "levels" in found else {}
        if ends:
            found["levels"] = {**(_LADDER if anew else {}), **ends, **count}
        elif not anew and held.get("sigma_1") is not None and isinstance(found.get("levels"), int):
            found["levels"] = count
    return found


def named(value: object) -> dict[str, Any]:
    """Return a section, which may be written as its kind alone."""
    if isinstance(value, Mapping):
        return dict(value)
    return {} if value is None else {"kind": value}
