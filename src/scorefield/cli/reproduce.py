"""``scorefield reproduce``: measure claims of the papers, and say which hold."""

import sys
import time
import traceback
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.cli.console import Progress
from scorefield.experiments.catalogue import CLAIMS

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Measure what was asked for; return 0 if all of it ran, whatever was found, and 1 if something crashed."""
    if args.list:
        width = max(map(len, CLAIMS))
        print("\n".join(f"{name:{width}}  {text}" for name, text in CLAIMS.items()))
        return 0
    names = _chosen(args)
    from scorefield.experiments.store import make_folder  # torch comes with it, and a wrong name should not wait

    folder = make_folder(Path(args.out))
    rows: list[tuple[str, str, str, str]] = []
    crashed = False
    with Progress(len(names), "claims") as progress:
        for name in names:
            began = time.perf_counter()
            try:
                rows.append(_one(name, args.budget, folder, force=args.force))
            except Exception as error:  # a claim that crashes must not take the others with it
                crashed = True
                took = f"{time.perf_counter() - began:.1f}"
                rows.append((name, "CRASHED", f"{type(error).__name__}: {error}", took))
                print(f"{name}: CRASHED, {type(error).__name__}: {error}", file=sys.stderr)
                if args.verbose:
                    traceback.print_exc()
            progress.advance(last=f"{name} {rows[-1][1]}")
    print(_table(rows))
    return int(crashed)


def _chosen(args: Namespace) -> list[str]:
    """Return the names asked for, in the catalogue's order."""
    known = ", ".join(CLAIMS)
    if bool(args.names) == args.all:
        raise ConfigError(
            f"reproduce needs NAMEs, or --all, or --list; received {args.names or 'neither'}. Names: {known}"
        )
    unknown = [name for name in args.names if name not in CLAIMS]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: no such claim. Names: {known}")
    return [name for name in CLAIMS if args.all or name in args.names]


def _one(name: str, budget: str, folder: Path, *, force: bool) -> tuple[str, str, str, str]:
    """Measure one claim and print its finding; return its row of the table."""
    from scorefield.experiments.store import find, reproduce

    result = reproduce(find(name), budget, folder, force=force)
    print(_finding(result, folder / name), flush=True)
    measured, number = next(iter(result["measures"].items()))
    seconds = "cached" if result["cached"] else f"{result['seconds']:.1f}"
    return name, result["verdict"], f"{measured} = {_number(number)}", seconds


def _finding(result: dict[str, Any], place: Path) -> str:
    """Return a verdict with its reason and numbers."""
    how = "kept from before" if result["cached"] else f"{result['seconds']:.1f} s"
    numbers = "".join(f"\n  {name} = {_number(value)}" for name, value in result["measures"].items())
    return (
        f"{result['name']}: {result['verdict']} ({how})\n  claim: {result['claim']}\n  source: {result['source']}\n"
        f"  {result['reason']}{numbers}\n  {place}/figure.png, result.json, rows.csv\n"
    )


def _number(measured: dict[str, float]) -> str:
    """Return a value and, where chance was part of it, its 95 % interval."""
    if measured["value"] is None:
        return "not finite"
    if not measured["error"]:
        return f"{measured['value']:.4g}"
    return f"{measured['value']:.4g} [{measured['low']:.4g}, {measured['high']:.4g}]"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    """Return rows under a heading, in columns."""
    lines = [("claim", "verdict", "measured", "seconds"), *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(4)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=False)), line[3].rjust(widths[3])]
        )
        for line in lines
    )
