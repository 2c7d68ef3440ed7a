"""``python report/build.py [NAME ...]``: compile report.typ and poster.typ from the results on disk to PDFs beside them.

Every number and figure is read from the repository's results when the documents are compiled; nothing is typed into them. What Typst
cannot find out by itself, it is given as one JSON value, ``index``: which result files exist, which claims the catalogue lists, what is
said of each, how large figures are, the table of guidance bias and the README's program. Two builds of the same results are equal to
the byte: fonts are Typst's own and Matplotlib's, never the system's, and the time in the PDF is fixed.
"""

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("report", "poster")
TIMESTAMP = 1_767_225_600  # seconds: the start of 2026; a PDF carries a time, and this one says nothing
CATALOGUE = "src/scorefield_claims/catalogue.py"
GUIDANCE = "docs/guidance_bias.md"
RESULTS = ("results/**/*.json", "results/**/*.png", "results/**/*.svg", "benchmarks/results.json")

Index = dict[str, Any]


class ReportError(Exception):
    """The report cannot be made; the message says what is missing and which command makes it."""


def build(name: str, root: Path, out: Path, *, png: bool = False) -> list[Path]:
    """Compile a document, and return the files written.

    Args:
        name: "report" or "poster".
        root: a folder laid out as the repository.
        out: where the PDF goes.
        png: write one picture per page instead, to look at.

    Raises:
        ReportError: a result that the document shows is missing, or has not what it shows.
    """
    import typst  # an extra

    options = {
        "root": str(root),
        "font_paths": [str(_fonts())],
        "ignore_system_fonts": True,
        "sys_inputs": {"index": json.dumps(index(root), sort_keys=True)},
        "timestamp": TIMESTAMP,
    }
    source = str(root / "report" / f"{name}.typ")
    try:
        if not png:
            made = [typst.compile(source, **options)]
        else:
            made = typst.compile(source, format="png", ppi=100 if name == "report" else 40, **options)
    except typst.TypstError as error:
        raise ReportError(f"{name}: {_plain(error)}") from error
    pages = made if isinstance(made, list) else [made]
    places = [out / (f"{name}-{k + 1:02}.png" if png else f"{name}.pdf") for k in range(len(pages))]
    out.mkdir(parents=True, exist_ok=True)
    for place, content in zip(places, pages, strict=True):
        place.write_bytes(content)
    return places


def index(root: Path) -> Index:
    """Return what the documents are given of the repository."""
    from scorefield_claims.drawing import PRINTED
    from scorefield_claims.wording import caption, plain, reason

    catalogue = dict(_assigned(_read(root, CATALOGUE), "CLAIMS"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in root.glob("results/reproduce/*/result.json")]
    measured = {result["name"] for result in results}
    return {
        "version": _assigned(_read(root, "src/scorefield/__init__.py"), "__version__"),
        "files": sorted(path.relative_to(root).as_posix() for pattern in RESULTS for path in root.glob(pattern)),
        # The catalogue's order first; then what was measured and is not in it.
        "claims": [
            {"name": name, "summary": catalogue.get(name), "measured": name in measured}
            for name in [*catalogue, *sorted(measured - catalogue.keys())]
        ],
        "said": {
            result["name"]: {
                "reason": reason(result),
                "caption": caption(result["name"]) if result["name"] in catalogue else "",
                "names": {name: plain(name) for name in result["measures"]},
            }
            for result in results
        },
        "printed": PRINTED,
        "guidance": guidance(_read(root, GUIDANCE)),
        "program": _program(_read(root, "README.md")),
    }


def guidance(page: str) -> Index:
    """Return the tables of docs/guidance_bias.md, cell by cell, and the settings its introduction states.

    Raises:
        ReportError: the page is not as `benchmarks.guidance_bias` writes it.
    """
    stated = re.search(r"(\d+) samples, (\d+) steps.*?with noise ([\d.]*\d)", page, re.DOTALL)
    problems = []
    for section in page.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        if len(cells) < 3 or len({len(row) for row in cells}) > 1:
            raise ReportError(
                f'{GUIDANCE}: no table under "{title}"; write it with `python -m benchmarks.guidance_bias`'
            )
        problems.append({"title": title, "columns": cells[0][2:], "rows": [_method(row) for row in cells[2:]]})
    if stated is None or not problems or len({tuple(row["method"] for row in p["rows"]) for p in problems}) > 1:
        raise ReportError(
            f"{GUIDANCE}: expected its settings and tables of the same methods; write it with `python -m benchmarks.guidance_bias`"
        )
    samples, steps, noise = stated.groups()
    return {"samples": int(samples), "steps": int(steps), "noise": float(noise), "problems": problems}


def _method(row: list[str]) -> Index:
    """Return a row of the table of guidance bias: a method, its cost, and (value, standard error) column by column."""
    name, evaluations, *cells = row
    return {
        "method": name.replace("`", ""),
        "evaluations": int(evaluations),
        "cells": [[float(part) for part in cell.split("±")] for cell in cells],
    }


def _read(root: Path, name: str) -> str:
    """Return the text of a file of the repository."""
    try:
        return (root / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReportError(f"{name}: no such file under {root}; the report is built inside the repository") from None


def _assigned(source: str, name: str) -> Any:  # noqa: ANN401 whatever literal stands there
    """Return the literal that a module assigns to a name; the module is read, not run."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    raise ReportError(f"no {name} = ... where one was expected")


def _program(readme: str) -> str:
    """Return the README's program, so that the poster shows the one that is tested."""
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    if block is None:
        raise ReportError("README.md: no ```python block, and the poster shows its first")
    return block[1].strip()


def _plain(error: Any) -> str:  # noqa: ANN401 a typst.TypstError
    """Return what results.typ said when it stopped the build, or else the compiler's own words."""
    said = error.message.removeprefix("panicked with: ")
    return error.diagnostic if said == error.message else said.strip('"').replace('\\"', '"')


def _fonts() -> Path:
    """Return the folder of DejaVu, which comes with Matplotlib."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def main(arguments: list[str] | None = None) -> int:
    """Build what was asked for; return 0, or 2 if something it needs is missing."""
    parser = argparse.ArgumentParser(description="Compile the report and the poster from the results on disk.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DOCUMENTS)}; both if none is given")
    parser.add_argument("--out", type=Path, default=ROOT / "report", help="where the PDFs go (report/)")
    parser.add_argument("--png", action="store_true", help="pages as pictures instead")
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.names) - set(DOCUMENTS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such document; choose from {', '.join(DOCUMENTS)}")
    try:
        for name in args.names or DOCUMENTS:
            print(*build(name, ROOT, args.out, png=args.png), sep="\n")
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; run `pip install 'scorefield[report]'`", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
