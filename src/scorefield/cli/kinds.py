"""The kinds of configurations and their settings, for help: read from kinds.json, which ``python -m tools.kinds`` writes, without torch."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table() -> dict[str, Any]:
    """Return kinds, each with its summary and its settings' defaults, by section; settings and defaults of sections without kinds."""
    return json.loads((files("scorefield.cli") / "kinds.json").read_text(encoding="utf-8"))


def settings(section: str) -> str:
    """Return what a section accepts, for a line of help."""
    if section == "sampling":
        return f"Samplers: {_kinds('sampler')}. Grids: {_kinds('grid')}"
    if section in ("data", "train", "guide"):
        kinds = f"Kinds: {', '.join(table()['kinds of data'])}. " if section == "data" else ""
        return f"{kinds}Settings: {', '.join(name for name in table()[section] if name != 'kind')}"
    return f"Kinds: {_kinds(section)}"


def _kinds(section: str) -> str:
    """Return kinds with the names of their settings."""
    words = (
        f"{kind} ({', '.join(entry['settings'])})" if entry["settings"] else kind
        for kind, entry in table()[section].items()
    )
    return ", ".join(words)
