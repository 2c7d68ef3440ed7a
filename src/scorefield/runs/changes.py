"""The configuration of a checkpoint, and what may differ between it and that of the run that goes on."""

from typing import Any

from scorefield.config import RunConfig, stored, validate
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint

__all__ = ["FREE", "configuration_of", "differences"]

FREE = frozenset(
    {
        *("comment", "sampling", "guide.weight", "guide.interval", "data.dir"),
        *("train.device", "train.sharding", "train.keep"),
        *("train.log_every", "train.checkpoint_every", "train.sample_every"),
    }
)
"""What may differ between a run and its resumption: nothing of it changes a step before the checkpoint."""


def configuration_of(found: checkpoint.Checkpoint) -> RunConfig:
    """Return the configuration of a checkpoint, in this edition's form.

    Raises:
        CheckpointError: it has none.
    """
    values = found.state.get("config")
    if not isinstance(values, dict):
        raise CheckpointError(f"{found.path}: has no configuration; it was not written by a run")
    return validate(RunConfig, stored(values), f"{found.path}/state.json")


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Return "key: old → new" for every setting that differs and matters."""
    found: list[str] = []
    for key in sorted({*old, *new}):
        name, before, after = prefix + key, old.get(key), new.get(key)
        if name in FREE or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, name + ".")
        else:
            found.append(f"{name}: {before!r} → {after!r}")
    return found
