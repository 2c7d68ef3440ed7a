"""One's own arrays: what is taken as it is, what is converted, and what is refused by name."""

import io
import pickle
import random
import re
import resource
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import scorefield
from forked import Forked
from scorefield.cli import main
from scorefield.data import from_array_file, from_path
from scorefield.errors import ConfigError, DataError
from scorefield.runs import averages

BYTES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)


def npy(folder, array):
    np.save(folder / "mine.npy", array, allow_pickle=True)
    return folder / "mine.npy"


def npz(folder, **arrays):
    np.savez_compressed(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


@pytest.mark.parametrize("event", [(1,), (2,), (16,), (4, 5), (3, 32, 32), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ">f8"])
def test_floats_of_any_shape_are_kept(event, dtype, tmp_path):
    x = np.random.default_rng(0).normal(size=(7, *event)).astype(dtype)
    data = from_array_file(npy(tmp_path, np.asfortranarray(x)))
    assert data.x.dtype == torch.float32
    np.testing.assert_array_equal(data.x.numpy(), x.astype(np.float32))
    assert (data.name, data.labels) == ("mine", None)


def test_layouts_of_byte_images(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    first = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
    for given, expected in (
        (BYTES, BYTES[:, None]),
        (BYTES[..., None], BYTES[:, None]),
        (colour, first),
        (first, first),
        (first[..., :3], first[..., :3]),  # either axis could be channels: it is taken as it is
        (BYTES.reshape(6, 20), BYTES.reshape(6, 20)),
        (BYTES > 100, (BYTES > 100)[:, None] * np.uint8(255)),
    ):
        x = from_array_file(npy(tmp_path, given)).x
        assert x.dtype == torch.uint8
        np.testing.assert_array_equal(x.numpy(), expected)


def test_names_in_an_archive(tmp_path):
    labels = np.array([0, 2, 1, 1, 0, 5], dtype=np.int32)
    for arrays in (
        {"x": BYTES, "labels": labels},
        {"images": BYTES, "y": labels.astype(np.uint8)},
        {"arr_0": BYTES, "y": labels},
    ):
        data = from_array_file(npz(tmp_path, **arrays))
        np.testing.assert_array_equal(data.x.numpy()[:, 0], BYTES)
        assert data.labels.tolist() == labels.tolist()
        assert data.labels.dtype == torch.int64
    assert from_array_file(npz(tmp_path, anything=BYTES)).labels is None


def test_one_of_several_arrays_is_learned_when_it_is_named(tmp_path):
    arrays = {
        "x": BYTES[:, 0],
        "theta": np.arange(12.0).reshape(6, 2),
        "y": np.linspace(0, 1, 6),
        "labels": np.arange(6),
    }
    path = npz(tmp_path, **arrays)
    for read in (from_array_file, from_path):
        data = read(path, array="theta")
        np.testing.assert_array_equal(data.x.numpy(), arrays["theta"])
        assert data.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert from_array_file(npz(tmp_path, x=BYTES, y=np.linspace(0, 1, 6)), array="x").labels is None
    with pytest.raises(DataError, match=r"theta float64 \(6, 2\).*one called z"):
        from_array_file(npz(tmp_path, **arrays), array="z")


LABELS = {
    "from 0": [0, 1, 2, 0, 1, 2],
    "a class missing": [0, 1, 3, 0, 1, 3],
    "from 1 to 5": [1, 2, 3, 4, 5, 1],
}


@pytest.mark.parametrize("shape", [(6,), (6, 1)], ids=["row", "column"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", ">i4", "int64", "uint64", "float16", "float64", "bool"])
@pytest.mark.parametrize("name", LABELS)
def test_whole_numbers_of_any_type_are_labels(name, dtype, shape, tmp_path):
    labels = np.array(LABELS[name]).astype(dtype).reshape(shape)
    data = from_array_file(npz(tmp_path, x=BYTES, labels=labels))
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == labels.astype(int).reshape(6).tolist()


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "longdouble"]
)
def test_numbers_of_any_type_become_float32(dtype, tmp_path):
    x = np.arange(12).reshape(6, 2).astype(dtype)
    data = from_array_file(npy(tmp_path, x))
    assert data.x.dtype == torch.float32
    assert data.x.tolist() == x.astype(float).tolist()


CHANNELS = {
    "bytes without": ((6, 16, 8), np.uint8, None, (1, 16, 8)),
    "bytes, colours last": ((6, 16, 8, 3), np.uint8, None, (3, 16, 8)),
    "bytes, narrow": ((6, 3, 16, 3), np.uint8, None, (3, 16, 3)),
    "bytes of many": ((6, 5, 16, 8), np.uint8, None, (5, 16, 8)),
    "with transparency": ((6, 16, 8, 4), np.uint8, "last", (4, 16, 8)),
    "sixteen of 8 × 4": ((6, 16, 8, 4), np.uint8, "first", (16, 8, 4)),
    "floats last": ((6, 16, 8, 1), np.float32, "last", (1, 16, 8)),
    "floats without": ((6, 16, 8), np.float32, "none", (1, 16, 8)),
    "volumes last": ((6, 8, 8, 8, 2), np.float32, "last", (2, 8, 8, 8)),
    "volumes without": ((6, 8, 8, 8), np.float32, "none", (1, 8, 8, 8)),
    "series last": ((6, 32, 2), np.float32, "last", (2, 32)),
    "series without": ((6, 32), np.float32, "none", (1, 32)),
    "bytes, a series": ((6, 2, 32), np.uint8, "first", (2, 32)),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_come_first(name, tmp_path):
    shape, dtype, channels, event = CHANNELS[name]
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    got = from_path(npy(tmp_path, x), channels=channels).x.numpy()
    assert got.shape[1:] == event
    moved = event != shape[1:] and len(event) == len(shape) - 1
    np.testing.assert_array_equal(np.moveaxis(got, 1, -1) if moved else got.reshape(shape), x)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("event", [(16, 8, 4), (16, 8, 2), (4, 4, 4), (8, 8, 8, 3)])
def test_channels_that_may_be_elsewhere_are_asked_for(event, dtype, tmp_path):
    with pytest.raises(DataError, match=r"data\.channels=last, or first"):
        from_array_file(npy(tmp_path, np.zeros((6, *event), dtype)))


def test_float_images_with_channels_last_are_asked_for(tmp_path):
    for channels in (1, 3):
        with pytest.raises(DataError, match=r"data\.channels"):
            from_array_file(npy(tmp_path, np.zeros((6, 16, 16, channels))))


NAN = np.where(np.arange(12).reshape(6, 2) == 3, np.nan, 1.0)
SECONDS = 1.7e9 + np.arange(6.0)[:, None]
WRONG = {
    "two candidates": ({"a": BYTES, "b": BYTES}, r"arrays a uint8 \(6, 4, 5\), b uint8 .* data\.array=NAME"),
    "data and parameters": ({"x": BYTES, "theta": np.zeros((6, 2))}, r"theta float64 \(6, 2\).* data\.array"),
    "data and weights": ({"x": BYTES, "labels": np.zeros(6, int), "weights": np.ones(6)}, "weights float64"),
    "both data names": ({"x": BYTES, "images": BYTES}, r"images uint8 .* data\.array"),
    "both label names": ({"x": BYTES, "y": np.zeros(6, int), "labels": np.zeros(6, int)}, "both labels and y"),
    "labels alone": ({"y": np.zeros(6, int)}, r"y int64 \(6,\).*Save them"),
    "nothing": ({}, "no array of examples; .*Save them"),
    "too few labels": ({"x": BYTES, "y": np.zeros(5, int)}, r"shape \(5,\).*Save as many"),
    "too many labels": ({"x": BYTES, "y": np.zeros(7, int)}, r"shape \(7,\)"),
    "one-hot labels": ({"x": BYTES, "y": np.zeros((6, 10), int)}, r"shape \(6, 10\).*argmax"),
    "float labels": ({"x": BYTES, "y": np.arange(6) / 2}, "from 0 to 2.5, of type float64"),
    "a label missing": ({"x": BYTES, "y": np.where(NAN[:, 1] > 0, 1, np.nan)}, "nan"),
    "negative label": ({"x": BYTES, "y": np.array([0, 0, -1, 0, 0, 0])}, "from -1 to 0"),
    "names for labels": ({"x": BYTES, "y": np.array(list("abcabc"))}, "<U1.*numpy.unique"),
    "complex": (np.zeros((6, 2), complex), "complex128"),
    "text": (np.array([["a"], ["b"]]), "<U1"),
    "dates": (np.array([["2020-01-01"]], "datetime64[D]"), "datetime64"),
    "records": (np.zeros((6, 2), [("a", "f4")]), "type .*structured_to_unstructured"),
    "one axis": (np.zeros(6), r"shape \(6,\).*reshape"),
    "a number": (np.array(1.0), r"shape \(\)"),
    "no examples": (np.zeros((0, 2)), r"shape \(0, 2\)"),
    "empty events": (np.zeros((6, 0)), r"shape \(6, 0\)"),
    "not a number": (NAN, r"1 example with NaN .* at position 1 \("),
    "half precision": (NAN.astype(np.float16), "1 example with NaN"),
    "infinite": (np.full((6, 2), np.inf), "6 examples .* 0, 1, 2, 3, 4, …"),
    "too large for float32": (np.full((6, 2), 1e300), "6 examples"),
    "seconds since 1970": (
        np.hstack([np.ones_like(SECONDS), SECONDS]),
        "column 1: numbers from 1700000000 to 1700000005",
    ),
    "whole seconds": (SECONDS.astype(int), "column 0"),
    "unsigned seconds": (SECONDS.astype(np.uint32), "column 0"),
    "nanoseconds": (1_700_000_000_000_000_000 + 1000 * np.arange(6, dtype=np.uint64)[:, None], "column 0"),
    "signed nanoseconds": (1_700_000_000_000_000_000 + 1000 * np.arange(6)[:, None], "column 0"),
    "too small for float32": (1e-60 * np.arange(12.0).reshape(6, 2), "column 0.*Multiply"),
    "all but too small": (1e-45 * np.arange(12.0).reshape(6, 2), "column 0.*Multiply"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name, tmp_path):
    content, message = WRONG[name]
    path = npz(tmp_path, **content) if isinstance(content, dict) else npy(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        from_array_file(path)
    assert str(path) in str(caught.value)


def test_an_archive_of_pictures_is_told_from_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("0.png", b"a picture")
    with pytest.raises(DataError, match=r"an archive that holds 0\.png.*Unpack it"):
        from_array_file(tmp_path / "x.npz")


class Bad:
    def __init__(self, marker) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.promise("E1")
def test_nothing_is_unpickled(tmp_path):
    marker = tmp_path / "ran"
    objects = np.array([[Bad(marker)]], dtype=object)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Bad(marker)))
    for path in (npy(tmp_path, objects), npz(tmp_path, x=objects), tmp_path / "raw.npy"):
        with pytest.raises(DataError, match=r"numpy\.save"):
            from_array_file(path)
    assert not marker.exists()


def test_what_float32_can_tell_apart_is_kept(tmp_path):
    for x in (
        np.arange(60.0)[:, None] + 1e6,
        np.arange(60, dtype=np.uint64)[:, None] * 10**17,
        np.arange(60.0)[:, None] * 1e-40,
        np.zeros((6, 2)),
        np.full((6, 2), 0.1) + 1e-17 * np.arange(6)[:, None],
        np.full((6, 2), 1.7e9),
    ):
        assert from_array_file(npy(tmp_path, x)).x.shape == x.shape


FOREIGN = {
    "table.txt": (b"1 2\n", "numpy.genfromtxt"),
    "table.parquet": (b"PAR1", "pandas.read_parquet"),
    "table.xlsx": (b"PK\x03\x04", "pandas.read_excel"),
    "table.pt": (b"PK\x03\x04", "torch.load"),
    "table.mat": (b"MATLAB", "loadmat"),
    "table.h5": (b"\x89HDF", "h5py"),
    "table.json": (b"[[1, 2]]", "numpy.save"),
    "table.pkl": (pickle.dumps([1]), "numpy.save"),
    "table": (b"1 2\n", "numpy.save"),
    "picture.png": (b"\x89PNG", "folder"),
}


TABLES = {
    "names.txt": "a,b\n1,2\n3,4\n",
    "none.txt": "1,2\n3,4\n",
    "of europe.txt": "1;2\n3;4\n",
    "tabs.TXT": "a\tb\n1\t2\n3\t4\n",
    "spaces.dat": "1 2\n3  4\n",
    "quoted 'n' \"q\".txt": '"a","b"\n1,2\n3,4\n',
    "bars.TXT": "a|b\n1|2\n3|4\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_converted_whole_by_what_is_advised(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(TABLES[name])
    with pytest.raises(DataError) as caught:
        from_path(name)
    exec(str(caught.value).partition("Convert it: ")[2], {"numpy": np})  # noqa: S102 as a person would paste it
    assert from_path(tmp_path / f"{(tmp_path / name).stem}.npy").x.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("beside", [{"about": {"a": 1}}, {"names": ["a", 1]}])
def test_python_objects_beside_what_is_named_are_left_out(beside, tmp_path):
    path = npz(tmp_path, x=np.ones((6, 2)), **{name: np.array(value, dtype=object) for name, value in beside.items()})
    assert from_array_file(path, array="x").x.shape == (6, 2)
    with pytest.raises(DataError, match=r"object \(0,\).*data\.array"):
        from_array_file(path)


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_kinds_are_told_what_is_read(name, tmp_path):
    content, remedy = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        DataError, match=r"(?i)a \.npy or \.npz file.*" + remedy if remedy != "folder" else remedy
    ) as caught:
        from_path(tmp_path / name)
    assert "allow_pickle" not in str(caught.value)


def test_a_path_that_is_not_there_says_where_it_was_looked_for(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(DataError, match=r"'pictures': found no such file or folder in .*inner.*folder of pictures"):
        from_path("pictures")
    with pytest.raises(DataError, match="no such file"):
        from_path(tmp_path / "none.npy")
    with pytest.raises(DataError, match="no such file"):  # and not that its pictures cannot be resized
        from_path("pictures", 32)


def test_damaged_headers_and_archives(tmp_path):
    good = io.BytesIO()
    np.save(good, BYTES)
    magic, header, rest = good.getvalue()[:10], good.getvalue()[10:128], good.getvalue()[128:]
    huge = header.replace(b"(6, 4, 5)", b"(6, 4000000000, 5)"[:9].ljust(9))
    files = {
        "cut.npy": magic + header + rest[:-1],
        "size.npy": magic + huge + rest,
        "exa.npy": magic + header.replace(b"(6, 4, 5), }".ljust(20), b"(9300000000000000,)}") + rest,
        "code.npy": magic + header.replace(b"'|u1'", b"exit(1)") + rest,
        "deep.npy": magic + b"(" * 118 + rest,
        "zip.npz": b"PK\x03\x04" + bytes(100),
        "empty.npy": b"",
        "text.npy": b"1 2 3\n",
    }
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for path in (*(tmp_path / name for name in files), tmp_path / "other.npz"):
        with pytest.raises(DataError, match=path.name):
            from_array_file(path)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutations_never_escape(count, tmp_path):
    generator = random.Random(0)
    originals = [npy(tmp_path, BYTES).read_bytes(), npz(tmp_path, x=BYTES, y=np.zeros(6, int)).read_bytes()]
    path, refused = tmp_path / "mutant.npz", 0
    for i in range(count):
        data = bytearray(originals[i % 2])
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data if i % 5 else data[: generator.randrange(len(data))])
        try:
            from_array_file(path)
        except DataError:
            refused += 1
    assert refused > count / 4


def test_from_path_takes_arrays_and_no_size_for_them(tmp_path):
    assert len(from_path(npy(tmp_path, BYTES))) == 6
    with pytest.raises(ConfigError, match="size=8"):
        from_path(tmp_path / "mine.npy", size=8)
    for asked in ({"array": "x"}, {"channels": "last"}):
        with pytest.raises(ConfigError, match="needs a"):
            from_path(tmp_path, **asked)


@pytest.mark.promise("E7")
@pytest.mark.parametrize("member", ["../escaped.npy", "/escaped.npy", "x/../../escaped.npy", "..\\escaped.npy", "link"])
def test_nothing_leaves_an_archive(member, tmp_path):
    """Archives are read in memory: no member is ever a file, wherever its name points."""
    folder = tmp_path / "in"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        info = zipfile.ZipInfo(member)
        info.external_attr = 0o120777 << 16 if member == "link" else 0
        stored = io.BytesIO()
        np.save(stored, np.ones((6, 2), np.float32))
        archive.writestr(info, b"/etc/passwd" if member == "link" else stored.getvalue())
    if member == "link":
        with pytest.raises(DataError, match=r"a\.npz"):
            from_array_file(folder / "a.npz")
    else:
        assert len(from_array_file(folder / "a.npz")) == 6
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.npz"]
    assert not Path("/escaped.npy").exists()


@pytest.mark.promise("E7")
def test_no_code_unpacks_archives_into_folders():
    source = Path(scorefield.__file__).parent
    unpacking = re.compile(r"extractall|\.extract\(|unpack_archive")
    assert [path.name for path in source.rglob("*.py") if unpacking.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.promise("E4")
def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((300, 1, 1024, 1024), dtype=np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"bomb.npz.*GiB.*savez"):
            from_array_file(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def learned_from_in_little_memory(folder: Path, limit: int) -> int:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    averages._LEARNT = 50  # images for the decoder, most of the time otherwise
    known = ["--model.sigma_data", "0.5", "--model.mean_data", "0", "--network.width", "8", "--network.depth", "1"]
    data = ["--data.kind", "path", "--data.path", f"{folder}/x.npy", "--data.channels", "last"]
    brief = ["--train.steps", "2", "--train.batch_size", "4", "--device", "cpu", "--run", f"{folder}/run"]
    return main(["train", *data, *known, *brief])


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mapped memory on Linux only")
@pytest.mark.parametrize(
    ("size", "limit"), [(3 * 2**29, 5 * 2**28), pytest.param(2**32, 2**31, marks=pytest.mark.slow)]
)
def test_a_file_larger_than_the_memory_is_learned_from(tmp_path: Path, size: int, limit: int) -> None:
    """A sparse file, in a process whose writable memory may not exceed less than that; what was written in it is found again."""
    rows = size // 3072
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(rows, 32, 32, 3))
    x[rows - 7, 3, 4] = [1, 2, 3]
    del x
    found = from_path(tmp_path / "x.npy", channels="last")
    assert found.event == (3, 32, 32)
    assert found.x[rows - 7, :, 3, 4].tolist() == [1, 2, 3]
    process = Forked(learned_from_in_little_memory, tmp_path, limit, cwd=tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
