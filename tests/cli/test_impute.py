"""scorefield impute: gaps of a table are filled, and every other cell keeps its text."""

import csv
from pathlib import Path

import numpy as np
import pytest
from restoring import npz, refused, report, train

from scorefield.cli import main

COLUMNS = "height,weight,age\n"
GAPS = 'id,age,note,weight,height\n007,1e0,"a, b",,170.10\n8,NA,,60,\n9,2,,61,1.7e2\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal([170, 60, 3], [10, 9, 1], (50, 3))
    np.savetxt("table.csv", rows, delimiter=",", header=COLUMNS.strip(), comments="")
    Path("gaps.csv").write_text(GAPS)
    return str(train(tmp_path / "run", "--data.path", "table.csv", "--network.kind", "mlp"))


def test_empty_cells_are_filled_and_all_others_keep_their_text(
    run: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("scorefield.cli.impute._STEPS", 3)
    told = report(capsys, "impute", run, "gaps.csv", "--out", "whole.csv", "--device", "cpu")
    assert (told["filled"], told["of_rows"], told["rows"]) == (3, 2, 3)
    before, after = (list(csv.reader(Path(name).read_text().splitlines())) for name in ("gaps.csv", "whole.csv"))
    changed = {(i, k) for i, row in enumerate(before) for k, cell in enumerate(row) if after[i][k] != cell}
    assert changed == {(1, 3), (2, 1), (2, 4)}
    assert 50 < float(after[2][4]) < 300  # a height, though hardly trained
    for text, words in {
        GAPS.replace("60", "heavy"): ["'heavy'", "'weight'", "row 2"],
        GAPS.replace("60", "inf"): ["'inf'", "'weight'", "row 2"],
        GAPS.replace("weight", "mass"): ["no column 'weight'"],
        "": ["no column"],
        GAPS.partition("\n")[0]: ["no rows"],
        GAPS + "1,2\n": ["in every row"],
        GAPS.replace("note", "age"): ["two columns called 'age'"],
        GAPS.replace("60", "6_0"): ["'6_0'", "'weight'", "row 2"],
    }.items():
        Path("wrong.csv").write_text(text)
        refused(capsys, ["impute", run, "wrong.csv", "--out", "x.csv", "--device", "cpu"], *words, code=3)
    refused(capsys, ["impute", run, "gaps.csv", "--out", "gaps.csv"], "is read by this command")
    assert not Path("x.csv").exists()


def test_labels_of_a_table_are_class_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k % 7},{k % 5},{k % 2}\n" for k in range(50))
    Path("table.csv").write_text(f"a,b,label\n{rows}")
    network = ["--network.kind", "mlp", "--network.classes", "2"]
    run = str(train(tmp_path / "run", "--data.path", "table.csv", *network))
    for label, words in {"0.5": ["labels from 0.5"], "-1": ["labels from -1"], "2": ["0 to 1"]}.items():
        Path("gaps.csv").write_text(f"a,b,label\n1,,{label}\n")
        code = 2 if label == "2" else 3
        refused(capsys, ["impute", run, "gaps.csv", "--out", "x.csv", "--device", "cpu"], *words, code=code)
    assert not Path("x.csv").exists()


def test_columns_are_hidden_by_name(run: str, capsys: pytest.CaptureFixture[str]):
    one = ["inpaint", run, "--image", "0", "-n", "2", "--steps", "3", "--device", "cpu", "--out", "x.npz"]
    assert main([*one, "--mask", "age,height"]) == 0
    np.testing.assert_array_equal(npz(Path("x.npz"))["hidden"], [True, False, True])
    refused(capsys, [*one, "--mask", "age,size"], "age,size", "(height, weight, age)")
