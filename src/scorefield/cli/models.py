"""``scorefield models``: the models that ship with the package, and what each draws."""

import json
from typing import TypedDict

from jsonargparse import Namespace

from scorefield.pretrained import load_trained, shipped_models

__all__ = ["run"]


class Entry(TypedDict):
    """What is said of a model."""

    name: str
    kind: str
    data: str
    event: list[int]
    weights: int


def run(args: Namespace) -> int:
    """Print name, kind, data, shape of an event and number of weights of each; return 0."""
    found = [_entry(name) for name in shipped_models()]
    print(json.dumps(found) if args.json else "\n".join(map(_line, found)))
    return 0


def _entry(name: str) -> Entry:
    loaded = load_trained(name)
    weights = sum(part.numel() for part in loaded.model.parameters())
    kind, data = loaded.config.model.kind, loaded.config.data.kind
    return {"name": name, "kind": kind, "data": data, "event": list(loaded.event), "weights": weights}


def _line(entry: Entry) -> str:
    shape = " × ".join(map(str, entry["event"]))
    return f"{entry['name']:<18} {entry['kind']:<12} {entry['data']:<10} {shape:<14} {entry['weights']:>10,} weights"
