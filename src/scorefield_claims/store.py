"""Measuring claims and writing what was found, once per basis (`scorefield_claims.basis`)."""

import csv
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch

from scorefield.metrics import Estimate
from scorefield.training import environment
from scorefield_claims.base import Claim, Finding, Row
from scorefield_claims.basis import PACKAGES, Basis, basis
from scorefield_claims.catalogue import module_of
from scorefield_claims.results import SCHEMA, Result, as_text, read, stands

__all__ = ["find", "judged", "reproduce", "source"]

Value = TypeVar("Value")


def find(name: str) -> Claim[Any]:
    """Return the claim called ``name``, one of the catalogue's."""
    return import_module(module_of(name)).CLAIM


def reproduce(claim: Claim[Any], budget: str, folder: Path, *, force: bool = False) -> Result:
    """Return the result of a claim: the one on disk where it rests on what there is now, else measured now and written.

    Args:
        claim: what to measure.
        budget: "small" or "full".
        folder: where results are kept; this claim's go to a folder of its name.
        force: measure whatever is on disk.
    """
    place = folder / claim.name
    rests = basis(claim.name, budget)  # before the run: the code that runs is the code there is now
    known = None if force else read(place)
    if known is not None and stands(known, rests.key):
        return {**known, "cached": True}
    where = {**environment(torch.device("cpu")), **source()}  # likewise
    place.mkdir(parents=True, exist_ok=True)
    # A folder that cannot be written to says so before the hours of a measurement.
    with tempfile.TemporaryDirectory(prefix=".", dir=place) as name:
        made = Path(name)
        began = time.perf_counter()
        finding = claim.measure(claim.recipe(budget))
        for kind in ("png", "svg"):
            finding.draw(made / f"figure.{kind}")
        seconds = round(time.perf_counter() - began, 1)
        result = {**_result(claim, budget, rests, finding), "seconds": seconds, "environment": where}
        _write_rows(made / "rows.csv", finding.rows)
        (made / "result.json").write_text(as_text(result), encoding="utf-8")
        (place / "result.json").unlink(missing_ok=True)  # it vouches for the files beside it, which now change
        for file in ("figure.png", "figure.svg", "rows.csv", "result.json"):
            os.replace(made / file, place / file)
    return {**result, "cached": False}


def judged(claim: Claim[Any], result: Result) -> Result:
    """Return a stored result with the verdict that the present rule gives its numbers; as it is where the claim has no ``judge``."""
    if claim.judge is None:
        return result
    recipe = replace(claim.recipe(result["budget"]), **result["recipe"])
    measures = {
        name: Estimate(found["value"], found["error"], (found["low"], found["high"]))
        for name, found in result["measures"].items()
    }
    verdict, reason = claim.judge(recipe, measures, result["rows"])
    return {**result, "verdict": str(verdict), "reason": reason}


def source() -> dict[str, Any]:
    """Return the commit of the source, None where it is in no repository, and the files of the two packages that are not as in it."""
    commit = _git("rev-parse", "--short=12", "HEAD") if _git("ls-files", *_FOLDERS) else None
    changed = _git("status", "--porcelain", "--", *_FOLDERS) if commit else None
    return {"git": commit, "dirty": [line[3:] for line in (changed or "").splitlines()]}


_FOLDERS = tuple(map(str, PACKAGES.values()))


def _git(*command: str) -> str | None:
    """Return what git says of the source, or None where it says nothing."""
    whole = ["git", "-C", _FOLDERS[0], *command]
    try:
        done = subprocess.run(whole, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip() or None


def _result(claim: Claim[Any], budget: str, rests: Basis, finding: Finding) -> Result:
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
        "key": rests.key,
        "basis": asdict(rests),
    }


def _interval(estimate: Estimate) -> dict[str, float | None]:
    """Return an estimate with the ends of its 95 % interval."""
    low, high = estimate.interval
    found = {"value": estimate.value, "error": estimate.error, "low": low, "high": high}
    return {name: _finite(number) for name, number in found.items()}


def _finite(value: Value) -> Value | None:
    """Return a value as JSON knows it: it has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
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
