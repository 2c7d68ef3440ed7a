"""Files of arrays, ``.npy`` and ``.npz``, become a data set. Nothing in a file is ever executed."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from scorefield.data._files import refusal, regular_file
from scorefield.data.arrays import Channels, are_classes, dataset_of, numeric
from scorefield.data.dataset import Dataset
from scorefield.errors import DataError

ARRAYS = "a .npy or .npz file of numbers"
_LABEL_KEYS = ("labels", "y")
_MAGIC = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
_SAVE = "Save it again with numpy.save or numpy.savez; arrays of Python objects are not read."
_READERS = {
    **dict.fromkeys((".parquet", ".pq"), "pandas.read_parquet({name}).to_numpy()"),
    **dict.fromkeys((".feather", ".arrow"), "pandas.read_feather({name}).to_numpy()"),
    **dict.fromkeys((".xls", ".xlsx"), "pandas.read_excel({name}).to_numpy()"),
    **dict.fromkeys((".pt", ".pth"), "torch.load({name}).numpy()"),
    ".mat": 'scipy.io.loadmat({name})["x"]',
    **dict.fromkeys((".h5", ".hdf5"), 'h5py.File({name})["x"][:]'),
}
"""What turns a file of another kind into an array."""
_TABLES = (".txt", ".dat")

_MAPPED = 2**28  # bytes of a .npy beyond which it is mapped: pages come from the file when a batch needs them
_FREE = 2**28  # bytes that any compressed file may unpack to
_RATIO = 100  # times its own size that a larger one may; photographs and tables have 1 to 10, mostly empty masks 50


def from_array_file(
    path: str | os.PathLike[str], *, array: str | None = None, channels: Channels | None = None
) -> Dataset:
    """Return the examples of a ``.npy`` or ``.npz`` file as a data set named after the file.

    Numbers, channels and errors are those of `dataset_of`. Of an ``.npz`` the data is the only array besides the labels, or the one
    that is named; the optional labels are class numbers, one per example, in ``labels`` or ``y``.

    Args:
        path: the file.
        array: the name of the array to learn, where an ``.npz`` holds several; all others but labels are left out then.
        channels: where the channels are.

    Raises:
        DataError: it is another kind of file, is damaged, needs pickle, or holds several arrays of which none is named.
    """
    path = regular_file(path, ARRAYS)
    arrays = _read(path)
    key = _chosen(path, arrays, array)
    x = arrays.pop(key)
    if x.dtype == object:
        raise refusal(path, "Python objects", "numbers", _SAVE)
    names = [name for name in _LABEL_KEYS if name in arrays]
    if array is not None:  # whoever named the data has seen the rest: what cannot be labels is left out
        names = [name for name in names if are_classes(arrays[name], len(x))]
    if len(names) > 1:
        raise refusal(path, "both labels and y", "one of them", f"Save the file with one, or say data.array={key}.")
    return dataset_of(x, arrays[names[0]] if names else None, path.stem, source=path, channels=channels)


def read_array(path: str | os.PathLike[str]) -> Tensor:
    """Return the only array of a ``.npy`` or ``.npz`` file, unchanged.

    Raises:
        DataError: it is another kind of file, is damaged, needs pickle, or holds several arrays or none of numbers.
    """
    path = regular_file(path, ARRAYS)
    arrays = _read(path)
    if len(arrays) != 1:
        raise refusal(path, f"{len(arrays)} arrays", "one", "Save it alone, with numpy.save.")
    return numeric(path, next(iter(arrays.values())))


def _read(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of a file by name; the one in a ``.npy`` is x, mapped where it is large."""
    suffix = path.suffix.lower()
    reader = _of_table(path) if suffix in _TABLES else _READERS.get(suffix)
    if reader is not None:
        remedy = f"Convert it: numpy.save({path.stem + '.npy'!r}, {reader.format(name=repr(path.name))})"
        raise refusal(path, f"a {path.suffix} file", f"{ARRAYS}, or a folder of pictures", remedy)
    try:
        with path.open("rb") as file:
            known = file.read(6).startswith(_MAGIC)
        if known:
            loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.stat().st_size > _MAPPED else None)
            if isinstance(loaded, np.ndarray):
                return {"x": loaded}
            with loaded:
                _refuse_bomb(path, sum(member.file_size for member in loaded.zip.infolist()))
                return {key: _member(loaded, key) for key in loaded.files}
    except DataError:
        raise
    # A reader fed with damaged bytes may raise anything; all of it means the same to the owner of the file.
    except Exception as error:
        raise refusal(path, f"data that cannot be read ({error})", ARRAYS, _SAVE) from error
    raise refusal(path, "a file that is not in NumPy's format", f"{ARRAYS}, or a folder of pictures", _SAVE)


def _of_table(path: Path) -> str:
    """Return the reader of a table of text: columns are separated as they are in its first line, which may hold names."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline(2**16).strip()
    delimiter = next((mark for mark in ";\t|," if mark in first), "")  # where commas are decimal, others separate
    parts = first.split(delimiter or None)
    try:
        names = not [float(part.strip('"') or "nan") for part in parts]
    except ValueError:
        names = True
    apart = f", delimiter={delimiter!r}" if delimiter else ""
    return f"numpy.genfromtxt({{name}}{apart}{', skip_header=1' if names else ''})"


def _member(loaded: "np.lib.npyio.NpzFile", key: str) -> Shaped[np.ndarray, "..."]:
    """Return one array of an ``.npz``, bytes where it is no array; of Python objects, which are not read, an empty one that says so."""
    try:
        return np.asarray(loaded[key])
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return np.empty(0, dtype=object)


def _refuse_bomb(path: Path, unpacked: int) -> None:
    """Refuse a small compressed file that would unpack into all the memory there is."""
    size = path.stat().st_size
    if unpacked > max(_FREE, _RATIO * size):
        what = f"{size} bytes that would unpack to {unpacked / 2**30:.2g} GiB"
        raise refusal(
            path, what, f"at most {_RATIO} times as many", "If it is yours, save it with numpy.savez, not compressed."
        )


def _chosen(path: Path, arrays: dict[str, Shaped[np.ndarray, "..."]], wanted: str | None) -> str:
    """Return the name of the array to learn."""
    if arrays and all(value.dtype.kind == "S" and not value.shape for value in arrays.values()):
        raise refusal(path, f"an archive that holds {next(iter(arrays))}", ARRAYS, "Unpack it, and name the folder.")
    rest = [name for name in arrays if name not in _LABEL_KEYS] if wanted is None else [wanted]
    if len(rest) == 1 and rest[0] in arrays:
        return rest[0]
    found = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in arrays.items())
    expected = "one, with or without class numbers in labels or y" if wanted is None else f"one called {wanted}"
    if not rest:
        raise refusal(path, f"no array of examples{found and f', and {found}'}", expected, "Save them in it, too.")
    raise refusal(path, f"the arrays {found}", expected, "Say which to learn: data.array=NAME.")
