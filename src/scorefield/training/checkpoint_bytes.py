"""The files of a checkpoint as bytes: encoding, and decoding that trusts nothing.

What decoding would refuse is not encoded in the first place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import safetensors.torch
import torch
from torch import Tensor

from scorefield._errors import CheckpointError
from scorefield.training.checkpoint_disk import Content, damaged, short, size

__all__ = [
    "JSON",
    "MANIFEST",
    "MANIFEST_LIMIT",
    "SCHEMA",
    "STATE",
    "decode_manifest",
    "decode_state",
    "decode_tensors",
    "encode",
    "encode_manifest",
    "is_group",
]

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

SCHEMA = 1
"""Version of the layout written here; older ones are read, newer ones are refused by name."""

MANIFEST, STATE = "manifest.json", "state.json"
MANIFEST_LIMIT, _STATE_LIMIT = 2**16, 2**24  # bytes
_HEADER_LIMIT, _TENSORS_LIMIT = 2**20, 2**13  # bytes, tensors: a safetensors header decoded well under a second
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")

_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (torch.save, TorchScript or numpy), whose pickles can run code",
    b"\x80": "a Python pickle, which can run code",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
}


def is_group(name: str) -> bool:
    """Tell whether ``name`` may name a group of tensors, hence a file."""
    return _GROUP.fullmatch(name) is not None


def encode(step: int, groups: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, JSON]) -> dict[str, Content]:
    """Return the content of each file of a checkpoint but the manifest."""
    files = {f"{group}.safetensors": _encode_tensors(group, tensors) for group, tensors in groups.items()}
    return {**files, STATE: [_encode_state(step, state)]}


def encode_manifest(files: Mapping[str, Content]) -> bytes:
    """Return the manifest of these files."""
    return _dump({"schema": SCHEMA, "files": {name: _describe(content) for name, content in files.items()}})


def _describe(content: Content) -> dict[str, JSON]:
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return {"sha256": digest.hexdigest(), "size": size(content)}


def _encode_tensors(group: str, tensors: Mapping[str, Tensor]) -> Content:
    """Return a safetensors file: its header, and each tensor from where it lies in memory, wide types first."""
    if "__metadata__" in tensors:
        raise CheckpointError(f"group {group!r}: the name '__metadata__' is taken by safetensors; rename the tensor")
    try:
        # resolve_*: a lazy conjugate or sign would be lost.
        plain = {name: x.detach().resolve_conj().resolve_neg().cpu().contiguous() for name, x in tensors.items()}
        ordered = sorted(plain.items(), key=lambda item: (-item[1].element_size(), item[0].encode()))
        codes = {dtype: _code(dtype) for dtype in {x.dtype for x in plain.values()}}
        fields, parts, end = {}, [], 0
        for name, x in ordered:
            start, end = end, end + x.nbytes
            fields[name] = {"dtype": codes[x.dtype], "shape": list(x.shape), "data_offsets": [start, end]}
            parts.append(_memory(x))
    except Exception as error:  # whatever torch and safetensors raise on sparse, quantized, meta, complex128, ...
        raise CheckpointError(
            f"group {group!r} cannot be stored: expected dense tensors, real or complex64; found {error!r}"
        ) from error
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin where wide types may
    header = len(text).to_bytes(8, "little") + text
    _check_header(Path(f"{group}.safetensors"), header)  # what would not be read back is not written
    return [header, *parts]


def _memory(x: Tensor) -> memoryview:
    return x.reshape(-1).view(torch.uint8).numpy().data


def _code(dtype: torch.dtype) -> str:
    """Return what safetensors calls a type that it writes as memory has it, and reads back."""
    one = torch.ones(1, dtype=dtype)
    data = safetensors.torch.save({"": one})
    if not data.endswith(_memory(one)) or _memory(safetensors.torch.load(data)[""]) != _memory(one):
        raise TypeError(f"{dtype}, which does not return as it was")
    return json.loads(data[8 : -one.nbytes])[""]["dtype"]


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


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "JSON in UTF-8", short(error)) from error
    if not isinstance(fields, dict):
        raise damaged(path, "a JSON object", short(fields))
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_schema(path: Path, fields: dict[str, Any]) -> None:
    schema = fields.get("schema")
    if type(schema) is not int or schema < 1:
        raise damaged(path, f"a schema version from 1 to {SCHEMA}", short(schema))
    if schema > SCHEMA:
        raise CheckpointError(
            f"{path}: written by a newer scorefield: schema version {short(schema)}; this one reads up to "
            f"{SCHEMA}; upgrade scorefield"
        )


def _check_entry(path: Path, name: str, entry: Any) -> tuple[int, str]:  # noqa: ANN401
    if name != STATE and not (name.endswith(".safetensors") and _GROUP.fullmatch(name.removesuffix(".safetensors"))):
        raise damaged(path, "names such as state.json and model.safetensors", short(name))
    match entry:
        case {"sha256": str(sha256), "size": int(size), **rest} if not rest and not isinstance(size, bool):
            if name == STATE and size > _STATE_LIMIT:
                raise damaged(path, f"{name} of at most {_STATE_LIMIT} bytes", f"{size} bytes")
            return size, sha256
    raise damaged(path, f"size and sha256 of {name}", short(entry))


def decode_state(path: Path, data: bytes) -> tuple[int, dict[str, JSON]]:
    """Return the step and the state in ``data``; ``path`` is for messages."""
    fields = _parse(path, data)
    _check_schema(path, fields)
    match fields:
        case {"step": int(step), "state": dict(state)} if step >= 0:
            return step, state
    raise damaged(path, "a step and a state", short(fields))


def decode_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Return the tensors in ``data``; ``path`` is for messages."""
    _check_header(path, data)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # safetensors' own error, and whatever torch says to an impossible shape or dtype
        raise damaged(path, "a sound safetensors file", short(error)) from error


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
        raise damaged(path, f"a header of at most {_HEADER_LIMIT} bytes", f"{length} bytes")
    tensors = len(_parse(path, data[8 : 8 + length]))
    if tensors > _TENSORS_LIMIT:
        raise damaged(path, f"at most {_TENSORS_LIMIT} tensors", f"{tensors}")


def decode_manifest(path: Path, data: bytes) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 by file name.

    The bytes must be those that writing the same content again would give, so that no flipped bit goes
    unseen, not even in white space.
    """
    fields = _parse(path, data)
    _check_schema(path, fields)
    match fields:
        case {"files": {"state.json": _} as entries, **rest} if rest.keys() == {"schema"}:
            files = {name: _check_entry(path, name, entry) for name, entry in entries.items()}
        case _:
            raise damaged(path, "the fields schema and files, with state.json among them", f"{short(fields)}")
    if _dump(fields) != data:
        raise damaged(path, "the exact form in which it was written", "other white space, spelling or doubled keys")
    return files
