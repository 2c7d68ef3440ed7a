"""``scorefield reproduce``: measure claims of the papers, and report which hold."""

import os
import time
import traceback
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, level, tell
from scorefield.cli.files import make_folder
from scorefield.cli.options import command
from scorefield.errors import ConfigError
from scorefield_claims.catalogue import BUDGETS, CLAIMS

_DIED = (
    "its process ended, or another's that ran beside it: killed, or out of memory; run it again, what is done is kept"
)


class _Measured(NamedTuple):
    """A claim's row of the table, what is printed of it, and the traceback of a crash."""

    row: tuple[str, str, str, str]
    text: str
    trace: str = ""


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Measure claims of the papers: each ends in a verdict (PASS, FAIL, HOLDS_ONLY_IF, CANNOT_BE_TOLD), a figure, JSON and CSV. "
        "Results are kept: the same recipe with the same weights and code is not run twice. Processes of torchrun share the claims."
    )
    parser.add_argument("names", nargs="*", type=str, metavar="NAME", help="claims to measure; --list shows them")
    parser.add_argument("--all", action="store_true", help="measure every claim")
    parser.add_argument("--list", action="store_true", help="print the claims, and stop")
    parser.add_argument(
        "--status",
        action="store_true",
        help="print for each result whether the code has changed since it was measured, and stop",
    )
    parser.option("--budget", "small: about a minute a claim; full: minutes to hours", choices=BUDGETS, default="small")
    parser.option("--out FOLDER", "results go to FOLDER/NAME", default="results")
    parser.add_argument("--force", action="store_true", help="measure again what already has a result")
    return parser


def run(args: Namespace) -> int:
    """Measure the claims asked for; return 0 if all ran, whatever was found, and 1 if one crashed."""
    if args.list:
        width = max(map(len, CLAIMS))
        print("\n".join(f"{name:{width}}  {text}" for name, text in CLAIMS.items()))
        return 0
    names = _chosen(args)
    if args.status:
        from scorefield_claims.wording import status_row

        print(
            _table(("claim", "result", "measured at", "changed since"), [status_row(n, Path(args.out)) for n in names])
        )
        return 0
    from scorefield.cli.workers import each  # torch comes with it, and a wrong name should not wait

    folder = make_folder(Path(args.out))
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    names = names[rank::world]  # claims know nothing of each other: processes need not wait, nor talk
    measured: dict[str, _Measured] = {}
    with Progress(len(names), "measuring", unit="claims") as progress:
        for name, found in each(partial(_one, budget=args.budget, folder=folder, force=args.force), names):
            measured[name] = found or _Measured((name, "CRASHED", _DIED, ""), f"{name}: CRASHED, {_DIED}")
            _tell(measured[name])
            progress.advance(last=f"{name} {measured[name].row[1]}")
    print(_table(("claim", "verdict", "measured", "seconds"), [measured[name].row for name in names]))
    if world > 1:
        tell(
            f"these are claims of process {rank} of {world}; the same command without torchrun shows all, from what is kept"
        )
    return int(any(found.row[1] == "CRASHED" for found in measured.values()))


def _chosen(args: Namespace) -> list[str]:
    """Return the names asked for, in the catalogue's order."""
    known = ", ".join(CLAIMS)
    if args.status and not args.names:
        return list(CLAIMS)
    if bool(args.names) == args.all:
        raise ConfigError(
            f"reproduce needs NAMEs, or --all, --list or --status; received {args.names or 'neither'}. Names: {known}"
        )
    unknown = [name for name in args.names if name not in CLAIMS]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: no such claim. Names: {known}")
    return [name for name in CLAIMS if args.all or name in args.names]


def _one(name: str, *, budget: str, folder: Path, force: bool) -> _Measured:
    """Measure one claim; a crash must not end the others."""
    from scorefield_claims.store import find, reproduce
    from scorefield_claims.wording import finding, in_words

    began = time.perf_counter()
    try:
        result = reproduce(find(name), budget, folder, force=force)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        row = (name, "CRASHED", what.partition("\n")[0], f"{time.perf_counter() - began:7.1f}")
        return _Measured(row, f"{name}: CRASHED, {what}", traceback.format_exc())
    measured, number = next(iter(result["measures"].items()))
    seconds = " cached" if result["cached"] else f"{result['seconds']:7.1f}"
    row = (name, result["verdict"], f"{measured} = {in_words(number)}", seconds)
    return _Measured(row, finding(result, folder / name))


def _tell(found: _Measured) -> None:
    """Print what was found; a crash to stderr, with its traceback where that is wanted."""
    if found.row[1] != "CRASHED":
        print(found.text, flush=True)
        return
    tell(found.text)
    if level() == "debug":
        tell(found.trace)


def _table(heading: tuple[str, ...], rows: list[tuple[str, str, str, str]]) -> str:
    """Return rows under a heading, in columns."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
