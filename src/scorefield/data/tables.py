"""Tables of text, such as .csv files: their columns are numbers, named in the first line."""

import csv
import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from scorefield.data._files import refusal, regular_file
from scorefield.data.arrays import are_classes, dataset_of
from scorefield.data.dataset import Dataset
from scorefield.errors import DataError

TABLE_SUFFIXES = (".csv", ".tsv")
_EXPECTED = "a table of numbers, a line per example, columns apart by commas, semicolons or tabs"
LABELS = ("label", "labels")
_HEADER = 2**20  # characters a first line may have
_CELL = re.compile(r"could not convert string (.*) to float64 at row (\d+), column (\d+)", re.DOTALL)


def from_table_file(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> Dataset:
    """Return the rows of a table as examples of shape (d,).

    A first line that is not all numbers names the columns. Columns are separated by tabs, semicolons or commas: the first of these, in this
    order, that occurs in that line. Decimals are written with a point. A column called label or labels holds class numbers from 0.

    Args:
        path: the file.
        columns: names of those to learn, in this order; all but the labels when absent. Beside those that are named, labels that are no
            class numbers are left out.

    Raises:
        DataError: it is another kind of file, names are missing, repeated or unknown, or a cell is not a finite number.
    """
    path = regular_file(path, _EXPECTED)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(_HEADER)
            if len(first) == _HEADER and not first.endswith("\n"):
                what = f"a first line of more than {_HEADER:,} characters"
                raise refusal(path, what, "names or numbers of fewer", "Save it as a .npy file.")
            delimiter = delimiter_of(first)
            head = next(csv.reader([first], delimiter=delimiter), [])
            bare = columns is None and None not in map(number, head)
            names = None if bare else [name.strip() for name in head]
            below = next(csv.reader(filter(str.strip, file), delimiter=delimiter), head)
            if first.startswith("sep=") or (len(below) != len(head) and (first.startswith("#") or not first.strip())):
                remedy = "Leave out what stands above the names."
                raise refusal(path, f"a first line {first.strip()!r:.60}", "names of columns, or numbers", remedy)
            if len(below) != len(head):
                what = f"{len(head)} cells in the first line and {len(below)} in the next"
                raise refusal(path, what, "as many in each", "An index that was saved too? Leave it out, or name it.")
            wanted, labels = _chosen(path, names, len(head), columns)
            kinds = None if columns is None or not labels else _labels(path, delimiter, labels, names, len(head))
            labels = labels if columns is None else []
            numbers = _numbers(path, delimiter, wanted + labels, names, len(head))
            if bare:
                _refuse_names(path, head, numbers[1:])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refusal(path, f"a file that cannot be read ({error})", _EXPECTED, "Save it as UTF-8 text.") from error
    x, rest = numbers[:, : len(wanted)], numbers[:, len(wanted) :]
    found = dataset_of(x, rest[:, 0] if labels else kinds, path.stem, source=path)
    return replace(found, columns=None if names is None else tuple(names[k] for k in wanted))


def delimiter_of(line: str) -> str:
    """Return what separates columns: the first of tab, semicolon and comma, in this order, that is found."""
    return next((mark for mark in "\t;," if mark in line), ",")


def write_table(path: Path, x: Float[Tensor, "n d"], columns: Sequence[str] | None) -> None:
    """Write rows as `from_table_file` reads them, to nine digits, which are all that float32 has."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        if columns is not None:
            writer.writerow(columns)
        writer.writerows([f"{value:.9g}" for value in row] for row in x.tolist())


def number(cell: str) -> float | None:
    """Return the number in a cell; None for other text, such as 1_000, which Python alone takes for one."""
    try:
        return float(cell) if cell.strip().isascii() and "_" not in cell else None
    except ValueError:
        return None


def _chosen(
    path: Path, names: list[str] | None, width: int, columns: Sequence[str] | None
) -> tuple[list[int], list[int]]:
    """Return the positions of the columns to learn, and of the labels where there are some."""
    if names is None:
        return list(range(width)), []
    if "" in names:
        what = f"no name for column {names.index('') + 1}"
        raise refusal(path, what, "one for each", "An index that was saved too? Leave it out, or name the columns.")
    for listed, where, remedy in ((names, "", "Rename one"), (columns or (), " in data.columns", "Leave one out")):
        double = next((name for name, times in Counter(listed).most_common(1) if times > 1), None)
        if double is not None:
            raise refusal(path, f"two columns called {double!r}{where}", "a name for each", f"{remedy}.")
    place = {name: k for k, name in enumerate(names)}
    unknown = [name for name in columns or () if name not in place]
    if unknown:
        raise refusal(path, f"no column {unknown[0]!r}", f"some of {', '.join(names)}", "Correct data.columns.")
    labels = [k for k, name in enumerate(names) if name in LABELS and name not in (columns or ())]
    if len(labels) > 1:
        raise refusal(path, "both label and labels", "one of them", "Rename the other, or name it in data.columns.")
    return [place[name] for name in columns or names if place[name] not in labels], labels


def _refuse_names(path: Path, head: list[str], rows: Float64[ndarray, "n d"]) -> None:
    """Refuse a first line of other whole numbers which may be names: it counts from 0, or only fractions are below."""
    counted = len(head) > 1 and [cell.strip() for cell in head] == [str(k) for k in range(len(head))]
    alone = all(cell.strip().isdecimal() for cell in head) and bool((rows % 1 != 0).any(axis=0).all())
    if len(rows) and len(set(head)) == len(head) and (counted or alone):
        what = f"a first line {','.join(head):.60}, which may be names of columns or an example"
        remedy = "If they are names, name those to learn: data.columns; if not, write names in a line before it."
        raise refusal(path, what, "names of columns", remedy)


def _labels(
    path: Path, delimiter: str, places: list[int], names: list[str] | None, width: int
) -> Float64[ndarray, " n"] | None:
    """Return the labels beside columns that were named; None where they are no class numbers: whoever named those has seen the rest."""
    try:
        found = _numbers(path, delimiter, places, names, width)[:, 0]
    except DataError:
        return None
    return found if are_classes(found, len(found)) else None


def _numbers(
    path: Path, delimiter: str, places: list[int], names: list[str] | None, width: int
) -> Float64[ndarray, "n d"]:
    """Return the columns at ``places`` of a table with ``width`` columns."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of no rows, which are refused by name
            found = np.loadtxt(
                path,
                comments=None,
                delimiter=delimiter,
                skiprows=0 if names is None else 1,
                usecols=places if len(places) < width else None,  # of all, rows that are longer are told
                ndmin=2,
                encoding="utf-8-sig",
                quotechar='"',
            )
    except ValueError as error:
        cell = _CELL.search(str(error))
        if cell is None:
            raise refusal(
                path, f"lines that differ ({str(error).partition(';')[0]})", _EXPECTED, "Give all lines as many cells."
            ) from error
        text, row, column = cell.groups()
        where = f"column {column}" if names is None else f"column {names[int(column) - 1]!r}"
        remedy = "Fill or leave out what is missing, write decimals with a point"
        remedy += "." if names is None else ", or name the columns to learn: data.columns."
        raise refusal(
            path,
            f"{text} in {where} of row {int(row) + 1}",
            _EXPECTED if width == 1 else "a number in every cell",
            remedy,
        ) from error
    if not len(found):
        raise refusal(path, "no row of numbers", _EXPECTED, "Write an example per line, below the names.")
    return found if len(places) < width else found[:, places]
