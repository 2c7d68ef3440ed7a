"""The report is what the results say: the same bytes twice, other results other bytes, and whatever is missing is named."""

import importlib.util
import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from scorefield_claims.drawing import canvas, label, save

ROOT = Path(__file__).parents[1]
VERDICTS = ("PASS", "FAIL", "HOLDS_ONLY_IF", "CANNOT_BE_TOLD")
# What the text itself quotes: exact numbers first.
QUOTED = {
    "vincent-identity": ("largest relative gap of the losses", "relative gap of the gradients"),
    "circle-field": ("circle: rms error, core", "circle: rms error, outside"),
    "langevin-weights": (
        "left share, Langevin",
        "left share, σ 20 → 1, ε = 0.1, T = 100",
        "left share, σ 10 → 0.1, ε = 0.003, T = 300",
        "left share, reverse SDE",
        "left share of the starts",
    ),
    "ring-mixing": ("share of the first mode",),
    "step-size-sweep": ("least error", "step sizes in the window, T = 3"),
}
needs_typst = pytest.mark.skipif(
    importlib.util.find_spec("typst") is None, reason="typst is not installed: pip install 'scorefield[report]'"
)


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    """report/build.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("report_build", ROOT / "report" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with the report's sources, this one's MNIST results and benchmarks, and made-up claims."""
    for name in ("report", "results/mnist"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pdf", "__pycache__"))
    for name in (
        "README.md",
        "benchmarks/results.json",
        "docs/guidance_bias.md",
        "src/scorefield/__init__.py",
        "src/scorefield_claims/catalogue.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for k, (name, measures) in enumerate(QUOTED.items()):
        write_claim(tmp_path, name, VERDICTS[k % 3], measures)
    return tmp_path


def write_claim(root: Path, name: str, verdict: str, measures: tuple[str, ...], value: float = 0.25) -> None:
    """Write a result as `scorefield_claims.store` does."""
    place = root / "results" / "reproduce" / name
    place.mkdir(parents=True, exist_ok=True)
    estimate = {"value": value, "error": 0.01, "low": value - 0.0196, "high": value + 0.0196}
    result = {
        "name": name,
        "claim": f"What {name} claims.",
        "source": "a paper",
        "verdict": verdict,
        "reason": "because it was measured",
        "measures": dict.fromkeys(measures, estimate) | {"a number of no chance": {**estimate, "error": 0.0}},
        "rows": [{"n": 0, "refused": "too large"}],
        "budget": "small",
        "seconds": 1.5,
        "environment": {"scorefield": "0", "torch": "0"},
    }
    (place / "result.json").write_text(json.dumps(result))
    Image.new("RGB", (1500, 500), "white").save(place / "figure.png", dpi=(110, 110))


def change(root: Path, name: str, **parts: object) -> None:
    """Change parts of a result; a part that is None is taken out."""
    path = root / "results" / "reproduce" / name / "result.json"
    result = json.loads(path.read_text()) | parts
    path.write_text(json.dumps({key: part for key, part in result.items() if part is not None}))


@pytest.mark.promise("E11")
@needs_typst
@pytest.mark.parametrize("name", ["report", "poster"])
def test_two_builds_are_equal_to_the_byte_and_follow_the_results(driver: ModuleType, tree: Path, name: str) -> None:
    pdfs = []
    for k in range(2):
        (path,) = driver.build(name, tree, tree / f"out{k}")
        pdfs.append(path.read_bytes())
    assert pdfs[0].startswith(b"%PDF-")
    assert pdfs[0] == pdfs[1]
    write_claim(tree, "langevin-weights", "FAIL", QUOTED["langevin-weights"], value=0.35)
    (path,) = driver.build(name, tree, tree / "out2")
    assert path.read_bytes() != pdfs[0]


@needs_typst
@pytest.mark.parametrize("name", ["report", "poster"])
def test_what_is_committed_is_what_the_results_make(driver: ModuleType, tmp_path: Path, name: str) -> None:
    """Bytes are those of one compiler: of the version that constraints.txt names."""
    pinned = re.search(r"^typst==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    if version("typst") != pinned[1]:
        pytest.skip(f"typst {version('typst')} is installed, and {pinned[1]} made {name}.pdf")
    (path,) = driver.build(name, ROOT, tmp_path)
    committed = ROOT / "report" / path.name
    assert path.read_bytes() == committed.read_bytes(), f"{committed} is not of these results: make report"


@pytest.mark.slow
@needs_typst
def test_no_page_but_the_last_is_more_than_a_third_empty(driver: ModuleType, tmp_path: Path) -> None:
    empty = {}
    for page in driver.build("report", ROOT, tmp_path, png=True)[:-1]:
        with Image.open(page) as picture:
            ink = np.asarray(picture.convert("L")) < 200
        top, bottom = (round(cm / 29.7 * len(ink)) for cm in (1.9, 27.9))  # report.typ's margins
        empty[page.name] = 1 - (np.flatnonzero(ink[top:bottom].any(axis=1)).max() + 1) / (bottom - top)
    assert {name: share for name, share in empty.items() if share > 1 / 3} == {}


@needs_typst
def test_a_claim_that_nobody_knew_of_gets_its_place(driver: ModuleType, tree: Path) -> None:
    pages = len(driver.build("report", tree, tree / "before", png=True))
    for k in range(4):
        write_claim(tree, f"zz-new-{k}", "PASS", ("a share",))
    assert len(driver.build("report", tree, tree / "after", png=True)) > pages


@needs_typst
@pytest.mark.parametrize("name", ["report", "poster"])
def test_a_figure_in_lines_is_shown_where_there_is_one_in_the_page_s_typeface(
    driver: ModuleType, tree: Path, name: str
) -> None:
    def pdf() -> bytes:
        return driver.build(name, tree, tree / "out")[0].read_bytes()

    pixels, place = pdf(), tree / "results" / "reproduce" / "langevin-weights" / "figure.svg"
    figure, axes = canvas(1, 3)
    label(axes[0, 0], "σ = 0.1", "steps")
    save(figure, place)
    assert "DejaVu Sans" in place.read_text()
    assert pdf() != pixels
    place.write_text(place.read_text().replace("DejaVu Sans", "Libertinus Serif"))  # as the page sets it
    serif = pdf()
    place.write_text(place.read_text().replace("Libertinus Serif", "DejaVu Sans"))
    assert pdf() == serif


@needs_typst
@pytest.mark.parametrize("name", ["report", "poster"])
@pytest.mark.parametrize("missing", ["langevin-weights/result.json", "langevin-weights/figure.png"])
def test_a_missing_file_is_named_with_the_command_that_makes_it(
    driver: ModuleType, tree: Path, name: str, missing: str
) -> None:
    (tree / "results" / "reproduce" / missing).unlink()
    with pytest.raises(driver.ReportError) as caught:
        driver.build(name, tree, tree / "out")
    assert str(caught.value).startswith(f"{name}: results/reproduce/{missing} is missing")
    assert "scorefield reproduce langevin-weights" in str(caught.value)
    assert not (tree / "out").exists()


@needs_typst
def test_a_missing_number_is_named_with_the_file_it_should_be_in(driver: ModuleType, tree: Path) -> None:
    change(tree, "langevin-weights", measures={"left share, Langevin": {"value": 0.5, "error": 0.0}})
    with pytest.raises(
        driver.ReportError, match=r"results/reproduce/langevin-weights/result\.json has no \"measures > left"
    ):
        driver.build("report", tree, tree / "out")


def test_the_index_lists_the_catalogue_first_and_tells_what_was_measured(driver: ModuleType, tree: Path) -> None:
    write_claim(tree, "aa-new", "PASS", ("a share",))
    index = driver.index(tree)
    names = [claim["name"] for claim in index["claims"]]
    assert names[0] == "vincent-identity"
    assert names[-1] == "aa-new"
    assert {claim["name"] for claim in index["claims"] if claim["measured"]} == {*QUOTED, "aa-new"}
    assert "results/mnist/evaluation.json" in index["files"]
    assert index["program"].startswith("import scorefield as sf")


def test_the_table_of_guidance_bias_is_read_cell_by_cell(driver: ModuleType) -> None:
    page = (
        "# Bias\n\n2000 samples, 128 steps; and so on with noise 0.1.\n\n## One\n\n| method | evaluations | mean, off by |\n"
        "|---|---|---|\n| `Inpaint`, `Heun` | 257 | -0.731 ± 0.031 |\n\n## Two\n\n| method | evaluations | mean, off by |\n"
        "|---|---|---|\n| `Inpaint`, `Heun` | 257 | +0.5 ± 0.1 |\n"
    )
    found = driver.guidance(page)
    assert (found["samples"], found["steps"], found["noise"]) == (2000, 128, 0.1)
    assert [problem["title"] for problem in found["problems"]] == ["One", "Two"]
    assert found["problems"][0] == {
        "title": "One",
        "columns": ["mean, off by"],
        "rows": [{"method": "Inpaint, Heun", "evaluations": 257, "cells": [[-0.731, 0.031]]}],
    }
    for broken in (
        page.replace("2000 samples", "samples"),
        page.replace("| 257 | +0.5 ± 0.1 |", "| 257 |"),
        "# Bias\n",
    ):
        with pytest.raises(driver.ReportError, match="guidance_bias"):
            driver.guidance(broken)
