"""The cards of the models in the package, and the pages of evaluations, say what is there and what was measured."""

import runpy
from pathlib import Path

import pytest

from scorefield.hub import results_table
from scorefield.pretrained import shipped_models

TOOLS = Path(__file__).parents[1] / "tools"
SHIP = runpy.run_path(str(TOOLS / "ship.py"))
PAGES = dict(runpy.run_path(str(TOOLS / "pages.py"))["pages"]())


@pytest.mark.parametrize("name", shipped_models())
def test_the_card_of_a_shipped_model_is_the_one_its_files_give(name: str) -> None:
    written = (SHIP["WEIGHTS"] / name / "README.md").read_text(encoding="utf-8")
    assert written == SHIP["card"](name), "python tools/ship.py writes it anew"
    assert "## Evaluation" in written


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_file_is_at_most_8_megabytes(name: str) -> None:
    assert max(file.stat().st_size for file in (SHIP["WEIGHTS"] / name).iterdir()) <= 8e6


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.parent.name)
def test_the_page_of_an_evaluation_is_the_one_its_report_gives(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path], "python -m tools.pages writes it anew"


def test_text_of_a_table_stays_in_its_cell() -> None:
    assert results_table({"P(a|b)": {"value": 0.25, "error": 0.01}, "two\nlines": [1, 2.5]}).splitlines()[2:] == [
        "| P(a\\|b) | 0.250 ± 0.010 |",
        "| two lines | 1, 2.5 |",
    ]
