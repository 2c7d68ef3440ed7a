import errno
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from checkpoint_faults import (
    CALLS,
    child_dies_at,
    child_saves_forever,
    count_calls,
    error_at,
    fail,
    intercepted,
    leftovers,
    mark_of,
    nothing,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from forked import children
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint_files
from scorefield.training.checkpoint import clean, latest, load, save

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz),
]


def bits(x: Tensor) -> bytes:
    return x.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Yield a folder in memory where the system has one: on a busy disk, syncs would take most of the time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:  # noqa: S108
        yield Path(folder)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


# ------------------------------------------------------------------------------------------- round trip


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of any storable dtype and any bits, NaN payloads included, contiguous or not."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    count = int(np.prod(shape)) * torch.empty((), dtype=dtype).element_size()
    raw = bytearray(draw(st.binary(min_size=count, max_size=count)))
    if dtype == torch.bool:
        raw = bytearray(byte & 1 for byte in raw)
    x = torch.frombuffer(raw, dtype=dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)
    return x.transpose(0, -1) if x.ndim > 1 and draw(st.booleans()) else x


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TENSOR_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__")


@settings(max_examples=40, deadline=None)
@given(
    groups=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,5}", fullmatch=True),
        st.dictionaries(TENSOR_NAMES, tensors(), max_size=4),
        max_size=3,
    ),
    state=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4),
    step=st.integers(0, 10**12),
)
def test_round_trip_is_bit_exact(groups: dict[str, dict[str, Tensor]], state: dict[str, Any], step: int):
    with memory_folder() as folder:
        path = save(folder, step, groups, state)
        found = load(path)
        assert (found.path, found.step) == (path, step)
        assert json.dumps(found.state) == json.dumps(state)  # unlike ==, tells 1 from 1.0 and True, and keeps the order
        assert found.tensors.keys() == groups.keys()
        for group, expected in groups.items():
            assert found.tensors[group].keys() == expected.keys()
            assert all(same(found.tensors[group][name], x) for name, x in expected.items())
        assert (folder / "last").read_text() == f"{path.name}\n"
        assert not leftovers(folder)


def test_round_trip_of_awkward_tensors(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    z = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64)
    group = {
        "shared": base,
        "shared too": base,
        "slice": base[:, 1],
        "transposed": base.T,
        "expanded": torch.tensor(1.5).expand(2, 3),
        "parameter": torch.nn.Parameter(base * 2),
        "graph": (torch.ones(2, requires_grad=True) * 3),
        "conjugate": z.conj(),
        "negative view": z.conj().imag,
        "channels last": torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "0-d": torch.tensor(2**63 - 1),
        "empty": torch.empty(0, 3),
    }
    found = load(save(tmp_path, 0, {"model": group, "none": {}}, {})).tensors
    assert found["none"] == {}
    assert all(same(found["model"][name], x.detach().resolve_conj().resolve_neg()) for name, x in group.items())
    found["model"]["shared"].zero_()  # writable, and alone in its memory
    assert found["model"]["shared too"][0, 1] == 1
    assert not any(x.requires_grad for x in found["model"].values())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_file_is_what_safetensors_writes(tmp_path: Path, dtype: torch.dtype):
    wide = dtype.itemsize > 2
    group = {
        "é": torch.ones(3, dtype=dtype),
        "b": torch.zeros(2, 2, dtype=dtype),
        "": torch.tensor(1, dtype=dtype),
        "a": torch.zeros(3, dtype=torch.bfloat16 if wide else torch.float64),  # narrower than dtype, or wider
    }
    path = save(tmp_path, 0, {"model": group}, {})
    assert (path / "model.safetensors").read_bytes() == safetensors.torch.save(group)


def test_files_are_as_readable_as_the_umask_lets_them(tmp_path: Path):
    (tmp_path / "file").touch()
    path = write(tmp_path, 1, 1)
    assert {file.stat().st_mode for file in path.iterdir()} == {(tmp_path / "file").stat().st_mode}


def unstorable_tensors() -> dict[str, Tensor]:
    return {
        "complex128": torch.zeros(1, dtype=torch.complex128),
        "sparse": torch.eye(2).to_sparse(),
        "meta": torch.empty(2, device="meta"),
        "__metadata__": torch.zeros(1),
        "float8_e8m0fnu": torch.zeros(1, dtype=torch.uint8).view(torch.float8_e8m0fnu),
        "\ud800": torch.zeros(1),
    }


@pytest.mark.parametrize("name", unstorable_tensors())
def test_unstorable_tensors_are_refused_before_anything_changes(tmp_path: Path, name: str):
    write(tmp_path, 1, 1)
    with pytest.raises(CheckpointError, match="model"):
        save(tmp_path, 2, {"model": {name: unstorable_tensors()[name]}}, {})
    assert {path.name for path in tmp_path.iterdir()} == {"step-00000001", "last"}


