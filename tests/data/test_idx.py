"""E4: whatever an IDX file says or is, it is read exactly or refused with a DataError that names it."""

import gzip
import os
import random
import struct
import tracemalloc

import numpy as np
import pytest

from scorefield.data.idx import read_idx
from scorefield.errors import DataError


def header(*sizes: int, code: int = 8, rank: int | None = None) -> bytes:
    return struct.pack(">HBB", 0, code, len(sizes) if rank is None else rank) + struct.pack(f">{len(sizes)}I", *sizes)


def body(size: int) -> bytes:
    return bytes(i * 7 % 256 for i in range(size))


GOOD = header(3, 4, 5) + body(60)
PLAIN = {
    "empty": b"",
    "one byte": b"\0",
    "three bytes": b"\0\0\x08",
    "magic alone": b"\0\0\x08\x03",
    "first byte": b"\x01" + GOOD[1:],
    "second byte": b"\0\x01" + GOOD[2:],
    "little endian magic": b"\x03\x08\0\0" + GOOD[4:],
    "text": b"<html><body>404 not found</body></html>",
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0",
    "numpy": b"\x93NUMPY\x01\0v\0{'descr': '|u1'}",
    "zip": b"PK\x03\x04" + bytes(60),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "int8": header(3, 4, 5, code=0x09) + body(60),
    "int16": header(3, 4, 5, code=0x0B) + body(120),
    "int32": header(3, 4, 5, code=0x0C) + body(240),
    "float32": header(3, 4, 5, code=0x0D) + body(240),
    "float64": header(3, 4, 5, code=0x0E) + body(480),
    "type 0": header(3, 4, 5, code=0) + body(60),
    "type 255": header(3, 4, 5, code=255) + body(60),
    "rank 0": header() + body(1),
    "rank 5": header(1, 1, 1, 1, 60) + body(60),
    "rank 255": header(3, 4, 5, rank=255) + body(1020),
    "rank more than sizes": header(60, rank=3),
    "sizes cut": GOOD[:9],
    "no examples": header(0, 4, 5),
    "no rows": header(3, 0, 5) + body(60),
    "all zero": header(0, 0, 0),
    "minus one": header(0xFFFFFFFF, 4, 5) + body(60),
    "minus one each": header(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF) + body(60),
    "9.2e18 bytes": header(0x80000000, 0x80000000, 2) + body(60),
    "2^64 bytes": header(0x80000000, 0x80000000, 4) + body(60),
    "2^128 bytes": header(*[0x80000000] * 4, rank=4) + body(60),
    "over the limit": header((1 << 27) + 1) + body(60),
    "at the limit, no body": header(1 << 27),
    "body missing": header(3, 4, 5),
    "body one short": GOOD[:-1],
    "body one long": GOOD + b"\0",
    "body twice": GOOD + body(60),
    "little endian sizes": header(3 << 24, 4 << 24, 5 << 24) + body(60),
}
PACKED = gzip.compress(GOOD, mtime=0)
STREAMS = {
    "gz magic alone": b"\x1f\x8b",
    "gz header alone": PACKED[:10],
    "gz cut in the body": PACKED[:-20],
    "gz cut in the checksum": PACKED[:-6],
    "gz cut by one": PACKED[:-1],
    "gz wrong checksum": PACKED[:-8] + bytes(4) + PACKED[-4:],
    "gz wrong length": PACKED[:-4] + bytes(4),
    "gz wrong method": PACKED[:2] + b"\x07" + PACKED[3:],
    "gz garbage behind": PACKED + b"garbage",
    "gz second member": PACKED + PACKED,
    "gz of gz": gzip.compress(PACKED),
}
CASES = PLAIN | {f"packed {name}": gzip.compress(data) for name, data in PLAIN.items()} | STREAMS


def write(folder, data: bytes):
    path = folder / "data-idx3-ubyte"
    path.write_bytes(data)
    return path


@pytest.mark.promise("E4")
@pytest.mark.parametrize("name", CASES)
def test_damaged_file_is_refused_by_name(name, tmp_path):
    assert len(CASES) >= 40
    path = write(tmp_path, CASES[name])
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert str(path) in message
    assert "found" in message
    assert "expected" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("shape", [(60,), (12, 5), (3, 4, 5), (1, 3, 4, 5)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_reads_exactly_what_was_written(shape, pack, tmp_path):
    got = read_idx(write(tmp_path, pack(header(*shape) + body(60))))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, np.frombuffer(body(60), np.uint8).reshape(shape))


def test_body_longer_than_one_chunk(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (3, 1000, 1000), dtype=np.uint8)
    np.testing.assert_array_equal(read_idx(write(tmp_path, header(*data.shape) + data.tobytes())), data)


@pytest.mark.promise("E4")
def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, found in {
        tmp_path: "a folder",
        tmp_path / "none": "no such file",
        tmp_path / "pipe": "not a regular file",
        tmp_path / "loop": "link",
        "nul\0name": "no such file",
    }.items():
        with pytest.raises(DataError, match=found):
            read_idx(path)


def test_link_to_a_file_is_followed(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(write(tmp_path, GOOD))
    assert read_idx(link).shape == (3, 4, 5)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(bytes(200_000_000))


@pytest.mark.promise("E4")
@pytest.mark.parametrize("claimed", [784, 100_000_000, 127 << 20, 200_000_000, 0xFFFFFFFF])
def test_gzip_bomb_costs_no_memory(claimed, bomb, tmp_path):
    packed = gzip.compress(header(claimed)) + bomb
    assert len(packed) < 200_000
    path = write(tmp_path, packed)
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What the header claims, if that is allowed at all, and never what the stream would unpack to.
    assert peak < (claimed if claimed <= 1 << 27 else 0) + 8_000_000 < 200_000_000


def mutate(data: bytes, random: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(changed) or 1)
        match random.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                del changed[place:]
            case 2:
                changed[place:place] = random.randbytes(random.randint(1, 8))
            case _:
                del changed[place : place + random.randint(1, 8)]
    return bytes(changed)


@pytest.mark.promise("E4")
@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("original", [GOOD, PACKED], ids=["plain", "gz"])
def test_mutations_are_read_right_or_refused(original, count, tmp_path):
    generator, refused = random.Random(count), 0
    expected = np.frombuffer(body(60), np.uint8).reshape(3, 4, 5)
    for _ in range(count):
        data = mutate(original, generator)
        try:
            got = read_idx(write(tmp_path, data))
        except DataError:
            refused += 1
            continue
        if original is PACKED and data[:2] == PACKED[:2]:  # the checksum vouches for the body
            np.testing.assert_array_equal(got, expected)
        else:
            assert data == header(*got.shape) + got.tobytes()
    assert refused > count / 2
