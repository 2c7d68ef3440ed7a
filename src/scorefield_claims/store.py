"""Results on disk: ``<folder>/<claim>/`` with result.json, rows.csv and figure.png, kept by the hash of recipe and code."""

import csv
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

import scorefield
from scorefield.metrics import Estimate
from scorefield.training import environment
from scorefield_claims.base import Claim, Finding, Recipe, Row

__all__ = ["SCHEMA", "Result", "find", "key", "load", "reproduce"]

SCHEMA = 1
_ABOVE = ("cli", "app")  # rooms of the library no result depends on

Result = dict[str, Any]
"""What result.json holds; ``cached`` is added where it was not computed now."""


def find(name: str) -> Claim[Any]:
    """Return the claim called ``name``, one of the catalogue's."""
    return import_module(_module(name)).CLAIM


def reproduce(claim: Claim[Any], budget: str, folder: Path, *, force: bool = False) -> Result:
    """Return the result of a claim: the one on disk where recipe and code are the same, else measured now and written.

    Args:
        claim: what to measure.
        budget: "small" or "full".
        folder: where results are kept; this claim's go to a folder of its name.
        force: measure whatever is on disk.
    """
    recipe = claim.recipe(budget)
    place = folder / claim.name
    wanted = key(claim, recipe)  # before the run: the code that runs is the code there is now
    known = None if force else load(place, wanted)
    if known is not None:
        return {**known, "cached": True}
    where = environment(torch.device("cpu"))  # likewise: the files changed below may be part of the source's checkout
    place.mkdir(parents=True, exist_ok=True)
    part = place / "result.json.part"
    part.touch()  # a folder that cannot be written to says so before the hours of a measurement
    began = time.perf_counter()
    finding = claim.measure(recipe)
    (place / "result.json").unlink(missing_ok=True)  # it vouches for the files beside it, which now change
    finding.draw(place / "figure.png")
    seconds = round(time.perf_counter() - began, 1)
    result = {**_result(claim, budget, wanted, finding), "seconds": seconds, "environment": where}
    _write_rows(place / "rows.csv", finding.rows)
    # The last to be written, and whole or not at all.
    part.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(part, place / "result.json")
    return {**result, "cached": False}


def load(place: Path, wanted: str) -> Result | None:
    """Return the result in a folder if its key is the one wanted; None if there is none, or it cannot be read."""
    try:
        result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(result, dict) and all((place / name).exists() for name in ("figure.png", "rows.csv"))
    return result if whole and result.get("key") == wanted else None


def key(claim: Claim[Any], recipe: Recipe) -> str:
    """Return the hash of what a result follows from: the claim, its recipe, the shipped weights, and the code it runs.

    The code is every module of the library but the command line and the app, and every module beside this one but other claims, so that
    adding a claim leaves results valid.
    """
    own = claim.measure.__module__.rpartition(".")[2]
    digest = hashlib.sha256(json.dumps([claim.name, asdict(recipe)], sort_keys=True, default=str).encode())
    digest.update(json.dumps(_weights(claim)).encode())
    for root in (Path(scorefield.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            package, *parts = path.relative_to(root.parent).parts
            if package == "scorefield":
                matters = parts[0] not in _ABOVE
            else:
                matters = parts != ["catalogue.py"] and (parts[0] != "claims" or path.stem == own)
            if matters:
                digest.update("/".join([package, *parts]).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _weights(claim: Claim[Any]) -> dict[str, str]:
    """Return the hash of each shipped model a claim names."""
    root = Path(scorefield.__file__).parent / "weights"
    return {
        name: hashlib.sha256((root / name / "manifest.json").read_bytes()).hexdigest()[:16] for name in claim.models
    }


def _module(name: str) -> str:
    return f"scorefield_claims.claims.{name.replace('-', '_')}"


def _result(claim: Claim[Any], budget: str, wanted: str, finding: Finding) -> Result:
    return {
        "schema": SCHEMA,
        "name": claim.name,
        "claim": claim.statement,
        "source": claim.source,
        "verdict": str(finding.verdict),
        "reason": finding.reason,
        "measures": {name: _interval(estimate) for name, estimate in finding.measures.items()},
        "rows": [{name: _finite(value) for name, value in row.items()} for row in finding.rows],
        "budget": budget,
        "recipe": _plain(asdict(claim.recipe(budget))),
        "models": _weights(claim),
        "key": wanted,
    }


def _interval(estimate: Estimate) -> dict[str, float | None]:
    """Return an estimate with the ends of its 95 % interval."""
    low, high = estimate.interval
    found = {"value": estimate.value, "error": estimate.error, "low": low, "high": high}
    return {name: _finite(number) for name, number in found.items()}


def _finite(value: Any) -> Any:  # noqa: ANN401 whatever a row holds
    """Return a value as JSON knows it: it has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return settings as JSON knows them: numbers, text, lists and mappings; all else by its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return _finite(value) if isinstance(value, bool | int | float | str | None) else str(value)


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table whose columns are all names that occur, in the order they do."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