NESTED: list[Any] = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, float("nan"), float("inf"), torch.zeros(1), {1, 2}, b"bytes", NESTED],
    ids=["tuple", "int key", "nan", "inf", "tensor", "set", "bytes", "deep"],
)
def test_state_that_would_not_read_back_is_refused(tmp_path: Path, value: Any):
    with pytest.raises(CheckpointError, match="the state cannot be stored"):
        save(tmp_path, 3, {}, {"value": value})
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- keeping and replacing


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))


def damage(path: Path) -> None:
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.promise("A9")
def test_keeps_the_newest(tmp_path: Path):
    for step in (1, 2, 10, 9_999_999, 123_456_789, 1_000_000_000):
        write(tmp_path, step, step % 100)
    assert steps(tmp_path) == [9_999_999, 123_456_789, 1_000_000_000]
    write(tmp_path, 1_000_000_001, 7, keep=1)
    assert steps(tmp_path) == [1_000_000_001]


@pytest.mark.promise("A9")
def test_never_deletes_the_only_good_one(tmp_path: Path):
    for step in (5, 6):
        damage(write(tmp_path, step, step))
    write(tmp_path, 4, 4, keep=1)  # went back to before the damaged ones
    warnings: list[str] = []
    assert mark_of(latest(tmp_path, warnings.append)) == 4
    assert len(warnings) == 1
    write(tmp_path, 5, 50, keep=1)  # a damaged one is replaced
    assert steps(tmp_path) == [5, 6]
    assert mark_of(load(tmp_path / "step-00000005")) == 50


@pytest.mark.promise("A9")
@pytest.mark.parametrize("name", ["model.safetensors", "ema.safetensors", "state.json", "manifest.json"])
def test_a_new_one_that_does_not_verify_replaces_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    """The disk keeps zeros, or all but one bit, byte or end of one file: whatever it is, it is seen."""
    write(tmp_path, 1, 1)
    whole = (write(tmp_path, 2, 2) / name).read_bytes()
    places = {0, 7, 8, *range(9, len(whole), 7), len(whole) - 1}
    kept = [bytes(len(whole)), b"", whole[:-1], whole + b"\0", *(flipped(whole, place, 1) for place in places)]
    sync, save_file = checkpoint_files.sync, safetensors.torch.save_file
    for data in kept:

        def forget(path: Path, data: bytes = data) -> None:
            if path.name == name:
                path.write_bytes(data)

        def saved(tensors: dict[str, Tensor], path: Path, forget: Callable[[Path], None] = forget) -> None:
            save_file(tensors, path)
            forget(path)

        def synced(path: Path, forget: Callable[[Path], None] = forget) -> None:
            if path.suffix == ".json":
                forget(path)
            sync(path)

        monkeypatch.setattr(safetensors.torch, "save_file", saved)
        monkeypatch.setattr(checkpoint_files, "sync", synced)
        with pytest.raises(CheckpointError, match="other bytes than were written"):
            write(tmp_path, 3, 2, keep=1)
    with pytest.raises(CheckpointError, match="other bytes than were written"):
        write(tmp_path, 2, 30, keep=1)
    monkeypatch.undo()
    assert steps(tmp_path) == [1, 2]
    assert mark_of(latest(tmp_path, fail)) == 2
    assert not leftovers(tmp_path)


