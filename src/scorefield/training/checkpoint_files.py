"""The files of a checkpoint: tensors as safetensors, the rest as JSON. What is written is read back; what is read is not trusted.

Errors say which file, what was expected and what was found. A disk that is full or fails is an OSError.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from scorefield.errors import CheckpointError

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

SCHEMA = 1
"""Version of the layout written here; older ones are read, newer ones are refused by name."""

MANIFEST, STATE = "manifest.json", "state.json"
_NAME = re.compile(r"state\.json|[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.safetensors")
_SYSTEM_ERROR = re.compile(r"(?:os error |code: )([0-9]+)")  # as Rust prints it
_CHUNK = 2**18  # bytes compared at a time
_KINDS = {
    b"PK\x03\x04": "a zip archive (torch.save, TorchScript or numpy), whose pickles can run code",
    b"\x80": "a Python pickle, which can run code",
    b"\x1f\x8b": "a gzip file",
}
_HEADER_LIMIT, _TENSORS_LIMIT = 2**20, 2**13  # bytes, tensors: a safetensors header decoded well under a second


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, JSON]:
    """Make a safetensors file, on the disk and read back when this returns, and return its entry in the manifest.

    The tensors go from their memory to the file, and are compared with it a piece at a time: nothing of their size is allocated.
    """
    stored, dtypes = _storable(path, tensors)
    path.touch()
    mode = path.stat().st_mode  # safetensors gives its file to the owner alone
    try:
        safetensors.torch.save_file(stored, path)
        os.chmod(path, mode)
    except SafetensorError as error:  # a disk that is full or fails, in words
        if number := _SYSTEM_ERROR.search(str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise _unstorable(path, error) from error
    with ThreadPoolExecutor(1) as pool:
        synced = pool.submit(sync, path)
        try:
            entry = _compared(path, stored, dtypes)  # while the disk is waited for
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:  # no header, or another
            raise _altered(path) from error
        synced.result()
    return entry


def _storable(path: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors as safetensors takes them, and what it calls their types.

    What would not be read back is refused: the same names and types, of no elements, go to bytes and back.
    """
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    try:
        for name, value in tensors.items():
            x = value.detach().resolve_conj().resolve_neg().cpu().contiguous()  # a lazy conjugate or sign would be lost
            storage = x.untyped_storage().data_ptr()
            plain[name] = x.clone() if storage in storages else x  # safetensors takes none that share memory
            storages.add(storage)
        empty = safetensors.torch.save({name: x.new_empty(0) for name, x in plain.items()})
        read_tensors(path, empty)
    except Exception as error:  # whatever torch and safetensors raise on sparse, quantized, meta, complex128, ...
        raise _unstorable(path, error) from error
    return plain, {name: entry["dtype"] for name, entry in _parse(path, empty[8:]).items()}


def _unstorable(path: Path, error: Exception) -> CheckpointError:
    expected = "expected dense tensors, real or complex64"
    return CheckpointError(f"{path.name} cannot be stored: {expected}; found {error!r}")


def _compared(path: Path, tensors: Mapping[str, Tensor], dtypes: Mapping[str, str]) -> dict[str, JSON]:
    """Return the manifest's entry of a safetensors file whose tensors are those given, byte for byte; refuse another.

    Each piece is hashed right after it was compared, while the processor still has it at hand.
    """
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(min(int.from_bytes(length, "little"), _HEADER_LIMIT))
        digest, places, end = hashlib.sha256(length + header), json.loads(header), 0
        for name, place in sorted(places.items(), key=lambda item: item[1]["data_offsets"]):
            x = tensors[name]
            begin, end = end, end + x.nbytes
            if place != {"dtype": dtypes[name], "shape": list(x.shape), "data_offsets": [begin, end]}:
                raise _altered(path)
            for expected in x.reshape(-1).view(torch.uint8).split(_CHUNK):
                found = bytearray(len(expected))  # which compares with what shows its bytes as fast as memory is read
                if file.readinto(found) != len(expected) or found != expected.numpy().data:
                    raise _altered(path)
                digest.update(found)
        if len(places) != len(tensors) or file.read(1):
            raise _altered(path)
        return {"sha256": digest.hexdigest(), "size": file.tell()}


