"""CIFAR-10: where its files are looked for, what they must hold, and the published archive."""

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield.data import cifar, cifar10
from scorefield.errors import DataError

RECORDS = np.random.default_rng(0).integers(0, 256, (12, 3073), dtype=np.uint8)
RECORDS[:, 0] = np.arange(12) % 10


def make(folder: Path) -> Path:
    """Write two records a file for training, and two to test with."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(5):
        (folder / f"data_batch_{k + 1}.bin").write_bytes(RECORDS[2 * k : 2 * k + 2].tobytes())
    (folder / "test_batch.bin").write_bytes(RECORDS[10:].tobytes())
    return folder


@pytest.fixture(params=["", "cifar10", "cifar-10-batches-bin", "archive"])
def data_dir(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """A folder in which the files are, or none, and the archive in the cache."""
    if request.param != "archive":
        make(tmp_path / request.param)
        return tmp_path
    folder, packed = make(tmp_path / "files"), tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-bin")
    content = packed.read_bytes()
    file = cifar.RemoteFile(packed.name, len(content), "", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar, "_ARCHIVE", file)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path)
    return None


def test_red_green_and_blue_are_the_channels(data_dir: Path | None) -> None:
    train, test = cifar10(data_dir=data_dir), cifar10(train=False, data_dir=data_dir)
    assert train.labels is not None
    assert train.labels.tolist() == list(range(10))
    assert (test.event, len(test), train.name) == ((3, 32, 32), 2, "cifar10")
    assert torch.equal(train.x[3, 1, 4, 5], torch.tensor(RECORDS[3, 1 + 1024 + 4 * 32 + 5]))
    assert torch.equal(torch.cat([train.x, test.x]).flatten(1), torch.from_numpy(RECORDS[:, 1:]))


def cut(folder: Path) -> None:
    (folder / "data_batch_4.bin").write_bytes(RECORDS[:2].tobytes()[:-1])


def relabel(folder: Path) -> None:
    (folder / "data_batch_2.bin").write_bytes(b"\x0a" + RECORDS[0, 1:].tobytes())


def pickled(folder: Path) -> None:
    for path in folder.glob("*.bin"):
        path.rename(path.with_suffix(""))


FAULTS: dict[str, Callable[[Path], object]] = {
    "found 6145 bytes": cut,
    "found class 10": relabel,
    "found 0 bytes": lambda folder: (folder / "data_batch_1.bin").write_bytes(b""),
    "found no such file": lambda folder: (folder / "data_batch_5.bin").unlink(),
    "pickles that can run code": pickled,
    "no data_batch_1.bin": lambda folder: (folder / "data_batch_1.bin").unlink(),
}


@pytest.mark.parametrize("said", FAULTS)
def test_what_is_refused(said: str, tmp_path: Path) -> None:
    FAULTS[said](make(tmp_path))
    with pytest.raises(DataError, match=said):
        cifar10(data_dir=tmp_path)


def test_a_file_that_is_no_archive_is_not_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar-10-binary.tar.gz").write_bytes(b"other bytes")
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path)
    monkeypatch.setattr(cifar, "_MIRRORS", ())
    with pytest.raises(DataError, match="could not be downloaded"):
        cifar10()
