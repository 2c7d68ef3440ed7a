"""Which settings may change when a run is resumed."""

from typing import Any

FREE = frozenset(
    {
        *("comment", "sampling", "guide.weight", "guide.interval", "data.dir"),
        *("train.device", "train.sharding", "train.keep"),
        *("train.log_every", "train.checkpoint_every", "train.sample_every"),
    }
)
"""What may differ between a run and its resumption: nothing of it changes a step before the checkpoint."""


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
