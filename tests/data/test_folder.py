"""E5: one's own pictures. Every kind of file has one defined meaning, or is refused by name."""

import os
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from scorefield.cli.main import main
from scorefield.config.data import DataConfig
from scorefield.data import from_folder, from_path
from scorefield.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def one(folder) -> np.ndarray:
    """The only picture of a folder, as (c, h, w)."""
    data = from_folder(folder)
    assert len(data) == 1
    return data.x[0].numpy()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff", "ppm", "webp", "PNG"])
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_formats(values, suffix, tmp_path):
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(values).save(tmp_path / f"a.{suffix}", **lossless)
    got = one(tmp_path)
    if values.ndim == 2 and suffix != "webp":  # WebP has no grey
        np.testing.assert_array_equal(got, values[None])
    else:
        stacked = values if values.ndim == 3 else np.stack([values] * 3, axis=2)
        np.testing.assert_array_equal(got, stacked.transpose(2, 0, 1))


def test_jpeg_is_near(tmp_path):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(one(tmp_path)[0].astype(int) - smooth).max() <= 8


def test_sub_folders_that_hold_all_pictures_are_the_classes(tmp_path):
    for name in ("dog/b.png", "cat/x/a.png", "dog/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY).save(tmp_path / name)
    assert from_folder(tmp_path).labels.tolist() == [0, 1, 1]
    assert from_folder(tmp_path / "dog").labels is None
    assert from_folder(tmp_path / "cat").labels is None  # one folder is no classes
    Image.fromarray(GREY).save(tmp_path / "bird.png")
    with pytest.warns(UserWarning, match="bird.png lies beside the folders cat, dog: "):
        assert from_folder(tmp_path).labels is None


def test_pictures_beside_class_folders_are_told_in_the_shell(tmp_path, capsys):
    for name in ("dog/b.png", "cat/a.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(GREY).save(tmp_path / name)
    main(["suggest", str(tmp_path)])
    assert capsys.readouterr().err.startswith(f"scorefield: warning: {tmp_path}: c.png lies beside the folders cat")


def test_order_is_that_of_paths_and_sub_folders_are_entered(tmp_path):
    for i, name in enumerate(["b/z.png", "a.png", "c.png", "b/a.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((2, 2), i, np.uint8)).save(tmp_path / name)
    data = from_path(tmp_path)
    assert data.x[:, 0, 0, 0].tolist() == [1, 3, 0, 2]
    assert (data.name, data.labels, data.event) == (tmp_path.name, None, (1, 2, 2))


def test_other_files_are_passed_over(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    for name in (".hidden.png", "._a.png", "notes.txt", "drawing.svg", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"<svg/>")
    (tmp_path / "folder.png").mkdir()
    np.testing.assert_array_equal(one(tmp_path), GREY[None])


def test_a_picture_that_is_passed_over_is_told_and_a_jpeg_by_any_name_is_read(tmp_path):
    for name in ("a.jpg", "b.jfif", "c.jpe"):
        Image.fromarray(GREY).save(tmp_path / name, "JPEG")
    assert len(from_folder(tmp_path)) == 3
    (tmp_path / "d.HEIC").touch()
    with pytest.warns(UserWarning, match=r"are left out \(1, such as d\.HEIC\)"):
        from_folder(tmp_path)


def test_parts_of_a_data_set_that_are_taken_for_classes_are_told(tmp_path):
    for name in ("train/cat", "train/dog", "test/cat"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(GREY).save(tmp_path / name / "a.png")
    with pytest.warns(UserWarning, match=r"folders test, train are taken for classes.* such as .*train, and another"):
        from_folder(tmp_path)
    with warnings.catch_warnings(action="error"):
        assert len(from_folder(tmp_path / "train")) == 2


def test_one_colour_picture_makes_all_rgb(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(COLOUR).save(tmp_path / "b.png")
    x = from_folder(tmp_path).x.numpy()
    np.testing.assert_array_equal(x[0], np.stack([GREY] * 3))
    np.testing.assert_array_equal(x[1], COLOUR.transpose(2, 0, 1))


def test_sixteen_bits_are_rounded(tmp_path):
    levels = np.array([[0, 128, 129, 257, 32767, 32768, 65406, 65407, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(one(tmp_path)[0, 0], np.rint(levels[0] / 257))


def test_twelve_bits_reach_from_black_to_white(tmp_path):
    packed = bytes.fromhex("0003e8800fff")  # 0, 1000, 2048 and 4095
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(packed))]
    fields = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed
    (tmp_path / "a.tif").write_bytes(head + struct.pack("<H", len(tags)) + fields + bytes(4))
    assert one(tmp_path)[0, 0].tolist() == [0, 62, 128, 255]


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(one(tmp_path)[0], (GREY > 100) * 255)


@pytest.mark.parametrize("place", [".ipynb_checkpoints", "cats/.thumbnails", ".git/objects"])
def test_hidden_folders_are_neither_examples_nor_classes(tmp_path, place):
    for folder in ("cats", "dogs", place):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(GREY).save(tmp_path / folder / "a.png")
    assert from_folder(tmp_path).labels.tolist() == [0, 1]


def test_palette_is_looked_up(tmp_path):
    few = COLOUR // 128 * 255
    Image.fromarray(few).quantize(8).save(tmp_path / "a.png")
    np.testing.assert_array_equal(one(tmp_path), few.transpose(2, 0, 1))


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert one(tmp_path)[:, 0, 0].tolist() == [255, 0, 0]


def test_transparency_is_laid_on_white(tmp_path):
    for name, mode, colour, expected in (
        ("clear", "RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("solid", "RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("half", "RGBA", (0, 0, 0, 51), [204, 204, 204]),
        ("grey", "LA", (0, 51), [204]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        Image.new(mode, (3, 2), colour).save(folder / "a.png")
        assert one(folder)[:, 0, 0].tolist() == expected
    folder = tmp_path / "palette"
    folder.mkdir()
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 40, 50, 60])
    image.putdata([0, 1])
    image.save(folder / "a.png", transparency=0)
    assert one(folder)[:, 0].T.tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation, suffix, tmp_path):
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :8] = 255  # white top left corner
    turn = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: np.rot90,
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(turn(upright)))
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    assert np.abs(one(tmp_path)[0].astype(int) - upright).max() < 40


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_first_picture_of_an_animation(suffix, tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **lossless)
    assert one(tmp_path)[:, 0, 0].tolist() == [255, 0, 0]


def test_size_cuts_the_centre_and_resizes(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 4:12] = 200  # exactly the central square
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(np.full((40, 20), 100, np.uint8)).save(tmp_path / "b.png")
    x = from_folder(tmp_path, size=4).x
    assert x.shape == (2, 1, 4, 4)
    assert (x[0] == 200).all()
    assert (x[1] == 100).all()


def test_size_is_that_after_turning(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (4, 6)).save(tmp_path / "a.png")
    Image.new("L", (6, 4)).save(tmp_path / "b.png", exif=exif)
    assert from_folder(tmp_path).event == (1, 6, 4)


def test_sizes_that_differ_name_the_file_and_the_way_out(tmp_path):
    Image.new("L", (4, 6)).save(tmp_path / "a.png")
    Image.new("L", (5, 6)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png.*6 × 5.*6 × 4.*a\.png.*size"):
        from_folder(tmp_path)


def saved(image: Image.Image, suffix: str, folder) -> bytes:
    path = folder / f"saved.{suffix}"
    image.save(path)
    data = path.read_bytes()
    path.unlink()
    return data


# The bombs have no data either, and PostScript would fail without an interpreter: what refuses them must come first.
REASONS = {"bomb.png": "exceeds limit", "large.png": "exceeds limit", "postscript.png": "of no known kind"}


def broken(folder) -> dict[str, bytes]:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    complete, jpeg = saved(noise, "png", folder), saved(noise, "jpg", folder)
    return {
        "empty.png": b"",
        "cut.png": complete[: len(complete) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "magic.jpg": jpeg[:4],
        "checksum.png": complete[:40] + bytes(4) + complete[44:],
        "text.png": b"not a picture",
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n",
        "bomb.png": png(30000, 30000),
        "large.png": png(10000, 10000),
        "no-pixels.png": png(0, 0),
        "no-pixels.ppm": b"P6 0 0 255\n",
        "no-width.gif": b"GIF89a\0\0\x01\0\0\0\0,\0\0\0\0\0\0\x01\0\0\x02\0;",
        "float.tif": saved(Image.fromarray(np.ones((4, 4), np.float32)), "tif", folder),
        "int32.tif": saved(Image.fromarray(np.ones((4, 4), np.int32)), "tif", folder),
    }


@pytest.mark.promise("E5")
def test_pictures_that_cannot_be_used(tmp_path):
    for name, data in broken(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name) as caught:
            from_folder(tmp_path)
        assert REASONS.get(name, "found") in str(caught.value)
        (tmp_path / name).unlink()


@pytest.mark.promise("E5")
def test_what_is_no_file(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"gone\.png.*link"):
        from_folder(tmp_path)
    (tmp_path / "gone.png").unlink()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png.*not a regular file"):
        from_folder(tmp_path)


@pytest.mark.promise("E5")
def test_links_lead_to_files_but_not_to_folders(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    Image.fromarray(GREY).save(outside / "a.png")
    (inside / "link.png").symlink_to(outside / "a.png")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    np.testing.assert_array_equal(one(inside), GREY[None])


@pytest.mark.promise("E5")
def test_unreadable(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    if os.access(tmp_path / "a.png", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(DataError, match=r"a\.png.*Permission"):
        from_folder(tmp_path)
    (tmp_path / "a.png").chmod(0o600)
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError, match=r"closed.*Permission"):
        from_folder(tmp_path)


def test_unreadable_folder_is_named(tmp_path, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"closed.*Permission"):
        from_folder(tmp_path)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(DataError, match=r"no image.*\.png"):
        from_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        from_folder(tmp_path / "none")
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(DataError, match="a file"):
        from_folder(tmp_path / "a.txt")
    with pytest.raises(ConfigError, match="size must be at least 1"):
        from_folder(tmp_path, size=0)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutations_never_escape(count, tmp_path):
    generator = random.Random(0)
    image = Image.fromarray(COLOUR)
    originals = {
        suffix: saved(image, suffix, tmp_path) for suffix in ("png", "jpg", "gif", "tif", "webp", "bmp", "ppm")
    }
    refused = 0
    for i in range(count):
        suffix = list(originals)[i % len(originals)]
        data = bytearray(originals[suffix])
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path = tmp_path / f"mutant.{suffix}"
        path.write_bytes(data if i % 5 else data[: generator.randrange(len(data))])
        try:
            assert from_folder(tmp_path).x.dtype == torch.uint8
        except DataError:
            refused += 1
        path.unlink()
    assert refused > count / 10


def test_test_folder_has_the_classes_of_the_training_folder(tmp_path):
    for name in ("train/cat", "train/dog", "train/owl", "test/cat", "test/dog", "test/owl"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("train/cat/a.png", "train/dog/b.png", "train/owl/c.png", "test/cat/a.png", "test/owl/b.png"):
        Image.fromarray(GREY).save(tmp_path / name)
    own = DataConfig(kind="path", path="train", test="test", dir=str(tmp_path))
    with pytest.raises(DataError, match=r"the classes cat, owl; expected cat, dog, owl"):  # owls would be dogs
        own.load()
    Image.fromarray(GREY).save(tmp_path / "test" / "dog" / "c.png")
    assert own.load(train=False).labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"kind": "path", "path": "x.npy", "test": "y.npy"}, "y.npy"),
        ({"test": "y.npy"}, "mnist"),
        ({"kind": "density", "density": {"kind": "ring"}, "test": "y.npy"}, "density"),
    ],
)
def test_test_set_that_cannot_be_is_refused_before_training(own, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(ConfigError, match=rf"data\.test.*{words}"):
        DataConfig(**own).load()
