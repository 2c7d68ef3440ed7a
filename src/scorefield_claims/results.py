"""Results on disk, and whether they still stand. A claim's lie in a folder of its name: result.json, rows.csv and figure.png.

Beside the figure in pixels lies figure.svg, in lines, except for claims measured before figures were drawn so.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scorefield_claims.basis import basis

__all__ = ["SCHEMA", "Result", "Standing", "as_text", "read", "standing", "stands"]

SCHEMA = 2  # 1 had no "basis"

Result = dict[str, Any]
"""What result.json holds; ``cached`` is added where it was not computed now."""


class Standing(NamedTuple):
    """How a claim's result on disk stands to the code there is now.

    Attributes:
        state: "current" if all it rests on is as it was, "confirmed" if code is not and its numbers are (see `stands`), else "stale";
            "missing" if there is none.
        budget: it was measured at; "" where there is none.
        commit: of the source it was measured with; "" outside a repository.
        dirty: whether that source differed from its commit.
        changed: what is not as it was, of `scorefield_claims.basis.Basis`; empty for results too old to tell.
    """

    state: Literal["current", "confirmed", "stale", "missing"]
    budget: str = ""
    commit: str = ""
    dirty: bool = False
    changed: tuple[str, ...] = ()


def read(place: Path) -> Result | None:
    """Return the result in a folder; None if there is none, or it is not whole."""
    try:
        result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(result, dict) and {"key", "budget", "environment", "verdict", "measures"} <= result.keys()
    whole = whole and all((place / name).exists() for name in ("figure.png", "rows.csv"))
    return result if whole else None


def stands(result: Result, key: str) -> bool:
    """Return whether a result is that of a basis: measured with it, or confirmed with it by ``python -m tools.confirm``."""
    return key in (result["key"], result.get("confirmed", {}).get("key"))


def as_text(result: Result) -> str:
    """Return what result.json holds."""
    return json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def standing(name: str, folder: Path) -> Standing:
    """Return how a claim's result in a folder of results stands."""
    result = read(folder / name)
    if result is None:
        return Standing("missing")
    now = basis(name, result["budget"])
    before = result.get("basis")
    commit = result["environment"]["git"] or ""
    return Standing(
        state="current" if result["key"] == now.key else "confirmed" if stands(result, now.key) else "stale",
        budget=result["budget"],
        commit=commit.removesuffix("-dirty"),  # so schema 1 had it
        dirty=commit.endswith("-dirty") or bool(result["environment"].get("dirty")),
        changed=tuple(now.changes(before)) if before else (),
    )
