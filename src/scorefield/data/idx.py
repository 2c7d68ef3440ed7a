"""Strict reader of IDX, the format of MNIST and its kin, plain or gzip-compressed.

A file is ``00 00 08 r``, where 08 says unsigned bytes and r is the number of dimensions; r sizes as
big-endian 32-bit integers; then exactly as many bytes as the product of the sizes. Sizes are checked before
any memory is asked for, and no more than header + body + 1 bytes are ever decompressed, so neither a lying
header nor a gzip bomb costs memory.
"""

import contextlib
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from scorefield.data._files import refusal, regular_file

MAX_BYTES = 1 << 27  # the largest file of the MNIST family unpacks to 47 MB
MAX_RANK = 4
_CHUNK = 1 << 20
_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_EXPECTED = "an IDX file of unsigned bytes, plain or gzip-compressed"
_REMEDY = "Download or copy the file again."


def read_idx(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "..."]:
    """Return the array of an IDX file of unsigned bytes; compression is recognised by content, not by name.

    Raises:
        DataError: not a readable regular file, wrong magic number, another type than unsigned bytes, more
            than four dimensions, an empty dimension, more than 128 MiB of data, a damaged gzip stream, a
            body that is too short or too long.
    """
    path = regular_file(path, _EXPECTED)
    try:
        with _opened(path) as stream:
            shape = _read_shape(stream, path)
            return _read_body(stream, path, math.prod(shape)).reshape(shape)
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(path, f"data that cannot be read ({error})", _EXPECTED, _REMEDY) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        yield gzip.GzipFile(fileobj=raw) if packed else raw


def _read_shape(stream: io.BufferedIOBase, path: Path) -> tuple[int, ...]:
    """Return the sizes the header claims, once they are known to be reasonable."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise refusal(path, f"{len(magic)} bytes in all", _EXPECTED, _REMEDY)
    if magic[:2] != b"\0\0":
        raise refusal(path, f"a file that begins with {magic.hex(' ')}", "00 00 08 and a rank", _REMEDY)
    if magic[2] != 0x08:
        found = f"type code 0x{magic[2]:02x} ({_TYPES.get(magic[2], 'unknown')})"
        raise refusal(path, found, "0x08 (unsigned bytes)", "Convert the data to bytes 0..255, or pass a .npy file.")
    rank = magic[3]
    if not 1 <= rank <= MAX_RANK:
        raise refusal(path, f"{rank} dimensions", f"1 to {MAX_RANK}", _REMEDY)
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise refusal(path, f"a header of {4 + len(sizes)} bytes", f"{4 + 4 * rank} for rank {rank}", _REMEDY)
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * rank, 4))
    if not 0 < math.prod(shape) <= MAX_BYTES:
        found = f"sizes {shape}, {math.prod(shape)} bytes"
        raise refusal(path, found, f"between 1 and {MAX_BYTES} bytes", _REMEDY)
    return shape


def _read_body(stream: io.BufferedIOBase, path: Path, size: int) -> UInt8[np.ndarray, " size"]:
    """Return exactly ``size`` bytes; memory is touched only as data arrives, and one byte more is read."""
    body = np.empty(size, dtype=np.uint8)
    filled = 0
    while filled < size:
        chunk = stream.read(min(_CHUNK, size - filled))
        if not chunk:
            raise refusal(path, f"a body of {filled} bytes", f"{size}, as the header says", _REMEDY)
        body[filled : filled + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
        filled += len(chunk)
    if stream.read(1):  # at the end of a gzip stream this also verifies its checksum
        raise refusal(path, f"bytes after the body of {size}", "the end of the file", _REMEDY)
    return body
