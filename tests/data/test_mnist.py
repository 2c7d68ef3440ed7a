"""MNIST and its kin: where files are looked for, what they must hold, and the real thing where it is at hand."""

import dataclasses
import gzip
import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch

from scorefield.data import fashion_mnist, kmnist, mnist
from scorefield.data.mnist import load
from scorefield.data.sources import FASHION_MNIST, KMNIST, MNIST, Source
from scorefield.errors import DataError

SOURCES = (MNIST, FASHION_MNIST, KMNIST)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def make(folder: Path, images: np.ndarray, labels: np.ndarray, part: str = "train", packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = folder / f"{part}-{kind}-ubyte"
        if packed:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
        else:
            path.write_bytes(idx(array))


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10


@pytest.mark.parametrize("packed", [True, False], ids=["gz", "unpacked"])
@pytest.mark.parametrize("place", ["", "mnist"], ids=["flat", "sub-folder"])
def test_own_folder(place, packed, tmp_path):
    make(tmp_path / place, IMAGES, LABELS, packed=packed)
    make(tmp_path / place, IMAGES[:7], LABELS[:7], part="t10k", packed=packed)
    train, test = mnist(data_dir=tmp_path), mnist(train=False, data_dir=str(tmp_path))
    np.testing.assert_array_equal(train.x.numpy(), IMAGES[:, None])
    np.testing.assert_array_equal(train.labels.numpy(), LABELS)
    np.testing.assert_array_equal(test.x.numpy(), IMAGES[:7, None])
    assert train.name == "mnist"


def test_environment_names_the_folder_and_the_argument_wins(tmp_path, monkeypatch):
    make(tmp_path / "a" / "kmnist", IMAGES, LABELS)
    make(tmp_path / "b" / "kmnist", IMAGES[:5], LABELS[:5])
    monkeypatch.setenv("SCOREFIELD_DATA", str(tmp_path / "a"))
    assert len(kmnist()) == 20
    assert len(kmnist(data_dir=tmp_path / "b")) == 5


def test_named_folder_without_the_files_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "HTTPDownloader", None)
    make(tmp_path / "mnist", IMAGES, LABELS)
    with pytest.raises(DataError) as caught:
        fashion_mnist(data_dir=tmp_path)
    for part in (str(tmp_path), "train-images-idx3-ubyte.gz", "26421880 bytes", *FASHION_MNIST.mirrors):
        assert part in str(caught.value)
    with pytest.raises(DataError, match="t10k-images"):
        mnist(train=False, data_dir=tmp_path)


WRONG = {
    "label 10": (IMAGES, np.where(LABELS == 9, 10, LABELS).astype(np.uint8), r"labels-idx1.*label 10"),
    "one label less": (IMAGES, LABELS[:-1], r"labels-idx1.*one for each of 20"),
    "labels twice": (IMAGES, np.stack([LABELS, LABELS]), r"labels-idx1.*one for each of 20"),
    "27 columns": (IMAGES[:, :, :27].copy(), LABELS, r"images-idx3.*28, 28"),
    "flat images": (IMAGES.reshape(20, -1), LABELS, r"images-idx3.*28, 28"),
    "labels as images": (LABELS, LABELS, r"images-idx3.*28, 28"),
}


@pytest.mark.promise("E4")
@pytest.mark.parametrize("name", WRONG)
def test_files_that_do_not_fit(name, tmp_path):
    images, labels, message = WRONG[name]
    make(tmp_path, images, labels)
    with pytest.raises(DataError, match=message):
        mnist(data_dir=tmp_path)


def test_file_of_another_set_is_recognised(tmp_path):
    make(tmp_path, IMAGES, LABELS)
    labels = FASHION_MNIST.train[1]
    path = tmp_path / labels.name
    path.write_bytes(path.read_bytes().ljust(labels.size, b"\0"))
    with pytest.raises(DataError, match="the file of fashion-mnist"):
        mnist(data_dir=tmp_path)
    assert len(fashion_mnist(data_dir=tmp_path)) == 20  # zeros behind a gzip stream are padding


def published(folder: Path) -> Source:
    """A source whose only mirror is the cache itself: what is there is used, and nothing else can be had."""
    pair = tuple(
        dataclasses.replace(file, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for file in MNIST.train
        for data in [(folder / file.name).read_bytes()]
    )
    return Source("mnist", ("http://127.0.0.1:9",), pair, MNIST.test)


@pytest.mark.promise("E6")
def test_without_a_folder_the_cache_is_held_to_the_hashes(tmp_path, monkeypatch):
    monkeypatch.delenv("SCOREFIELD_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    cache = tmp_path / "scorefield" / "mnist"
    make(cache, IMAGES, LABELS)
    source = published(cache)
    assert len(load(source, True, None)) == 20
    make(cache, IMAGES[:5], LABELS[:5])  # well-formed, but not what was published
    with pytest.raises(DataError, match="could not be downloaded"):
        load(source, True, None)
    assert len(load(source, True, tmp_path / "scorefield")) == 5


def test_every_published_file_is_fully_described():
    files = [file for source in SOURCES for file in (*source.train, *source.test)]
    assert [file.name for file in files[:4]] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
    for attribute, length in (("md5", 32), ("sha256", 64)):
        values = {getattr(file, attribute) for file in files}
        assert len(values) == 12
        assert all(len(value) == length and set(value) <= set("0123456789abcdef") for value in values)
    assert len({file.size for file in files}) == 12
    mirrors = [mirror for source in SOURCES for mirror in source.mirrors]
    assert all(mirror.startswith(("https://", "http://")) and not mirror.endswith("/") for mirror in mirrors)


@pytest.mark.mnist
def test_hashes_are_those_of_the_real_files(mnist_dir):
    folder = mnist_dir / "mnist" if (mnist_dir / "mnist").is_dir() else mnist_dir
    for file in (*MNIST.train, *MNIST.test):
        data = (folder / file.name).read_bytes()
        assert len(data) == file.size
        assert hashlib.md5(data, usedforsecurity=False).hexdigest() == file.md5
        assert hashlib.sha256(data).hexdigest() == file.sha256


@pytest.mark.mnist
def test_real_mnist(mnist_dir):
    train, test = mnist(data_dir=mnist_dir), mnist(train=False, data_dir=mnist_dir)
    assert train.x.shape == (60000, 1, 28, 28)
    assert test.x.shape == (10000, 1, 28, 28)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.scaled().mean().item() == pytest.approx(0.1306604762738429, abs=1e-6)
    assert train.scaled().double().std().item() == pytest.approx(0.3081, abs=1e-4)


@pytest.mark.mnist
def test_real_mnist_through_the_cache(mnist_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("SCOREFIELD_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    folder = mnist_dir / "mnist" if (mnist_dir / "mnist").is_dir() else mnist_dir
    (tmp_path / "scorefield").mkdir()
    shutil.copytree(folder, tmp_path / "scorefield" / "mnist", copy_function=shutil.copyfile)
    assert torch.equal(mnist(train=False).x, mnist(train=False, data_dir=mnist_dir).x)