def test_one_that_is_superseded_while_it_is_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who draws from a run that trains beside gets a newer checkpoint, whole, and no word about damage."""
    read, values = checkpoint_files.read_verified, {"ema": {"w": torch.zeros(3)}}
    save(tmp_path, 1, values, {}, keep=1)

    def late(path: Path, entry: dict[str, Any]) -> bytes:
        if path.parent.name == "step-00000001":
            monkeypatch.undo()
            save(tmp_path, 2, values, {}, keep=1)
        return read(path, entry)

    monkeypatch.setattr(checkpoint_files, "read_verified", late)
    found = latest(tmp_path, pytest.fail)
    assert found is not None
    assert found.step == 2


def test_saving_a_step_again_replaces_it(tmp_path: Path):
    path = write(tmp_path, 1, 1)
    damage(path)
    assert mark_of(load(write(tmp_path, 1, 1))) == 1
    (path / "notes.txt").write_text("not ours")
    assert mark_of(load(write(tmp_path, 1, 2))) == 2
    assert {p.name for p in tmp_path.iterdir()} == {"step-00000001", "last"}


@pytest.mark.parametrize("damaged", ["step-00000001", "step-00000001~", None])
def test_an_interrupted_replacement_is_finished_by_the_next(tmp_path: Path, damaged: str | None):
    write(tmp_path, 1, 1).rename(tmp_path / "step-00000001~")
    assert mark_of(latest(tmp_path, fail)) == 1  # died before the new one came
    write(tmp_path, 1, 2)
    assert not (tmp_path / "step-00000001~").exists()
    (tmp_path / "step-00000001").rename(tmp_path / "step-00000001~")
    shutil.copytree(tmp_path / "step-00000001~", tmp_path / "step-00000001")  # died before the old one went
    if damaged:
        damage(tmp_path / damaged)
    for k in (0, 1):  # nor does it cost the good copy when the next one fails where it makes room
        with intercepted(error_at("rename", k, lasting=True), nothing), pytest.raises(CheckpointError):
            write(tmp_path, 1, 3, keep=1)
        assert mark_of(latest(tmp_path, lambda _: None)) == 2
    write(tmp_path, 1, 3, keep=1)
    assert {p.name for p in tmp_path.iterdir()} == {"step-00000001", "last"}
    assert mark_of(latest(tmp_path, fail)) == 3


# ------------------------------------------------------------------------------------------- faults and kills

SCENARIOS: dict[str, tuple[int, int]] = {"new step": (4, 40), "other content": (3, 31), "same content": (3, 30)}


@pytest.fixture(scope="module")
def three_steps() -> Iterator[Path]:
    with memory_folder() as folder:
        for step in (1, 2, 3):
            write(folder, step, 10 * step)
        yield folder


def prepare(three_steps: Path, folder: Path, scenario: str) -> Callable[[], object]:
    """Put steps 1 to 3 into ``folder`` and return the save under test, which keeps two."""
    shutil.copytree(three_steps, folder)
    step, mark = SCENARIOS[scenario]
    return lambda: write(folder, step, mark, keep=2)


def check_survival(folder: Path, scenario: str) -> None:
    """The old or the new one loads without a warning, a new start clears the leftovers, and saving works again."""
    new = SCENARIOS[scenario][1]
    assert mark_of(latest(folder, fail)) in (30, new)
    clean(folder)
    assert not leftovers(folder)
    assert mark_of(latest(folder, fail)) in (30, new)
    write(folder, 9, 90, keep=1)
    assert steps(folder) == [9]


@pytest.mark.promise("A5")
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fault_at_any_call_leaves_a_good_checkpoint(tmp_path: Path, three_steps: Path, scenario: str, lasting: bool):
    points = count_calls(prepare(three_steps, tmp_path / "count", scenario))
    if scenario == "new step":
        assert {name for name, _ in points} == set(CALLS)
    for i, (name, k) in enumerate(points):
        folder = tmp_path / f"{i}"
        run = prepare(three_steps, folder, scenario)
        with (
            intercepted(error_at(name, k, lasting=lasting), nothing),
            pytest.raises(CheckpointError, match=os.strerror(errno.EIO)),
        ):
            run()
        check_survival(folder, scenario)
        shutil.rmtree(folder)


@pytest.mark.promise("A5")
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scenario", ["new step", "other content"])
def test_a_death_at_any_call_leaves_a_good_checkpoint(tmp_path: Path, three_steps: Path, scenario: str, every: int):
    points = count_calls(prepare(three_steps, tmp_path / "count", scenario))
    for i, (name, k) in list(enumerate(points))[::every]:
        folder = tmp_path / f"{i}"
        prepare(three_steps, folder, scenario)
        child = children.Process(target=child_dies_at, args=(folder, *SCENARIOS[scenario], 2, name, k))
        child.start()
        child.join()
        assert child.exitcode == 9, (name, k)
        check_survival(folder, scenario)
        shutil.rmtree(folder)


@pytest.mark.promise("A1")
@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_kill_9_while_saving(tmp_path_factory: pytest.TempPathFactory, kills: int):
    folder = tmp_path_factory.mktemp("run")  # on a disk, whose syncs take their time
    rng = np.random.default_rng(0)
    caught_in_the_act, step = 0, 0
    for _ in range(kills):
        ours, theirs = children.Pipe()
        child = children.Process(target=child_saves_forever, args=(folder, theirs))
        child.start()
        if rng.random() < 0.9:  # else somewhere in its start or first save
            assert ours.poll(60)
        time.sleep(0.1 * rng.random())
        child.kill()
        child.join()
        caught_in_the_act += bool(leftovers(folder))
        clean(folder)
        assert not leftovers(folder)
        found = latest(folder, fail)
        if found is None:  # killed before its first save was done
            assert step == 0
            continue
        assert mark_of(found) // 2 == found.step
        assert found.step >= step
        step = found.step
    assert caught_in_the_act
    assert step > kills / 2


@pytest.mark.promise("A5")
def test_order_of_syncs_and_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a power cut needs and a kill does not show: contents reach the disk before their name does."""
    events: list[str] = []
    names: dict[int, str] = {}

    def known(path: Any) -> str:
        name = Path(path).name
        return f"tmp/{name}" if Path(path).parent.name.startswith(".tmp") else name

    def watch(owner: Any, name: str, event: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            events.append(event(*args))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        fd = open_(path, flags, *args, **kwargs)
        names[fd] = known(path)
        return fd

    open_ = os.open
    monkeypatch.setattr(os, "open", opened)
    watch(Path, "write_bytes", lambda path, _data: f"write {known(path)}")
    watch(safetensors.torch, "save_file", lambda _tensors, path: f"write {known(path)}")
    watch(os, "fsync", lambda fd: f"sync {names[fd]}")
    for name in ("rename", "replace"):
        watch(os, name, lambda a, b: f"{known(a)} -> {known(b)}")
    for mark in (1, 2):
        write(tmp_path, 1, mark)
    place = [
        *(
            f"{verb} {name}"
            for name in ("state.json", "model.safetensors", "ema.safetensors", "manifest.json")
            for verb in ("write", "sync")
        ),
        "sync tmp/step-00000001",
    ]
    folder = f"sync {tmp_path.name}"
    last = ["write tmp/last", "sync tmp/last"]
    named = ["tmp/step-00000001 -> step-00000001", "tmp/last -> last", folder]
    aside = "step-00000001 -> step-00000001~"
    assert events[:-1] == [*place, *last, *named, *place, aside, *last, *named]
    assert events[-1].startswith("step-00000001~ -> tmp/")


def test_clean_removes_leftovers_alone(tmp_path: Path):
    write(tmp_path, 1, 1)
    (tmp_path / "tmp").mkdir()
    for name in (".tmp-4711-0a1b2c3d-0", ".tmp-x_y"):  # as the first edition named them, and as this one does
        shutil.copytree(tmp_path / "step-00000001", tmp_path / name / "step-00000002")
    clean(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "step-00000001", "last"}


def test_clean_of_a_folder_that_is_not_there_or_not_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clean(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="readable folder"):
        clean(tmp_path / "file")
    leftover = tmp_path / ".tmp-x"
    leftover.mkdir()
    monkeypatch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(CheckpointError, match=re.escape(leftover.name)):
        clean(tmp_path)


# ------------------------------------------------------------------------------------------- full and read-only disks


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.promise("A6")
def test_full_disk(tmpfs: Path):
    write(tmpfs, 1, 1)
    for size in (2**18, 2**17):  # fails in the first group, fails in the second
        big = {"model": {"w": torch.zeros(size)}, "optim": {"w": torch.zeros(2**18)}}
        with pytest.raises(CheckpointError) as caught:
            save(tmpfs, 2, big, {}, keep=1)
        needed, free = map(int, re.findall(r"needs (\d+) bytes, (\d+) are free", str(caught.value))[0])
        assert needed == 4 * (size + 2**18)
        assert 2**20 - 50_000 < free < 2**20  # what failed to fit was taken back
        assert str(tmpfs) in str(caught.value)
        assert caught.value.exit_code == 4
        assert not leftovers(tmpfs)
        assert steps(tmpfs) == [1]
        assert mark_of(latest(tmpfs, fail)) == 1


@pytest.mark.promise("A7")
def test_read_only_disk(tmpfs: Path):
    write(tmpfs, 1, 1)
    subprocess.run(["mount", "-o", "remount,ro", tmpfs], check=True)
    with pytest.raises(CheckpointError, match="Read-only file system"):
        write(tmpfs, 2, 2)
    assert mark_of(latest(tmpfs, fail)) == 1


@pytest.mark.promise("A6")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS])
def test_refused_writes(tmp_path: Path, number: int):
    write(tmp_path, 1, 1)
    points = [("mkdir", 1), ("write_bytes", 0), ("write_bytes", 1), ("fsync", 0), ("fsync", 4), ("rename", 0)]
    for name, k in points:
        with (
            intercepted(error_at(name, k, lasting=True, number=number), nothing),
            pytest.raises(CheckpointError) as caught,
        ):
            write(tmp_path, 2, 2, keep=1)
        assert str(tmp_path) in str(caught.value)
        assert os.strerror(number) in str(caught.value)
        full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        assert full == bool(re.search(r"needs \d+ bytes, \d+ are free", str(caught.value)))
        assert not leftovers(tmp_path)
        assert steps(tmp_path) == [1]
        assert mark_of(latest(tmp_path, fail)) == 1


