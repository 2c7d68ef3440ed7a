"""MNIST, Fashion-MNIST and Kuzushiji-MNIST: 60 000 + 10 000 grey images of 28×28, ten classes, in IDX files.

Where the files come from: the folder ``data_dir``, else the folder that the environment variable
``SCOREFIELD_DATA`` names, else the cache, into which missing files are downloaded. Downloads and the cache
are held to the published hashes. A folder of one's own is held to the strict IDX format, shapes and labels
only, so files made in the same form pass; it holds the files (``.gz`` or unpacked) itself or in a
sub-folder ``mnist``, ``fashion-mnist`` or ``kmnist``. Once such a folder is named nothing is downloaded.
"""

import os
from pathlib import Path

import torch

from scorefield.data._files import refusal
from scorefield.data.dataset import Dataset
from scorefield.data.download import RemoteFile, fetch, listing
from scorefield.data.idx import read_idx
from scorefield.data.sources import FASHION_MNIST, KMNIST, MNIST, Source
from scorefield.errors import DataError

_CLASSES = 10
_SIDE = 28


def mnist(*, train: bool = True, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return MNIST's handwritten digits: x of shape (n, 1, 28, 28) in bytes, labels 0..9.

    Args:
        train: the 60 000 training examples, or else the 10 000 test examples.
        data_dir: a folder that holds the files, instead of ``SCOREFIELD_DATA`` and the cache.

    Reference:
        LeCun, Cortes, Burges: The MNIST database of handwritten digits, 1998.

    Raises:
        DataError: a file is missing, damaged, cannot be downloaded or is not what its name says.
    """
    return load(MNIST, train, data_dir)


def fashion_mnist(*, train: bool = True, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return Fashion-MNIST's articles of clothing; arguments, shapes and errors are those of `mnist`.

    Reference:
        Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017.
    """
    return load(FASHION_MNIST, train, data_dir)


def kmnist(*, train: bool = True, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return Kuzushiji-MNIST's cursive hiragana; arguments, shapes and errors are those of `mnist`.

    Reference:
        Clanuwat et al.: Deep learning for classical Japanese literature, arXiv:1812.01718, 2018.
    """
    return load(KMNIST, train, data_dir)


def load(source: Source, train: bool, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Return the training or test set of ``source``, its files checked against each other."""
    pair = source.train if train else source.test
    images_path, labels_path = _locate(source, pair, data_dir or os.environ.get("SCOREFIELD_DATA"))
    images, labels = read_idx(images_path), read_idx(labels_path)
    again = "Download or copy the files again."
    if images.ndim != 3 or images.shape[1:] != (_SIDE, _SIDE):
        raise refusal(images_path, f"sizes {images.shape}", f"(n, {_SIDE}, {_SIDE})", again)
    if labels.shape != images.shape[:1]:
        raise refusal(labels_path, f"labels of sizes {labels.shape}", f"one for each of {len(images)} images", again)
    if labels.max() >= _CLASSES:
        raise refusal(labels_path, f"label {labels.max()}", f"0 to {_CLASSES - 1}", again)
    return Dataset(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels).long(), source.name)


def _locate(source: Source, pair: tuple[RemoteFile, ...], data_dir: str | os.PathLike[str] | None) -> list[Path]:
    if data_dir:
        return _own_files(source, pair, Path(data_dir).expanduser())
    import pooch  # only who wants such files waits for it

    cache = Path(pooch.os_cache("scorefield")) / source.name
    return [fetch(file, source.mirrors, cache) for file in pair]


def _own_files(source: Source, pair: tuple[RemoteFile, ...], folder: Path) -> list[Path]:
    """Return the files of ``pair`` in a folder of the user's, both from the same place."""
    for place in (folder / source.name, folder):
        found = [path for file in pair if (path := _packed_or_not(place, file)) is not None]
        if len(found) == len(pair):
            for path, file in zip(found, pair, strict=True):
                _refuse_sibling(path, file, source)
            return found
    names = " and ".join(file.name for file in pair)
    raise DataError(
        f"{os.fspath(folder)!r}: found {'no' if folder.is_dir() else 'no such folder, and so no'} {names} (or the same without .gz), "
        f"there or in {source.name}/; expected both, as data.dir or SCOREFIELD_DATA names this folder. Put them there, or name no folder "
        f"to have them downloaded:\n{listing(pair, source.mirrors)}"
    )


def _packed_or_not(place: Path, file: RemoteFile) -> Path | None:
    candidates = (place / file.name, place / file.name.removesuffix(".gz"))
    return next((path for path in candidates if os.path.exists(path)), None)


def _refuse_sibling(path: Path, file: RemoteFile, source: Source) -> None:
    """Refuse the file of another set of the family: they share their names, and nothing inside differs."""
    size = path.stat().st_size
    for other in (MNIST, FASHION_MNIST, KMNIST):
        sizes = {theirs.name: theirs.size for theirs in (*other.train, *other.test)}
        if other.name != source.name and size == sizes[file.name]:
            remedy = f"Keep each set in a folder of its own name, such as {source.name}."
            raise refusal(path, f"the file of {other.name}", f"that of {source.name}", remedy)