def encode(fields: dict[str, JSON]) -> bytes:
    """Return JSON, always the same bytes for the same fields; what would not read back equal is refused."""
    try:
        data = (json.dumps(fields, indent=1, allow_nan=False) + "\n").encode()
        if json.loads(data) != fields:
            raise ValueError("a tuple, or a key that is not a string")
    except (TypeError, ValueError, RecursionError) as error:
        advice = "convert it to lists, strings, finite numbers and dicts with string keys"
        raise CheckpointError(
            f"the state cannot be stored: expected JSON that reads back equal; found {error}; {advice}"
        ) from error
    return data


def write(path: Path, data: bytes) -> dict[str, JSON]:
    """Make the file, on the disk and read back when this returns, and return its entry in the manifest."""
    path.write_bytes(data)
    sync(path)
    if path.read_bytes() != data:
        raise _altered(path)
    return _entry(data)


def _entry(data: bytes) -> dict[str, JSON]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(path: Path) -> dict[str, dict[str, JSON]]:
    """Return size and SHA-256 by file name.

    The bytes must be those that writing the same content again would give, so that no flipped bit goes unseen, not even in white space.
    """
    data = read(path)
    match fields := _decode(path, data):
        case {"schema": _, "files": {"state.json": _} as files, **rest} if not rest and encode(fields) == data:
            for name in files:
                if not _NAME.fullmatch(name):
                    raise _damaged(path, "names such as state.json and model.safetensors", name)
            return files
    raise _damaged(path, "the fields schema and files, with state.json among them, as they were written", data)


def read_verified(path: Path, entry: dict[str, JSON]) -> bytes:
    """Return the content of a file that agrees with its entry in the manifest."""
    data = read(path)
    if (found := _entry(data)) != entry:
        raise _damaged(path, f"the size and SHA-256 of the manifest, {entry!r:.200}", found)
    return data


def read_state(path: Path, data: bytes) -> tuple[int, dict[str, JSON]]:
    """Return the step and the state in ``data``; ``path`` is for messages."""
    match fields := _decode(path, data):
        case {"step": int(step), "state": dict(state)} if step >= 0:
            return step, state
    raise _damaged(path, "a step and a state", fields)


def read_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Return the tensors in ``data``; other formats are named and refused, as are long headers, slow to decode."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > len(data) - 8:
        kinds = (kind for signature, kind in _KINDS.items() if data.startswith(signature))
        found = next(kinds, f"{len(data)} bytes that begin with {data[:8]!r}")
        advice = "nothing was executed. Bring weights of other formats over with 'scorefield convert'"
        raise CheckpointError(f"{path}: expected a safetensors file; found {found}; {advice}")
    if length > _HEADER_LIMIT:
        raise _damaged(path, f"a header of at most {_HEADER_LIMIT} bytes", length)
    if (count := len(_parse(path, data[8 : 8 + length]))) > _TENSORS_LIMIT:
        raise _damaged(path, f"at most {_TENSORS_LIMIT} tensors", count)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # safetensors' own error, and whatever torch says to an impossible shape or dtype
        raise _damaged(path, "a sound safetensors file", error) from error


def read(path: Path) -> bytes:
    """Return the content of a regular file; opening another kind could wait for ever."""
    if not path.is_file():
        raise _damaged(path, "a regular file", "another kind" if path.exists() else None)
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        raise _damaged(path, "a readable file", error) from error


def _decode(path: Path, data: bytes) -> dict[str, Any]:
    """Return a JSON object of a schema that this release reads."""
    fields = _parse(path, data)
    schema = fields.get("schema")
    if type(schema) is not int or schema < 1:
        raise _damaged(path, f"a schema version from 1 to {SCHEMA}", schema)
    if schema > SCHEMA:
        found = f"schema version {schema!r:.100}; this one reads up to {SCHEMA}"
        raise CheckpointError(f"{path}: written by a newer scorefield: {found}; upgrade scorefield")
    return fields


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "JSON in UTF-8", error) from error
    if not isinstance(fields, dict):
        raise _damaged(path, "a JSON object", fields)
    return fields


def _altered(path: Path) -> CheckpointError:
    found = "the disk gave back other bytes than were written; check it, or use another folder"
    return CheckpointError(f"{path}: {found}. Earlier checkpoints are intact")


def _damaged(path: Path, expected: str, found: object) -> CheckpointError:
    advice = "restore it from a copy or use another checkpoint"
    shown = "nothing" if found is None else f"{found!r:.100}"
    return CheckpointError(f"{path}: expected {expected}; found {shown}; {advice}")
