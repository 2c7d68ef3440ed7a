"""Tables of text: names, numbers, what is wrong with a cell; trained on and drawn by name."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield import Run, RunConfig, load_model
from scorefield.cli import main
from scorefield.config.data import DataConfig
from scorefield.data import from_path, from_table_file
from scorefield.data.tables import write_table
from scorefield.errors import ConfigError, DataError

ROWS = [[1.5, -2e5, 3e-7], [4, 5, 6]]


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b,c\n1.5,-2e5,3e-7\n4,5,6\n", ("a", "b", "c")),
        ("\ufeffa, in m;b;c\r\n1.5;-2e5;3e-7\r\n4;5;6\r\n", ("a, in m", "b", "c")),
        ('"a, in m"\tb\tc\n"1.5"\t-2e5\t3e-7\n4\t5\t6', ("a, in m", "b", "c")),
        ("1.5,-2e5,3e-7\n4,5,6\n", None),
        ("a,b,c\n1.5,-2e5,3e-7\n\n4,5,6\n\n", ("a", "b", "c")),
        ("größe ,µ, c\n1.5, -2e5, 3e-7\n4 ,5,6", ("größe", "µ", "c")),
    ],
    ids=["commas", "semicolons", "tabs and quotes", "no names", "blank lines", "spaces"],
)
def test_rows_are_examples(tmp_path, text, columns) -> None:
    data = from_path(table(tmp_path, text))
    torch.testing.assert_close(data.x, torch.tensor(ROWS), rtol=1e-7, atol=0)
    assert (data.columns, data.name, data.labels) == (columns, "table", None)


@pytest.mark.parametrize("text", ["0,0\n1.5,2\n", "1,2\n3,4.5\n", "0\n1\n", "0.0,1\n2,3\n", "2,1\n3,4\n"])
def test_a_first_line_of_numbers_that_are_no_names_is_an_example(text, tmp_path) -> None:
    assert len(from_table_file(table(tmp_path, text)).x) == 2


def test_numbers_are_names_where_they_are_chosen(tmp_path) -> None:
    data = from_table_file(table(tmp_path, "2019,2020\n1.5,2\n3,4\n"), ["2020"])
    assert (data.x.tolist(), data.columns) == ([[2], [4]], ("2020",))


def test_columns_are_chosen_by_name_and_labels_are_classes(tmp_path) -> None:
    path = table(tmp_path, "a,kind,label,b\n1,x,0,2\n3,y,1,4\n")
    data = from_table_file(path, ["b", "a"])
    assert data.x.tolist() == [[2, 1], [4, 3]]
    assert data.labels is not None
    assert (data.labels.tolist(), data.columns) == ([0, 1], ("b", "a"))
    assert from_table_file(path, ["label"]).labels is None  # which is then a number like others
    for label in ("cat", "-1", ""):
        path = table(tmp_path, f"a,label,b\n1,0,2\n3,{label},4\n")
        data = from_table_file(path, ["a"])  # what is named is learned, whatever stands beside it
        assert (data.x.tolist(), data.labels) == ([[1], [3]], None)
        with pytest.raises(DataError, match="label"):
            from_table_file(path)
    all_of_them = from_table_file(table(tmp_path, "a,b\n1,2\n3,4\n"), ["b", "a"])
    assert (all_of_them.x.tolist(), all_of_them.columns) == ([[2, 1], [4, 3]], ("b", "a"))


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("a,b\n1,2\n3,abc\n", None, ["'abc'", "column 'b'", "row 2", "data.columns"]),
        ("a,b\n1,\n3,4\n", None, ["''", "column 'b'", "row 1", "missing"]),
        ("1,2\n3,x\n", None, ["'x'", "column 2", "row 2"]),
        ("a;b\n1,5;2\n", None, ["'1,5'", "column 'a'", "decimals with a point"]),
        ("a,b\n1,2\n3\n", None, ["row 2", "as many cells"]),
        ("a,b\n1,nan\n2,3\n", None, ["NaN", "position 0"]),
        (",a\n0,1\n1,2\n", None, ["column 1", "index"]),
        ("# made by hand\na,b\n0,1\n", None, ["first line '# made by hand'", "stands above the names"]),
        ("sep=;\na;b\n0;1\n", None, ["first line 'sep=;'", "stands above the names"]),
        ("\na,b\n0,1\n", None, ["first line ''", "stands above the names"]),
        ("a,b\n0,1,2\n1,3,4\n", None, ["2 cells", "3 in the next", "index"]),
        ("a,b\n0,1,2\n1,3,4\n", ["b"], ["3 in the next"]),
        ("a,b\n0,1\n1,2,9\n2,3\n", None, ["lines that differ", "row 2"]),
        ("1,2\n\n3,4,5\n", None, ["3 in the next"]),
        (f"{'1,' * 2**19}1\n{'2,' * 2**19}2\n", None, ["first line of more than 1,048,576 characters", ".npy"]),
        ("a,label,labels\n1,0,1\n2,1,0\n", None, ["both label and labels"]),
        ("a,a\n0,1\n1,2\n", None, ["'a'", "Rename"]),
        ("a,b\n0,1\n1,2\n", ["z"], ["'z'", "a, b"]),
        ("0,1\n1,2\n", ["z"], ["'z'", "0, 1"]),
        ("a,b\n0,1\n1,2\n", ["b", "a", "b"], ["two columns called 'b' in data.columns", "Leave one out"]),
        ("0,1,2\n3,4,5\n", None, ["first line 0,1,2", "names", "data.columns"]),
        ("2019,2020\n1.5,2\n3,4.5\n", None, ["first line 2019,2020", "a line before it"]),
        ("a,b\n9007199254740992,1\n9007199254740993,2\n", None, ["column 0", "Subtract"]),
        ("a,b\n1,2\n3,1e39\n", None, ["1 example with numbers beyond 3.4e38, at position 1", "power of ten"]),
        ("a,b\n", None, ["no row", "below the names"]),
        ("a b\n1 2\n3 4\n", None, ["'1 2'", "columns apart by commas"]),
        ("a,label\n1,0.5\n2,1\n", None, ["label"]),
        ("a,b\n1,2\x00\n", None, []),
    ],
)
def test_what_is_no_number_is_told_by_row_and_column(tmp_path, text, columns, words) -> None:
    with pytest.raises(DataError) as caught:
        from_table_file(table(tmp_path, text), columns)
    for word in ["table.csv", *words]:
        assert word in str(caught.value)


@pytest.mark.timeout(15)
def test_a_table_of_sixty_thousand_columns_does_not_hang(tmp_path) -> None:
    """Genes, mostly. Each name was looked for among all, which took minutes, where reading takes a tenth of a second."""
    names = [f"gene{k}" for k in range(60_000)]
    path = table(tmp_path, "\n".join([",".join(names), *(",".join([cell] * len(names)) for cell in "12")]))
    found = from_table_file(path, names[::-1])
    assert found.columns == tuple(names[::-1])
    with pytest.raises(DataError, match="two columns called 'gene7'"):
        from_table_file(table(tmp_path, path.read_text().replace("gene59999", "gene7", 1)))


def test_examples_to_test_with_are_looked_at_before_the_training(tmp_path) -> None:
    data = {"kind": "path", "path": str(table(tmp_path, "a,b\n1,2\n3,4\n")), "test": str(tmp_path / "test.csv")}
    config = RunConfig.model_validate({"data": data, "network": {"kind": "mlp"}})
    table(tmp_path, "a,z\n1,2\n3,4\n", "test.csv")
    with pytest.raises(DataError, match=r"test\.csv.*no column 'b'"):
        Run(config, tmp_path / "run")
    table(tmp_path, "z,a,b\n1,2,3\n4,5,6\n", "test.csv")  # of which the data's columns are taken
    Run(config, tmp_path / "run")
    same = RunConfig.model_validate({"data": {**data, "test": data["path"]}, "network": {"kind": "mlp"}})
    with pytest.raises(ConfigError, match=r"data\.test: .*table\.csv' is data\.path, which is trained on"):
        Run(same, tmp_path / "same")
    for name, width in (("path", 2), ("test", 3)):
        data[name] = str(tmp_path / f"{name}.npy")
        np.save(data[name], np.eye(5)[:, :width])
    with pytest.raises(ConfigError, match=r"data\.test: .*shape \(3,\); data\.path has \(2,\)"):
        Run(RunConfig.model_validate({"data": data, "network": {"kind": "mlp"}}), tmp_path / "run")


def test_a_file_that_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="UTF-8"):
        from_table_file(tmp_path / "x.csv")


def test_columns_are_of_tables_alone(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    with pytest.raises(ConfigError, match="columns"):
        from_path(tmp_path / "x.npy", columns=["a"])
    with pytest.raises(ConfigError, match="channels"):
        from_path(table(tmp_path, "1,2\n3,4\n"), channels="last")


@pytest.mark.parametrize("name", ["x.csv", "x.tsv"])
def test_what_is_written_is_read_again_to_the_bit(tmp_path, name) -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-20, 1.0, 3e30])
    names = ("a", 'b, "quoted"', "ç")
    write_table(tmp_path / name, x, names)
    data = from_table_file(tmp_path / name)
    assert torch.equal(data.x, x)
    assert data.columns == names


@pytest.mark.parametrize("columns", ["[weight, height]", "weight,height"])
def test_a_table_trains_by_name_alone_and_is_drawn_with_its_columns(columns, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = random.normal([5.0, -300.0], [0.1, 40.0], size=(200, 2))
    table(tmp_path, "height,weight,note\n" + "".join(f"{a},{b},n\n" for a, b in rows))
    train = [
        "train",
        "--data.path",
        "table.csv",
        "--data.columns",
        columns,
        "--train.device",
        "cpu",
        "--name",
        "t",
    ]
    assert main([*train, "--train.steps", "60"]) == 0
    assert "sample runs/t -n 64 --out samples.csv" in capsys.readouterr().out
    config = load_model("runs/t").config
    assert (config.network.kind, config.data.columns) == ("mlp", ("weight", "height"))
    assert main(["sample", "runs/t", "-n", "300", "--device", "cpu", "--out", "drawn.csv"]) == 0
    head, *drawn = csv.reader((tmp_path / "drawn.csv").read_text().splitlines())
    assert head == ["weight", "height"]
    x = np.array(drawn, dtype=float)
    assert x.shape == (300, 2)
    assert np.all(np.abs(x.mean(axis=0) - [-300, 5.0]) < [40, 0.1])
    assert main([*train, "--train.steps", "60", "--resume"]) == 0  # names that were filled in are no change


def test_a_table_is_no_place_for_images(capsys, tmp_path) -> None:
    assert main(["sample", "digits", "-n", "2", "--device", "cpu", "--out", str(tmp_path / "x.csv")]) == 2
    assert "(1, 8, 8)" in capsys.readouterr().err


def test_a_network_that_was_named_stays(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "1,2\n3,4\n5,7\n")
    assert main(["train", "--data.path", "table.csv", "--network.kind", "unet", "--dry-run"]) == 2
    assert "network.kind=unet" in capsys.readouterr().err


def test_settings_of_a_network_without_a_name_are_of_the_one_for_vectors(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "a,label\n1,0\n2,1\n3,0\n")
    (tmp_path / "c.yaml").write_text("network: {width: 16}")
    asked = ["train", "--data.path", "table.csv", "--config", "c.yaml", "--network.classes", "2"]
    assert main([*asked, "--run", "run", "--device", "cpu", "--fast-dev-run"]) == 0
    network = load_model("run").config.network
    assert (network.kind, network.width, network.classes) == ("mlp", 16, 2)
    assert main([*asked, "--network.depth", "3", "--network.attention", "[8]", "--dry-run"]) == 2
    assert "network.attention: no such setting" in capsys.readouterr().err
    config = RunConfig.model_validate({"data": {"kind": "path", "path": "table.csv"}, "network": {"width": 16}})
    assert Run(config, "other").config.network.kind == "mlp"


def test_a_year_is_a_name_too() -> None:
    assert DataConfig.model_validate({"kind": "path", "path": "x.csv", "columns": [2019, "b"]}).columns == ("2019", "b")
