"""Checkpoints that outlive a kill, a full disk and a flipped bit: safetensors, JSON and SHA-256, no pickle.

The checkpoint of step 1200 is a folder::

    step-00001200/
        model.safetensors   one file per group of tensors (model, ema, optim, ...)
        state.json          schema version, step, and whatever the caller keeps beside tensors
        manifest.json       size and SHA-256 of each file above, written last
    last                    name of the checkpoint written last, for people and shell scripts; never read here

Writing is all or nothing: the files go to ``.tmp-<pid>-<token>-<n>``, are synced, read back and verified, and
only then does one ``rename`` give them their name. Whatever is interrupted leaves a ``.tmp-*`` that `clean`
removes. Groups are encoded in memory (two copies of the tensors, briefly), so that one place writes, hashes
and syncs; networks here are small.

Reading trusts nothing: a file is opened only when the manifest names it, used only when its size and hash
agree, and decoded by safetensors alone. Files that the manifest does not name are ignored. POSIX only
(directory sync).
"""

import errno
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import safetensors.torch
import torch
from torch import Tensor

from scorefield._errors import CheckpointError, ConfigError

__all__ = ["JSON", "SCHEMA", "Checkpoint", "clean", "latest", "load", "read_tensors", "save"]

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

SCHEMA = 1
"""Version of the layout written here; older ones are read, newer ones are refused by name."""

_MANIFEST, _STATE, _LAST = "manifest.json", "state.json", "last"
_MANIFEST_LIMIT, _STATE_LIMIT = 2**16, 2**24  # bytes
_HEADER_LIMIT, _TENSORS_LIMIT = 2**20, 2**13  # bytes, tensors: a safetensors header decoded well under a second
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_STEP = re.compile(r"step-([0-9]{8,})(~?)")  # "~": the former copy of a step that is being replaced
_TEMPORARY = re.compile(r"\.tmp-([1-9][0-9]{0,8})-([0-9a-f]{8})-[0-9]+")
_TOKEN = secrets.token_hex(4)  # tells this process from a dead one of the same pid (containers start at the same pid)
_COUNTER = itertools.count()

_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (torch.save, TorchScript or numpy), whose pickles can run code",
    b"\x80": "a Python pickle, which can run code",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A verified checkpoint: tensors by group and name, on the CPU, and the state saved with them."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, JSON]


# ------------------------------------------------------------------------------------------ writing


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, JSON],
    *,
    keep: int = 3,
) -> Path:
    """Write the checkpoint of ``step`` atomically, then delete all but the newest ``keep`` up to this step.

    Nothing older is deleted before the new one has been read back and verified, and checkpoints of later
    steps are left alone. A step that exists already is left as it is if it holds the same bytes; otherwise
    the former copy stays loadable (as ``step-...~``) until the new one is in place. Values return bit for
    bit; strides, sharing of memory and the order of tensors do not.

    Args:
        folder: where checkpoints live; made if absent.
        step: number of finished training steps.
        tensors: groups of dense tensors, each a file of its own.
        state: JSON that must read back equal: no tuples, no keys but strings, no NaN or infinity.
        keep: how many checkpoints remain, this one included.

    Returns:
        The folder of the checkpoint.

    Raises:
        ConfigError: ``step``, ``keep`` or the name of a group is out of range.
        CheckpointError: the values cannot be stored, or the disk is full, read-only or failing. Earlier
            checkpoints are intact.
    """
    _check_arguments(step, keep, tensors)
    files = _encode(step, tensors, state)
    path = folder / f"step-{step:08d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _holds(path, files[_MANIFEST]):
            _place(path, files)
        _update_last(folder, path.name)
        _prune(folder, path, keep)
    except OSError as error:
        _cannot_write(folder, sum(map(len, files.values())), error)
    return path


