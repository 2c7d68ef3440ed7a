"""The cards of the models in the package say what is there and what was measured."""

import runpy
from pathlib import Path

import pytest

from scorefield.pretrained import shipped_models

SHIP = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "ship.py"))


@pytest.mark.parametrize("name", shipped_models())
def test_the_card_of_a_shipped_model_is_the_one_its_files_give(name: str) -> None:
    written = (SHIP["WEIGHTS"] / name / "README.md").read_text(encoding="utf-8")
    assert written == SHIP["card"](name), "python tools/ship.py writes it anew"
    assert "## Evaluation" in written


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_file_is_at_most_8_megabytes(name: str) -> None:
    assert max(file.stat().st_size for file in (SHIP["WEIGHTS"] / name).iterdir()) <= 8e6