def test_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="folder this user may write to"):
        write(tmp_path / "file" / "run", 1, 1)
    with pytest.raises(CheckpointError, match="readable folder"):
        latest(tmp_path / "file", fail)
    full = error_at("mkdir", 0, lasting=True, number=errno.ENOSPC)
    with intercepted(full, nothing), pytest.raises(CheckpointError, match="are free"):
        write(tmp_path / "a" / "b", 1, 1)


# ------------------------------------------------------------------------------------------- damage


def files_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def assert_seen(path: Path, name: str, data: bytes) -> None:
    original = (path / name).read_bytes()
    assert data != original
    (path / name).write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    (path / name).write_bytes(original)


def flipped(data: bytes, place: int, mask: int) -> bytes:
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


@pytest.mark.promise("A8")
@pytest.mark.parametrize(("truncations", "flips"), [(50, 200), pytest.param(400, 4000, marks=pytest.mark.slow)])
def test_damage_is_always_seen(tmp_path: Path, truncations: int, flips: int):
    path = write(tmp_path, 1, 1)
    rng = np.random.default_rng(1)
    for name, data in files_of(path).items():
        for end in {0, 1, len(data) - 1, *rng.integers(0, len(data), truncations // 4).tolist()}:
            assert_seen(path, name, data[:end])
        assert_seen(path, name, data + b"\n")
        for _ in range(flips // 4):
            assert_seen(path, name, flipped(data, int(rng.integers(len(data))), int(rng.integers(1, 256))))
    assert mark_of(load(path)) == 1


@pytest.mark.promise("A8")
def test_every_byte_of_the_manifest_and_state_counts(tmp_path: Path):
    path = write(tmp_path, 1, 1)
    for name in ("manifest.json", "state.json"):
        data = (path / name).read_bytes()
        for place in range(len(data)):
            assert_seen(path, name, flipped(data, place, 1 << place % 8))
        for spaces in (b"\t", b"\r", b"\n"):
            assert_seen(path, name, data.replace(b" ", spaces, 1))


@pytest.mark.promise("A8")
@pytest.mark.parametrize("name", ["manifest.json", "state.json", "model.safetensors", "ema.safetensors"])
@pytest.mark.parametrize("how", ["cut", "flip", "remove", "empty", "directory", "fifo"])
def test_falls_back_with_one_warning_that_names_both(tmp_path: Path, name: str, how: str):
    for step in (1, 2, 3):
        write(tmp_path, step, step)
    file = tmp_path / "step-00000003" / name
    data = file.read_bytes()
    file.unlink()
    if how in ("cut", "flip", "empty"):
        file.write_bytes({"cut": data[:-1], "flip": flipped(data, data.index(b":"), 1), "empty": b""}[how])
    elif how == "directory":
        file.mkdir()
    elif how == "fifo":
        os.mkfifo(file)
    warnings: list[str] = []
    found = latest(tmp_path, warnings.append)
    assert mark_of(found) == 2
    assert len(warnings) == 1
    assert str(file) in warnings[0]
    assert str(tmp_path / "step-00000002") in warnings[0]


@pytest.mark.promise("A8")
def test_all_bad_lists_each_and_none_is_none(tmp_path: Path):
    assert latest(tmp_path, fail) is None
    assert latest(tmp_path / "missing", fail) is None
    for name in ("step-1", "step-0000001x", "xstep-00000001", "step-00000001.bak"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-00000009").touch()  # not a folder
    (tmp_path / "step-00000008").symlink_to(tmp_path / "step-1")
    assert latest(tmp_path, fail) is None
    damage(write(tmp_path, 1, 1))
    (write(tmp_path, 2, 2) / "manifest.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        latest(tmp_path, fail)
    for part in (
        "step-00000001/model.safetensors",
        "size and SHA-256",
        "step-00000002/manifest.json",
        "a regular file; found nothing",
    ):
        assert part in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_latest_takes_what_replaced_before_the_former_copy(tmp_path: Path, order: tuple[int, int]):
    for mark in order:
        write(tmp_path / str(mark), 1, mark).rename(tmp_path / f"step-00000001{'~' if mark == 1 else ''}")
    assert mark_of(latest(tmp_path, fail)) == 2


def test_latest_goes_by_number_and_not_by_the_file_last(tmp_path: Path):
    write(tmp_path, 99_999_999, 1)
    write(tmp_path, 100_000_000, 2)
    (tmp_path / "last").write_text("../../etc\n")
    assert mark_of(latest(tmp_path, fail)) == 2


# ------------------------------------------------------------------------------------------- forged checkpoints


def forge(path: Path, files: dict[str, bytes], **fields: Any) -> None:
    """Put ``files`` into a checkpoint with a manifest that vouches for all it holds."""
    for name, data in files.items():
        (path / name).write_bytes(data)
    entries = {
        file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
        for file in path.iterdir()
        if file.name != "manifest.json"
    }
    (path / "manifest.json").write_bytes(checkpoint_files.encode({"schema": 1, "files": entries} | fields))


def test_forge_makes_checkpoints_that_load(tmp_path: Path):
    path = write(tmp_path, 1, 1)
    forge(path, {"extra.safetensors": safetensors.torch.save({"x": torch.ones(1)})})
    assert load(path).tensors["extra"]["x"] == 1


STATES = {
    "newer": (b'{"schema": 2, "step": 1, "state": {}}', "newer scorefield: schema version 2"),
    "older than any": (b'{"schema": 0, "step": 1, "state": {}}', "schema version from 1 to 1; found 0"),
    "schema as text": (b'{"schema": "1", "step": 1, "state": {}}', "found '1'"),
    "schema as truth": (b'{"schema": true, "step": 1, "state": {}}', "found True"),
    "no schema": (b'{"step": 1, "state": {}}', "found nothing"),
    "no step": (b'{"schema": 1, "state": {}}', "a step and a state"),
    "negative step": (b'{"schema": 1, "step": -1, "state": {}}', "a step and a state"),
    "step as text": (b'{"schema": 1, "step": "1", "state": {}}', "a step and a state"),
    "state as list": (b'{"schema": 1, "step": 1, "state": []}', "a step and a state"),
    "a list": (b"[]", "a JSON object"),
    "nothing": (b"", "JSON in UTF-8"),
    "NaN": (b'{"schema": 1, "step": NaN, "state": {}}', "a step and a state"),
    "not UTF-8": (b"\xff\xfe{}", "JSON in UTF-8"),
    "byte order mark": (b'\xef\xbb\xbf{"schema": 1, "step": 1, "state": {}}', "JSON in UTF-8"),
    "deep": (b"[" * 10**6, "JSON in UTF-8"),
    "huge number": (b'{"schema": 1' + b"0" * 5000 + b"}", "JSON in UTF-8"),
}


@pytest.mark.promise("A13")
@pytest.mark.parametrize("folder", sorted((Path(__file__).parent / "golden").iterdir()), ids=lambda path: path.name)
def test_checkpoints_of_every_layout_ever_written_still_load(folder: Path):
    """One small checkpoint is kept for each schema; a new schema adds a folder and leaves these alone."""
    assert mark_of(latest(folder, fail)) == 7


@pytest.mark.promise("A13")
@pytest.mark.parametrize("case", STATES)
def test_forged_state(tmp_path: Path, case: str):
    path = write(tmp_path, 1, 1)
    data, message = STATES[case]
    forge(path, {"state.json": data})
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        load(path)
    assert len(str(caught.value)) < 1000


ENTRY = {"sha256": "0" * 64, "size": 1}
MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "newer": ({"schema": 2, "files": [], "more": 1}, "newer scorefield: schema version 2"),
    "parent": ({"schema": 1, "files": {"../../x.safetensors": ENTRY}}, "found '../../x.safetensors'"),
    "absolute": ({"schema": 1, "files": {"/etc/passwd": ENTRY}}, "found '/etc/passwd'"),
    "subfolder": ({"schema": 1, "files": {"a/b.safetensors": ENTRY}}, "found 'a/b.safetensors'"),
    "backslash": ({"schema": 1, "files": {"a\\b.safetensors": ENTRY}}, "names such as"),
    "NUL": ({"schema": 1, "files": {"a\0.safetensors": ENTRY}}, "names such as"),
    "newline": ({"schema": 1, "files": {"model.safetensors\n": ENTRY}}, "names such as"),
    "pickle": ({"schema": 1, "files": {"model.pt": ENTRY}}, "found 'model.pt'"),
    "itself": ({"schema": 1, "files": {"manifest.json": ENTRY}}, "found 'manifest.json'"),
    "no files": ({"schema": 1, "files": {}}, "the fields schema and files"),
    "more fields": ({"schema": 1, "files": {"a.safetensors": ENTRY}, "code": "x"}, "the fields schema and files"),
    "entry as list": ({"schema": 1, "files": {"model.safetensors": []}}, "size and SHA-256"),
    "size as truth": ({"schema": 1, "files": {"model.safetensors": ENTRY | {"size": True}}}, "size and SHA-256"),
    "size as real": ({"schema": 1, "files": {"model.safetensors": ENTRY | {"size": 1.0}}}, "size and SHA-256"),
    "more in entry": ({"schema": 1, "files": {"model.safetensors": ENTRY | {"url": "x"}}}, "size and SHA-256"),
    "negative size": ({"schema": 1, "files": {"model.safetensors": ENTRY | {"size": -1}}}, "size and SHA-256"),
    "missing file": ({"schema": 1, "files": {"a.safetensors": ENTRY}}, "a regular file; found nothing"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_forged_manifest(tmp_path: Path, case: str):
    path = write(tmp_path, 1, 1)
    fields, message = MANIFESTS[case]
    if fields["files"]:
        real = json.loads((path / "manifest.json").read_text())["files"]
        fields = fields | {"files": {"state.json": real["state.json"]} | fields["files"]}
    (path / "manifest.json").write_bytes(checkpoint_files.encode(fields))
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load(path)


def test_manifest_of_other_spelling_or_size_is_refused(tmp_path: Path):
    path = write(tmp_path, 1, 1)
    text = (path / "manifest.json").read_text()
    doubled = text.replace('"files": {', '"files": {\n  "state.json": {\n   "sha256": "", "size": 0},', 1)
    for other in (json.dumps(json.loads(text)), text.rstrip(), doubled, text + " " * 2**16):
        assert_seen(path, "manifest.json", other.encode())


def test_files_beside_the_manifest_are_not_read(tmp_path: Path):
    path = write(tmp_path, 1, 1)
    (path / "evil.safetensors").write_bytes(b"\x80\x04.")
    os.mkfifo(path / "fifo.safetensors")
    (path / "note.txt").write_text("mine")
    assert mark_of(load(path)) == 1


# ------------------------------------------------------------------------------------------- weights files


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a weights file as `load` reads those of a checkpoint."""
    return checkpoint_files.read_tensors(path, checkpoint_files.read(path))


def test_read_tensors(tmp_path: Path):
    file = tmp_path / "weights.bin"
    weights = {"a": torch.arange(6.0).reshape(3, 2), "b": torch.tensor(1, dtype=torch.int64)}
    safetensors.torch.save_file(weights, file, metadata={"format": "pt"})
    (tmp_path / "link").symlink_to(file)  # as in the cache of a model hub
    for path in (file, tmp_path / "link"):
        found = read_tensors(path)
        assert found.keys() == weights.keys()
        assert all(same(found[name], x) for name, x in weights.items())


@pytest.mark.parametrize("length", range(20))
def test_read_tensors_of_short_files(tmp_path: Path, length: int):
    file = tmp_path / "short.safetensors"
    file.write_bytes(safetensors.torch.save({"a": torch.ones(1)})[:length])
    with pytest.raises(CheckpointError, match="expected a"):
        read_tensors(file)


def test_read_tensors_of_what_is_no_file(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "fifo", tmp_path / "loop", Path("a\0b"), Path("/dev/zero")):
        with pytest.raises(CheckpointError, match="file"):
            read_tensors(path)


class Touch:
    """An object whose pickle creates ``marker`` when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def written(write_to: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write_to(buffer)
    return buffer.getvalue()


def tarred(data: bytes) -> bytes:
    def write_to(buffer: io.BytesIO) -> None:
        with tarfile.open(fileobj=buffer, mode="w") as file:
            info = tarfile.TarInfo("pickle")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))

    return written(write_to)


def framed(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def malicious(marker: Path) -> dict[str, bytes]:
    evil = Touch(marker)
    raw = pickle.dumps(evil)
    good = safetensors.torch.save({"w": torch.ones(2)})
    objects = np.array([evil], dtype=object)
    cases = {f"pickle protocol {n}": pickle.dumps(evil, protocol=n) for n in range(6)}
    return cases | {
        "nested pickle": pickle.dumps({"state": raw, "inner": [evil, (evil,)]}),
        "torch.save": written(lambda f: torch.save({"w": torch.ones(2), "x": evil}, f)),
        "torch.save, legacy": written(lambda f: torch.save({"x": evil}, f, _use_new_zipfile_serialization=False)),
        "numpy object array": written(lambda f: np.save(f, objects, allow_pickle=True)),
        "npz with objects": written(lambda f: np.savez(f, w=np.ones(2), x=objects)),
        "zip with an extra pickle": zipped({"model.safetensors": good, "data.pkl": raw}),
        "TorchScript": zipped(
            {"m/data.pkl": raw, "m/code/__torch__.py": b"import os", "m/version": b"3", "m/constants.pkl": raw}
        ),
        "tar": tarred(raw),
        "gzip": gzip.compress(raw),
        "safetensors, then a pickle": good + raw,
        "safetensors, then a zip": good + zipped({"data.pkl": raw}),
        "a header that is a pickle": framed(raw),
        "a header that holds one": framed(
            b'{"w":{"dtype":"pickle","shape":[1],"data_offsets":[0,%d]}}' % len(raw), raw
        ),
        "python": b"import os\nos.system('touch " + str(marker).encode() + b"')\n",
        "yaml": b"!!python/object/apply:os.system ['touch " + str(marker).encode() + b"']\n",
    }


@pytest.mark.promise("E1")
def test_the_payload_works_where_pickles_are_loaded(tmp_path: Path):
    pickle.loads(malicious(tmp_path / "marker")["pickle protocol 4"])  # noqa: S301
    assert (tmp_path / "marker").exists()


@pytest.mark.promise("E1")
@pytest.mark.parametrize("case", malicious(Path("marker")))
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_nothing_is_executed(tmp_path: Path, case: str, suffix: str):
    marker = tmp_path / "marker"
    data = malicious(marker)[case]
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read_tensors(file)
    assert str(file) in str(caught.value)
    assert caught.value.exit_code == 4
    path = write(tmp_path, 1, 1)
    forge(path, {"model.safetensors": data})
    with pytest.raises(CheckpointError):
        load(path)
    assert not marker.exists()


@pytest.mark.promise("E1")
def test_refusals_say_what_the_file_is(tmp_path: Path):
    for case, word in {"torch.save": "zip archive", "pickle protocol 4": "Python pickle", "gzip": "gzip"}.items():
        (tmp_path / "w").write_bytes(malicious(tmp_path / "marker")[case])
        with pytest.raises(CheckpointError, match=f"{word}.*nothing was executed.*convert"):
            read_tensors(tmp_path / "w")


def entry(shape: str, end: int, dtype: str = "F32") -> bytes:
    return b'{"a":{"dtype":"%s","shape":%s,"data_offsets":[0,%d]}}' % (dtype.encode(), shape.encode(), end)


def many(count: int) -> bytes:
    header = {f"layer{i}.weight": {"dtype": "U8", "shape": [], "data_offsets": [i, i + 1]} for i in range(count)}
    return framed(json.dumps(header, separators=(",", ":")).encode(), bytes(count))


def bloat() -> dict[str, Callable[[], bytes]]:
    return {
        "100k tensors": lambda: many(100_000),
        "one tensor too many": lambda: many(2**13 + 1),
        "1 MB of nesting": lambda: framed(b'{"a":' * 200_000),
        "1 MB of lists": lambda: framed(b'{"a":[' + b"[]," * 340_000 + b"[]]}"),
        "header of 2^64 - 1 bytes": lambda: b"\xff" * 8 + b"{}",
        "shape of 2^63": lambda: framed(entry("[0,9223372036854775808]", 0)),
        "shape that overflows": lambda: framed(entry("[4294967296,4294967296,4294967296]", 4), bytes(4)),
        "9.2e18 bytes": lambda: framed(entry("[2305843009213693951]", 2**63 - 4)),
        "unknown dtype": lambda: framed(entry("[4]", 4, "F8_E8M0"), bytes(4)),
        "overlap": lambda: framed(
            b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
            bytes(4),
        ),
    }


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many bytes were decoded as JSON, which is what takes time, and how many files safetensors was given."""
    counts = {"bytes": 0, "files": 0}
    parse, load_file = json.loads, safetensors.torch.load

    def loads(text: str | bytes) -> Any:
        counts["bytes"] += len(text)
        return parse(text)

    def load(data: bytes) -> dict[str, Tensor]:
        counts["files"] += 1
        return load_file(data)

    monkeypatch.setattr(checkpoint_files.json, "loads", loads)
    monkeypatch.setattr(checkpoint_files.safetensors.torch, "load", load)
    return counts


@pytest.mark.promise("E2")
@pytest.mark.parametrize("case", bloat())
def test_bloated_headers_are_refused_before_they_cost_anything(tmp_path: Path, case: str, decoded: dict[str, int]):
    file = tmp_path / "bloat.safetensors"
    file.write_bytes(bloat()[case]())
    with pytest.raises(CheckpointError) as caught:
        read_tensors(file)
    assert decoded["bytes"] <= 2**20
    assert decoded["files"] <= 1
    assert len(str(caught.value)) < 1000


@pytest.mark.promise("E2")
def test_of_a_header_of_100_MB_nothing_is_decoded(tmp_path: Path, decoded: dict[str, int]):
    file = tmp_path / "bloat.safetensors"
    file.write_bytes(struct.pack("<Q", 10**8) + b"{")
    os.truncate(file, 10**8 + 8)
    with pytest.raises(CheckpointError, match="a header of at most 1048576 bytes; found 100000000"):
        read_tensors(file)
    assert decoded == {"bytes": 0, "files": 0}


@pytest.mark.promise("E2")
def test_the_largest_header_allowed_is_decoded_once(tmp_path: Path, decoded: dict[str, int]):
    file = tmp_path / "large.safetensors"
    data = many(2**13)
    file.write_bytes(data)
    assert len(read_tensors(file)) == 2**13
    assert decoded == {"bytes": int.from_bytes(data[:8], "little"), "files": 1}
    with pytest.raises(CheckpointError, match="at most 8192 tensors; found 8193"):
        save(tmp_path, 2, {"model": {f"{i}": torch.tensor(0) for i in range(2**13 + 1)}}, {})


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, insert, double or overwrite at one to four places, mostly in the header."""
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(0, max(1, len(data) if rng.random() < 0.3 else min(len(data), 200))))
        other = place + int(rng.integers(0, 12))
        junk = rng.choice([b"", b"0", b"9" * 20, b"-1", b'"', b"{", b"]", b"\0", b"\xff", b"1e400", b"F64", b"null"])
        data = [
            data[:place] + bytes([int(rng.integers(256))]) + data[place + 1 :],
            data[:place] + data[other:],
            data[:place] + bytes(junk) + data[place:],
            data[:other] + data[place:],
            data[:place] + bytes(junk) + data[place + len(junk) :],
        ][int(rng.integers(5))]
    if rng.random() < 0.5 and len(data) > 8:  # a header length that fits again, so that the rest is looked at
        end = data.rfind(b"}") + 1
        data = struct.pack("<Q", max(0, end - 8)) + data[8:]
    return data


@pytest.mark.promise("E2")
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_fuzzed_files_raise_only_our_error(tmp_path: Path, count: int):
    file = tmp_path / "fuzz.safetensors"
    rng = np.random.default_rng(2)
    whole = safetensors.torch.save(
        {"a": torch.ones(2, 3), "b": torch.tensor(7), "c": torch.empty(0, 2), "d": torch.ones(2, dtype=torch.bfloat16)}
    )
    accepted = 0
    for _ in range(count):
        file.write_bytes(mutated(whole, rng))
        try:
            found = read_tensors(file)
        except CheckpointError:
            continue
        accepted += 1
        assert all(x.sum().isfinite().ndim == 0 for x in found.values())  # every element can be read
    assert 0 < accepted < count
