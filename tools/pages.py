"""Write the pages of stored evaluations again, without measuring: ``python -m tools.pages`` rewrites results/*/README.md."""

import json
from collections.abc import Iterator
from pathlib import Path

from scorefield.evaluation import calibration_page, page

RESULTS = Path(__file__).parents[1] / "results"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield where each page is, and what it says; a run keeps the name that its page begins with."""
    for path in sorted(RESULTS.glob("*/README.md")):
        name = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        report = path.with_name("evaluation.json")
        if report.exists():
            picture = path.with_name("grid.png").exists()
            yield path, page(json.loads(report.read_text(encoding="utf-8")), name, picture=picture)
        else:
            report = path.with_name("calibration.json")
            yield path, calibration_page(json.loads(report.read_text(encoding="utf-8")), name)


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
