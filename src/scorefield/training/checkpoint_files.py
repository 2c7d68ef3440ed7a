"""The files of a checkpoint: tensors as safetensors, the rest as JSON. What is written is read back; what is read is not trusted.

Errors say which file, what was expected and what was found. A disk that is full or fails is an OSError.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from scorefield._errors import CheckpointError

__all__ = ["JSON", "MANIFEST", "NAME", "SCHEMA", "STATE", "encode", "encode_state", "read", "read_manifest"]
__all__ += ["read_state", "read_tensors", "read_verified", "same", "storable", "sync", "write", "write_tensors"]

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

SCHEMA = 1
"""Version of the layout written here; older ones are read, newer ones are refused by name."""

MANIFEST, STATE = "manifest.json", "state.json"
NAME = re.compile(r"state\.json|[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.safetensors")
_MANIFEST_LIMIT, _STATE_LIMIT = 2**16, 2**24  # bytes
_HEADER_LIMIT, _TENSORS_LIMIT = 2**20, 2**13  # bytes, tensors: a safetensors header decoded well under a second
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (torch.save, TorchScript or numpy), whose pickles can run code",
    b"\x80": "a Python pickle, which can run code",
    b"\x1f\x8b": "a gzip file",
}


def storable(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as safetensors takes them: contiguous, on the CPU, none sharing memory; no others are copied.

    What would not be read back is refused: the same names and types, of no elements, go to bytes and back.
    """
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    try:
        for name, value in tensors.items():
            x = value.detach().resolve_conj().resolve_neg().cpu().contiguous()  # a lazy conjugate or sign would be lost
            storage = x.untyped_storage().data_ptr()
            plain[name] = x.clone() if storage in storages else x
            storages.add(storage)
        read_tensors(Path(group), safetensors.torch.save({name: x.new_empty(0) for name, x in plain.items()}))
    except Exception as error:  # whatever torch and safetensors raise on sparse, quantized, meta, complex128, ...
        expected = "expected dense tensors, real or complex64"
        raise CheckpointError(f"group {group!r} cannot be stored: {expected}; found {error!r}") from error
    return plain


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Tell whether names, types, shapes and bits are equal."""

    def bits(x: Tensor) -> np.ndarray:
        return x.reshape(-1).view(torch.uint8).numpy()

    return a.keys() == b.keys() and all(
        x.dtype == y.dtype and x.shape == y.shape and np.array_equal(bits(x), bits(y))
        for x, y in ((x, b[name]) for name, x in a.items())
    )


def encode(fields: Mapping[str, JSON]) -> bytes:
    """Return JSON, always the same bytes for the same fields."""
    return (json.dumps(fields, indent=1, allow_nan=False) + "\n").encode()


def encode_state(step: int, state: Mapping[str, JSON]) -> bytes:
    """Return the file of the step and the state; what would not read back equal is refused."""
    fields = {"schema": SCHEMA, "step": step, "state": dict(state)}
    try:
        data = encode(fields)
        if json.loads(data) != fields:
            raise ValueError("a tuple, or a key that is not a string")
        if len(data) > _STATE_LIMIT:
            raise ValueError(f"{len(data)} bytes, more than {_STATE_LIMIT}")
    except (TypeError, ValueError, RecursionError) as error:
        found = f"expected JSON that reads back equal; found {error}"
        advice = "convert it to lists, strings, finite numbers and dicts with string keys"
        raise CheckpointError(f"state of step {step} cannot be stored: {found}; {advice}") from error
    return data


def write(path: Path, data: bytes) -> dict[str, JSON]:
    """Make the file, on the disk and read back when this returns, and return its entry in the manifest."""
    path.write_bytes(data)
    sync(path)
    if path.read_bytes() != data:
        raise _forgotten(path)
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> dict[str, JSON]:
    """As `write`, beside the file of the state."""
    try:
        safetensors.torch.save_file(tensors, path)
        shutil.copymode(path.with_name(STATE), path)  # the umask's: safetensors lets the owner alone read
        with path.open("rb") as file, ThreadPoolExecutor(1) as pool:  # hashing takes as long as the rest
            digest = pool.submit(hashlib.file_digest, file, "sha256")
            sync(path)
            if not same(tensors, safetensors.torch.load_file(path)):
                raise _forgotten(path)
    except safetensors.SafetensorError as error:  # it tells the system's error in words alone
        if code := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
        raise _forgotten(path) from error
    return {"sha256": digest.result().hexdigest(), "size": path.stat().st_size}


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, limit: int | None = None, *, links: bool = True) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes; ``links``: whether it may be a symbolic link."""
    wanted = os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)  # opening a FIFO must not wait for its writer
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | wanted)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _damaged(path, "a regular file", stat.filemode(status.st_mode))
            if limit is not None and status.st_size > limit:
                raise _damaged(path, f"at most {limit} bytes", f"{status.st_size} bytes")
            return file.read()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: NUL in the name
        raise _damaged(path, "a readable file" + ("" if links else ", not a symbolic link"), repr(error)) from error


