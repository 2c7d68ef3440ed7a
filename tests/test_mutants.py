"""The mistakes that make mutants writes into the sources still have their place there; whether tests notice them takes it hours."""

import runpy
from pathlib import Path

import pytest

MUTANTS = runpy.run_path(str(Path(__file__).parent / "mutants.py"))["MUTANTS"]
SOURCES = Path(__file__).parents[1] / "src" / "scorefield"


@pytest.mark.promise("D18")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place(mutant) -> None:
    assert (SOURCES / mutant.file).read_text().count(mutant.right) == 1
    assert mutant.right != mutant.wrong
