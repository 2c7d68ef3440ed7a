"""``scorefield impute``: fill the empty cells of a table with values drawn from the model, given the others of their row."""

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, warn
from scorefield.cli.files import writable, written
from scorefield.cli.options import Whole0, command, device, model, report
from scorefield.errors import ConfigError, DataError

if TYPE_CHECKING:
    from scorefield.loaded import LoadedModel

_GAPS = ("", "nan", "na", "n/a", "null")
_STEPS, _BATCH = 100, 256


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Fill the empty cells of a table (also nan, na, n/a and null) with draws from the model's distribution, conditioned on the known "
        "cells of the row. Known cells keep their text, and so do columns that the model does not know. Another seed is another imputation."
    )
    model(parser)
    parser.option("table TABLE", "a .csv or .tsv with the columns that the model learned")
    parser.option("--seed", "decides what is drawn", Whole0, default=0)
    parser.option("--out FILE", ".csv or .tsv; imputed.csv by default", default="imputed.csv")
    device(parser)
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Read, fill, write, report; return the exit code."""
    import torch

    from scorefield.config import refusals
    from scorefield.config.sampling import changed
    from scorefield.data.tables import TABLE_SUFFIXES
    from scorefield.evaluation import impute
    from scorefield.grids import times_of
    from scorefield.pretrained import load_model
    from scorefield.training import pick_device

    out = writable(args.out, TABLE_SUFFIXES, read=(args.table,))
    loaded = load_model(args.model, pick_device(args.device), warn=warn)
    loaded.require_score("imputation")
    table = _read(args.table, loaded)
    x = torch.tensor(table.values, dtype=torch.float64)
    gaps = Counter(tuple(row) for row in x.isnan().tolist() if any(row))
    with refusals("command line"):
        labels = None if table.labels is None else torch.tensor(table.labels)
        steered = loaded.steered(labels=labels, guide=0.0)
        grid = changed(loaded.config.sampling, "ancestral", _STEPS, {}, "impute").build(steered.process)[1]
        steps = len(times_of(grid, steered.process)) - 1
        with Progress(steps * sum(-(-n // _BATCH) for n in gaps.values()), f"filling {args.table}") as progress:
            filled = impute(
                steered, x, grid=grid, seed=args.seed, batch_size=_BATCH, on_step=lambda _: progress.advance()
            )
    for cells, values, before in zip(table.rows, filled.tolist(), table.values, strict=True):
        for k, value, old in zip(table.places, values, before, strict=True):
            cells[k] = f"{value:.9g}" if math.isnan(old) else cells[k]
    with written(out) as place, place.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if out.suffix == ".tsv" else table.delimiter, lineterminator="\n").writerows(
            table.head + table.rows
        )
    told = {
        "out": str(out),
        "rows": len(x),
        "filled": int(x.isnan().sum()),
        "of_rows": sum(gaps.values()),
        "seed": args.seed,
    }
    text = "{out}: {filled} cells filled, in {of_rows} of {rows} rows".format(**told)
    print(json.dumps(told) if args.json else text)
    return 0


class _Table(NamedTuple):
    """The text of a table, and the columns that the model learned."""

    delimiter: str
    head: list[list[str]]
    """The line of names, if there is one."""
    rows: list[list[str]]
    places: list[int]
    """Of the model's columns."""
    values: list[list[float]]
    """Theirs, NaN where a cell is empty."""
    labels: list[int] | None


def _read(name: str, loaded: "LoadedModel") -> _Table:
    """Return a table for a model of tables."""
    from scorefield.data.arrays import class_numbers
    from scorefield.data.tables import LABELS, delimiter_of

    if len(loaded.event) != 1:
        raise ConfigError(
            f"impute fills gaps in tables; {loaded.source.name} draws samples of shape {loaded.event}: name a model of a table, "
            "or restore images with inpaint"
        )
    columns = loaded.config.data.columns
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as file:
            delimiter = delimiter_of(file.readline())
            file.seek(0)
            lines = [cells for cells in csv.reader(file, delimiter=delimiter) if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name}: cannot be read ({error}); expected a table, as UTF-8 text") from error
    first = [cell.strip() for cell in lines[0]] if lines else []
    head = lines[:1] if columns or any(_number(cell) is None for cell in first) else []
    rows = lines[len(head) :]
    wanted = first if columns is None else list(columns)
    if absent := [column for column in wanted if column not in first]:
        raise DataError(f"{name}: no column {absent[0]!r}; {loaded.source} learned {', '.join(wanted)}")
    if head and (double := [column for column in wanted if first.count(column) > 1]):
        raise DataError(
            f"{name}: two columns called {double[0]!r}; expected a name for each. Rename one, or leave it out."
        )
    if not rows:
        raise DataError(f"{name}: no rows; expected a line for every row to fill")
    places = list(range(len(first))) if columns is None else [first.index(column) for column in wanted]
    if len(places) != loaded.event[0] or any(len(cells) != len(first) for cells in rows):
        raise DataError(f"{name}: expected {loaded.event[0]} columns in every row, as {loaded.source} learned")
    labels = None
    if loaded.model.classes is not None and (known := [k for k, text in enumerate(first) if head and text in LABELS]):
        found = [_cell(name, head, row, cells, known[0], gaps=False) for row, cells in enumerate(rows, 1)]
        labels = class_numbers(name, found, len(rows)).tolist()
    values = [[_cell(name, head, row, cells, k) for k in places] for row, cells in enumerate(rows, 1)]
    return _Table(delimiter, head, rows, places, values, labels)


def _cell(name: str, head: list[list[str]], row: int, cells: list[str], k: int, *, gaps: bool = True) -> float:
    """Return the number in a cell, NaN for a gap where there may be one."""
    value = _number(cells[k])
    if value is None or math.isinf(value) or (math.isnan(value) and not gaps):
        column = repr(head[0][k].strip()) if head else k + 1
        raise DataError(
            f"{name}: {cells[k]!r:.60} in column {column} of row {row}; expected a number{', or nothing' * gaps}"
        )
    return value


def _number(cell: str) -> float | None:
    """Return what a cell holds: a number, NaN for a gap, None for other text."""
    from scorefield.data.tables import number

    return math.nan if cell.strip().lower() in _GAPS else number(cell)