def clean(folder: Path) -> None:
    """Remove what interrupted saves left in ``folder``; call it at the start of a run.

    Touches ``.tmp-*`` of dead processes only; a process on another machine looks dead, which is why a run
    folder is held by one process (`scorefield.training.runlock`).

    Raises:
        CheckpointError: the folder cannot be read or a leftover not removed.
    """
    for entry in _scan(folder):
        match = _TEMPORARY.fullmatch(entry.name)
        if match is None or _is_live(int(match[1]), match[2]):
            continue
        try:
            _remove(folder / entry.name)
        except OSError as error:
            raise CheckpointError(
                f"{folder}: cannot clear {entry.name}, left by an interrupted save: {error}; remove it by hand"
            ) from error


def _check_arguments(step: int, keep: int, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    if step < 0:
        raise ConfigError(f"step must be a number of finished steps, 0 or more; received {step}")
    if keep < 1:
        raise ConfigError(f"keep must be at least 1, the checkpoint just written; received {keep}")
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise ConfigError(f"a group of tensors is named by letters, digits, _ and -; received {group!r}")


def _encode(step: int, groups: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, JSON]) -> dict[str, bytes]:
    """Return the content of each file of a checkpoint, the manifest last."""
    files = {f"{group}.safetensors": _encode_tensors(group, tensors) for group, tensors in groups.items()}
    files[_STATE] = _encode_state(step, state)
    entries = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    files[_MANIFEST] = _dump({"schema": SCHEMA, "files": entries})
    return files


def _encode_tensors(group: str, tensors: Mapping[str, Tensor]) -> bytes:
    if "__metadata__" in tensors:
        raise CheckpointError(f"group {group!r}: the name '__metadata__' is taken by safetensors; rename the tensor")
    try:
        # resolve_*: a lazy conjugate or sign would be lost; clone: safetensors refuses shared memory.
        plain = {
            name: x.detach().resolve_conj().resolve_neg().cpu().clone(memory_format=torch.contiguous_format)
            for name, x in tensors.items()
        }
        data = safetensors.torch.save(plain)
    except Exception as error:  # whatever torch and safetensors raise on sparse, quantized, meta, complex128, ...
        raise CheckpointError(
            f"group {group!r} cannot be stored: expected dense tensors, real or complex64; found {error!r}"
        ) from error
    _check_header(Path(f"{group}.safetensors"), data)  # what could not be read back is not written
    return data


def _encode_state(step: int, state: Mapping[str, JSON]) -> bytes:
    fields = {"schema": SCHEMA, "step": step, "state": dict(state)}
    try:
        data = _dump(fields)
        if json.loads(data) != fields:
            raise ValueError("a tuple, or a key that is not a string")
        if len(data) > _STATE_LIMIT:
            raise ValueError(f"{len(data)} bytes, more than {_STATE_LIMIT}")
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"state of step {step} cannot be stored: expected JSON that reads back equal; found {error}; "
            "convert it to lists, strings, finite numbers and dicts with string keys"
        ) from error
    return data


def _dump(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=1, allow_nan=False) + "\n").encode()


def _holds(path: Path, manifest: bytes) -> bool:
    """Tell whether ``path`` is a good checkpoint with this very manifest, hence with the same bytes."""
    return _is_good(path) and _read(path / _MANIFEST, _MANIFEST_LIMIT) == manifest


def _is_good(path: Path) -> bool:
    try:
        load(path)
    except CheckpointError:
        return False
    return True


def _place(path: Path, files: Mapping[str, bytes]) -> None:
    """Write, sync and verify under a temporary name, then rename to ``path``."""
    temporary = _temporary(path.parent)
    os.mkdir(temporary)
    try:
        for name, data in files.items():
            _write(temporary / name, data)
        _sync(temporary)
        load(temporary)
        if path.exists():
            _step_aside(path)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # nothing is there after the rename
    _sync(path.parent)


def _step_aside(path: Path) -> None:
    """Free the name ``path``; what it held stays loadable as its ``~`` copy until the new one is in place."""
    former = path.with_name(path.name + "~")
    if former.exists():  # a replacement was interrupted before: keep the better of the two
        if not _is_good(path):
            _discard(path)
            return
        _discard(former)
    os.rename(path, former)