def read_verified(path: Path, size: int, sha256: str, *, links: bool) -> bytes:
    """As `read`, of a file that has this size and hash."""
    data = read(path, min(size, _STATE_LIMIT) if path.name == STATE else size, links=links)
    if len(data) != size:
        raise _damaged(path, f"{size} bytes", f"{len(data)} bytes")
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise _damaged(path, f"SHA-256 {sha256}", found)
    return data


def read_manifest(path: Path, *, links: bool) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 by file name.

    The bytes must be those that writing the same content again would give, so that no flipped bit goes unseen, not even in white space.
    """
    data = read(path, _MANIFEST_LIMIT, links=links)
    match fields := _decode(path, data):
        case {"schema": _, "files": {"state.json": _} as files, **rest} if not rest and encode(fields) == data:
            return {name: _entry(path, name, entry) for name, entry in files.items()}
    raise _damaged(path, "the fields schema and files, with state.json among them, as they were written", _short(data))


def _entry(path: Path, name: str, entry: object) -> tuple[int, str]:
    match entry:
        case {"sha256": str(sha256), "size": int(size), **rest} if NAME.fullmatch(name) and not rest:
            if type(size) is int and size >= 0:
                return size, sha256
    expected = "names such as state.json and model.safetensors, and size and sha256 of each"
    raise _damaged(path, expected, f"{_short(name)}: {_short(entry)}")


def read_state(path: Path, data: bytes) -> tuple[int, dict[str, JSON]]:
    """Return the step and the state in ``data``; ``path`` is for messages."""
    match fields := _decode(path, data):
        case {"step": int(step), "state": dict(state)} if step >= 0:
            return step, state
    raise _damaged(path, "a step and a state", _short(fields))


def read_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Return the tensors in ``data``; other formats are told by what they are, and long headers, slow to decode, are refused."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > len(data) - 8:
        kinds = (kind for signature, kind in _SIGNATURES.items() if data.startswith(signature))
        found = next(kinds, f"{len(data)} bytes that begin with {data[:8]!r}")
        advice = "nothing was executed. Bring weights of other formats over with 'scorefield convert'"
        raise CheckpointError(f"{path}: expected a safetensors file; found {found}; {advice}")
    if length > _HEADER_LIMIT:
        raise _damaged(path, f"a header of at most {_HEADER_LIMIT} bytes", f"{length} bytes")
    if (count := len(_parse(path, data[8 : 8 + length]))) > _TENSORS_LIMIT:
        raise _damaged(path, f"at most {_TENSORS_LIMIT} tensors", f"{count}")
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # safetensors' own error, and whatever torch says to an impossible shape or dtype
        raise _damaged(path, "a sound safetensors file", _short(error)) from error


def _decode(path: Path, data: bytes) -> dict[str, Any]:
    """Return a JSON object of a schema that this release reads."""
    fields = _parse(path, data)
    schema = fields.get("schema")
    if type(schema) is not int or schema < 1:
        raise _damaged(path, f"a schema version from 1 to {SCHEMA}", _short(schema))
    if schema > SCHEMA:
        found = f"schema version {_short(schema)}; this one reads up to {SCHEMA}"
        raise CheckpointError(f"{path}: written by a newer scorefield: {found}; upgrade scorefield")
    return fields


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        fields = json.loads(data.decode(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "JSON in UTF-8", _short(error)) from error
    if not isinstance(fields, dict):
        raise _damaged(path, "a JSON object", _short(fields))
    return fields


def _damaged(path: Path, expected: str, found: str) -> CheckpointError:
    advice = "restore it from a copy or use another checkpoint"
    return CheckpointError(f"{path}: expected {expected}; found {found}; {advice}")


def _forgotten(path: Path) -> CheckpointError:
    found = "the disk gave back other bytes than were written; check it, or use another folder"
    return CheckpointError(f"{path}: {found}. Earlier checkpoints are intact")


def _short(value: object) -> str:
    """Return what ``value`` looks like, in at most a line."""
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