def _update_last(folder: Path, name: str) -> None:
    temporary = _temporary(folder)
    try:
        _write(temporary, f"{name}\n".encode())
        os.replace(temporary, folder / _LAST)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(folder)


def _prune(folder: Path, newest: Path, keep: int) -> None:
    """Delete what ``newest``, known to be good, makes superfluous: ``~`` copies and the oldest of the others."""
    older = [path for path in _checkpoints(folder) if path != newest and _step(path) <= _step(newest)]
    copies = [path for path in older if path.name.endswith("~")]
    others = [path for path in older if path not in copies]
    for path in copies + others[keep - 1 :]:
        _discard(path)


def _discard(path: Path) -> None:
    """Delete a checkpoint; renamed first, so that an interrupted deletion never looks like a damaged one."""
    temporary = _temporary(path.parent)
    os.rename(path, temporary)
    _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _temporary(folder: Path) -> Path:
    return folder / f".tmp-{os.getpid()}-{_TOKEN}-{next(_COUNTER)}"


def _is_live(pid: int, token: str) -> bool:
    if pid == os.getpid():
        return token == _TOKEN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists and belongs to somebody else
        return True
    return True


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(folder: Path, needed: int, error: OSError) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        raise CheckpointError(
            f"{folder}: no space for a checkpoint ({error.strerror}): it needs {needed} bytes, "
            f"{shutil.disk_usage(place).free} are free; free some space or keep fewer checkpoints. "
            "Earlier checkpoints are intact"
        ) from error
    raise CheckpointError(
        f"{folder}: cannot write a checkpoint of {needed} bytes: {error}; expected a folder this user may write "
        "to. Earlier checkpoints are intact"
    ) from error


# ------------------------------------------------------------------------------------------ reading


def load(path: Path) -> Checkpoint:
    """Read the checkpoint folder ``path`` after verifying every file against its manifest.

    Raises:
        CheckpointError: a file is missing, damaged, a symbolic link, too large, or from a newer release.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    step, state = 0, {}
    for name, (size, sha256) in _read_manifest(path / _MANIFEST).items():
        data = _read_verified(path / name, size, sha256)
        if name == _STATE:
            step, state = _decode_state(path / name, data)
        else:
            tensors[name.removesuffix(".safetensors")] = _decode_tensors(path / name, data)
    return Checkpoint(path, step, tensors, state)


def latest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest good checkpoint in ``folder``, or None if there is none at all.

    Args:
        folder: where `save` puts them; it need not exist.
        warn: called once, with damaged checkpoints and the one taken instead, if the newest is not good.

    Raises:
        CheckpointError: there are checkpoints and none of them is good.
    """
    failures: list[str] = []
    for path in _checkpoints(folder):
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            failures.append(str(error))
            continue
        if failures:
            warn("\n".join(["damaged checkpoint passed over:", *failures, f"taken instead: {path}"]))
        return checkpoint
    if failures:
        raise CheckpointError(
            "\n".join([f"{folder}: none of its {len(failures)} checkpoints can be trusted:", *failures])
        )
    return None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a lone safetensors file by name; anything else is refused by its content, whatever it is called.

    Raises:
        CheckpointError: the file cannot be read or is not a sound safetensors file.
    """
    return _decode_tensors(path, _read(path))


def _damaged(path: Path, expected: str, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: expected {expected}; found {found}; restore it from a copy or use another checkpoint"
    )


def _checkpoints(folder: Path) -> list[Path]:
    """Return the folders named like checkpoints, newest first, a ``~`` copy after what replaced it."""
    entries = _scan(folder)
    paths = [folder / e.name for e in entries if _STEP.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    return sorted(paths, key=lambda path: (-_step(path), path.name))


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder}: expected a readable folder of checkpoints; found {error}") from error


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-").removesuffix("~"))


def _read(path: Path, limit: int | None = None) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _damaged(path, "a regular file", stat.filemode(status.st_mode))
            if limit is not None and status.st_size > limit:
                raise _damaged(path, f"at most {limit} bytes", f"{status.st_size} bytes")
            return file.read()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: NUL in the name
        raise _damaged(path, "a readable file", f"{error!r}") from error


def _read_verified(path: Path, size: int, sha256: str) -> bytes:
    if path.is_symlink():
        raise _damaged(path, "a regular file", "a symbolic link")
    data = _read(path, max(size, 0))
    if len(data) != size:
        raise _damaged(path, f"{size} bytes", f"{len(data)} bytes")
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise _damaged(path, f"SHA-256 {sha256}", found)
    return data


def _read_manifest(path: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 by file name.

    The bytes must be those that writing the same content again would give, so that no flipped bit goes
    unseen, not even in white space.
    """
    if path.is_symlink():
        raise _damaged(path, "a regular file", "a symbolic link")
    data = _read(path, _MANIFEST_LIMIT)
    fields = _parse(path, data)
    _check_schema(path, fields)
    match fields:
        case {"files": {"state.json": _} as entries, **rest} if rest.keys() == {"schema"}:
            files = {name: _check_entry(path, name, entry) for name, entry in entries.items()}
        case _:
            raise _damaged(path, "the fields schema and files, with state.json among them", f"{_short(fields)}")
    if _dump(fields) != data:
        raise _damaged(path, "the exact form in which it was written", "other white space, spelling or doubled keys")
    return files


def _check_entry(path: Path, name: str, entry: Any) -> tuple[int, str]:  # noqa: ANN401
    if name != _STATE and not (name.endswith(".safetensors") and _GROUP.fullmatch(name.removesuffix(".safetensors"))):
        raise _damaged(path, "names such as state.json and model.safetensors", _short(name))
    match entry:
        case {"sha256": str(sha256), "size": int(size), **rest} if not rest and not isinstance(size, bool):
            if name == _STATE and size > _STATE_LIMIT:
                raise _damaged(path, f"{name} of at most {_STATE_LIMIT} bytes", f"{size} bytes")
            return size, sha256
    raise _damaged(path, f"size and sha256 of {name}", _short(entry))


def _check_schema(path: Path, fields: dict[str, Any]) -> None:
    schema = fields.get("schema")
    if type(schema) is not int or schema < 1:
        raise _damaged(path, f"a schema version from 1 to {SCHEMA}", _short(schema))
    if schema > SCHEMA:
        raise CheckpointError(
            f"{path}: written by a newer scorefield: schema version {_short(schema)}; this one reads up to "
            f"{SCHEMA}; upgrade scorefield"
        )


def _decode_state(path: Path, data: bytes) -> tuple[int, dict[str, JSON]]:
    fields = _parse(path, data)
    _check_schema(path, fields)
    match fields:
        case {"step": int(step), "state": dict(state)} if step >= 0:
            return step, state
    raise _damaged(path, "a step and a state", _short(fields))


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "JSON in UTF-8", _short(error)) from error
    if not isinstance(fields, dict):
        raise _damaged(path, "a JSON object", _short(fields))
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."


def _decode_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    _check_header(path, data)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # safetensors' own error, and whatever torch says to an impossible shape or dtype
        raise _damaged(path, "a sound safetensors file", _short(error)) from error


def _check_header(path: Path, data: bytes) -> None:
    """Refuse other formats by what they are, and headers so large that decoding them would take seconds."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > len(data) - 8:
        kinds = (kind for signature, kind in _SIGNATURES.items() if data.startswith(signature))
        found = next(kinds, f"{len(data)} bytes that begin with {data[:8]!r}")
        raise CheckpointError(
            f"{path}: expected a safetensors file; found {found}; nothing was executed. Bring weights of "
            "other formats over with 'scorefield convert'"
        )
    if length > _HEADER_LIMIT:
        raise _damaged(path, f"a header of at most {_HEADER_LIMIT} bytes", f"{length} bytes")
    tensors = len(_parse(path, data[8 : 8 + length]))
    if tensors > _TENSORS_LIMIT:
        raise _damaged(path, f"at most {_TENSORS_LIMIT} tensors", f"{tensors}")
