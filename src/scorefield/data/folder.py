"""One's own pictures: a folder of images becomes a data set.

What each kind of file means, so that nothing is guessed: hidden files and folders and other suffixes than `SUFFIXES`
are passed over, sub-folders are entered, links are followed to files but not to folders, and of an
animation, or a TIFF of several pages, the first picture counts. Every picture is turned as its EXIF orientation says; transparent ones
are laid on white; grey of 12 or 16 bits is rounded to 8. If all pictures are grey so is the data set (c = 1),
else it is RGB (c = 3). Where all pictures lie in two or more sub-folders, these are the classes, numbered in
the order of their names; where some lie beside such sub-folders, a warning says so, and no picture has a label.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from scorefield.data._files import refusal, regular_file
from scorefield.data.array_files import ARRAYS, from_array_file
from scorefield.data.arrays import Channels
from scorefield.data.dataset import Dataset
from scorefield.data.tables import TABLE_SUFFIXES, from_table_file
from scorefield.errors import ConfigError, DataError

SUFFIXES = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_UNREAD = (".avif", ".exr", ".heic", ".heif", ".jp2", ".jxl", ".psd", ".tga")
"""Of pictures, too, which nobody passes over on purpose."""
_PARTS = {"dev", "test", "testing", "train", "training", "val", "valid", "validation"}
"""Folders of these names are seldom classes."""
# Named one by one: some of the other decoders run programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_EXPECTED = "a picture"
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_GREY = ("1", "L", "LA")


def from_path(
    path: str | os.PathLike[str],
    size: int | None = None,
    *,
    array: str | None = None,
    channels: Channels | None = None,
    columns: Sequence[str] | None = None,
) -> Dataset:
    """Return your own data: a folder of images (`from_folder`), a .npy or .npz file (`from_array_file`), a .csv table (`from_table_file`).

    Raises:
        ConfigError: a size is given for a file, which is never resized, or names of arrays, channels or columns where there are none.
        DataError: nothing is there, or one of those three refuses it.
    """
    folder = os.path.isdir(path)
    table = not folder and Path(path).suffix.lower() in TABLE_SUFFIXES
    array_file = not folder and not table
    for name, value, fits, wanted in (
        ("size", size, folder, "a folder of images"),
        ("array", array, array_file, ARRAYS),
        ("channels", channels, array_file, ARRAYS),
        ("columns", columns, table, "a table (.csv)"),
    ):
        if value is not None and not fits and os.path.lexists(path):  # if nothing is there, that is said below
            raise ConfigError(f"{name}={value} needs {wanted}; received {os.fspath(path)!r}. Leave it out.")
    if folder:
        return from_folder(path, size)
    if not os.path.lexists(path):
        where = "" if os.path.isabs(path) else f" in {os.getcwd()!r}, the folder this was started in"
        raise refusal(
            path,
            f"no such file or folder{where}",
            f"{ARRAYS}, a .csv table, or a folder of pictures",
            "Check the path.",
        )
    if Path(path).suffix.lower() in SUFFIXES:
        raise refusal(path, "one picture", f"a folder of pictures, or {ARRAYS}", "Name the folder that it is in.")
    return from_table_file(path, columns) if table else from_array_file(path, array=array, channels=channels)


def from_folder(path: str | os.PathLike[str], size: int | None = None) -> Dataset:
    """Return the images below a folder, in the order of their paths: x of shape (n, c, h, w) in bytes, labels where folders are classes.

    Args:
        path: the folder, which gives the data set its name.
        size: cut the largest central square out of every picture and resize it to size × size. Without it all
            pictures must have one size.

    Raises:
        ConfigError: a size below 1.
        DataError: there is no folder, no image in it, an image that cannot be read, is damaged, has 32-bit samples or more than Pillow's
            limit of 89 million pixels, or sizes differ.
    """
    if size is not None and size < 1:
        raise ConfigError(f"size must be at least 1 pixel; received {size}")
    files = _images_below(path)
    _doubt(Path(path), files)
    pictures = [read_image(file, size) for file in files]
    for file, picture in zip(files, pictures, strict=True):
        if picture.shape[1:] != pictures[0].shape[1:]:
            found = "{} × {} pixels".format(*picture.shape[1:])
            expected = "{} × {} as in {}".format(*pictures[0].shape[1:], files[0].name)
            raise refusal(file, found, expected, "Give a size (data.size) to have all pictures cut and resized.")
    channels = max(len(picture) for picture in pictures)
    x = np.stack([np.broadcast_to(picture, (channels, *picture.shape[1:])) for picture in pictures])
    return Dataset(torch.from_numpy(x), _classes(Path(path), files), Path(path).resolve().name)


def _doubt(path: Path, files: list[Path]) -> None:
    """Warn of pictures that are passed over, and of folders that are taken for classes but look like parts of a data set."""
    unread = _below(path, _UNREAD)
    if unread:
        warnings.warn(
            f"{path}: pictures of kinds that are not read are left out ({len(unread)}, such as {unread[0].name}); convert them, to PNG say",
            stacklevel=3,
        )
    names = sorted({file.relative_to(path).parts[0] for file in files})
    if len(names) > 1 and {name.lower() for name in names} <= _PARTS:
        warnings.warn(
            f"{path}: the folders {', '.join(names)} are taken for classes, and all of them are learned; if they are parts of a data set, "
            f"name one, such as {path / names[-1]}, and another as data.test",
            stacklevel=3,
        )


def _classes(path: Path, files: list[Path]) -> Int64[Tensor, " n"] | None:
    """Return the number of the sub-folder that each picture lies in; None where there are no two, or some lie in none."""
    folders = _folders(path, files)
    return None if not folders else torch.tensor([folders.index(file.relative_to(path).parts[0]) for file in files])


def _folders(path: Path, files: list[Path]) -> list[str]:
    """Return the names of the sub-folders that are classes, in order."""
    parts = [file.relative_to(path).parts for file in files]
    names = sorted({part[0] for part in parts if len(part) > 1})
    beside = [part[0] for part in parts if len(part) == 1]
    if beside and len(names) > 1:
        warnings.warn(
            f"{path}: {beside[0]} lies beside the folders {', '.join(names[:2])}: so folders are no classes here, and no picture has a "
            "label. Move such pictures into a folder of their own where labels are wanted",
            stacklevel=4,
        )
    return [] if beside or len(names) < 2 else names


def same_classes(path: Path, other: Path) -> None:
    """Refuse a folder whose sub-folders would be numbered as other classes than those of ``path``."""
    ours, theirs = (_folders(p, _images_below(p)) if p.is_dir() else [] for p in (path, other))
    if ours and theirs and ours != theirs:
        raise refusal(other, f"the classes {', '.join(theirs)}", f"{', '.join(ours)}, as in {path}", "Name them alike.")


def _images_below(path: str | os.PathLike[str]) -> list[Path]:
    if not os.path.isdir(path):
        found = "a file" if os.path.exists(path) else "no such folder"
        raise refusal(path, found, "a folder of images", "Check the path.")
    files = _below(path, SUFFIXES)
    if not files:
        raise refusal(path, "no image", f"files with one of {' '.join(SUFFIXES)}", "Convert or move them there.")
    return files


def _below(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files below a folder that end so, in order; hidden ones, of editors and caches, are none."""
    files: list[Path] = []
    for folder, below, names in os.walk(path, onerror=_refuse_folder):
        below[:] = [name for name in below if not name.startswith(".")]
        files += [Path(folder, name) for name in names if name.lower().endswith(suffixes) and not name.startswith(".")]
    return sorted(files)


def _refuse_folder(error: OSError) -> NoReturn:
    remedy = "Make it readable or move it away."
    raise refusal(error.filename, f"a folder that cannot be read ({error})", "one that can", remedy) from error


def read_image(path: Path, size: int | None = None) -> UInt8[np.ndarray, "c h w"]:
    """Return one picture as bytes, grey with c = 1 or colour with c = 3; ``size`` and errors are those of `from_folder`."""
    regular_file(path, _EXPECTED)
    return _read(path.open, path, size, None)


def decode_image(packed: bytes, name: str, size: int | None, most: int) -> UInt8[np.ndarray, "c h w"]:
    """Return a picture that came as bytes; `read_image` does the same for a file.

    Args:
        packed: the content of the file.
        name: what errors call it.
        size: as in `from_folder`.
        most: pixels it may have; it is refused before they are unpacked.
    """
    return _read(lambda _: BytesIO(packed), Path(name), size, most)


def _read(
    opened: Callable[[Literal["rb"]], BinaryIO], path: Path, size: int | None, most: int | None
) -> UInt8[np.ndarray, "c h w"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which is not used
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Not by name: Pillow would map the file, and misread the rows of plain TIFFs that are to be turned.
            with opened("rb") as stream, Image.open(stream, formats=_FORMATS) as image:
                if most is not None and image.width * image.height > most:
                    found = "{} × {} pixels".format(*image.size)
                    raise refusal(path, found, f"at most {most} pixels in all", "Make it smaller.")
                return _pixels(image, path, size)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        remedy = "Save it as one of these, or remove it."
        raise refusal(
            path, "a picture that cannot be read, of no known kind", f"one in {', '.join(_FORMATS)}", remedy
        ) from error
    # A decoder fed with damaged bytes may raise anything; all of it means the same to the owner of the file.
    except Exception as error:
        remedy = "Save it again or remove it."
        raise refusal(path, f"a picture that cannot be read ({error})", _EXPECTED, remedy) from error


def _pixels(image: Image.Image, path: Path, size: int | None) -> UInt8[np.ndarray, "c h w"]:
    if 0 in image.size:
        raise refusal(path, "a picture without pixels", _EXPECTED, "Remove it.")
    if image.mode in ("I", "F"):
        remedy = "Save it with 8 or 16 bits, or the numbers as a .npy file."
        raise refusal(path, "32-bit samples", "8 or 16 bits", remedy)
    twelve = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) == (12,)  # which Pillow leaves in the lower bits of 16
    image = _eight_bits(ImageOps.exif_transpose(image), 4095 if twelve else 65535)
    if size is not None:
        image = _central_square(image).resize((size, size), Image.Resampling.BICUBIC)
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, 2, 0))


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _eight_bits(image: Image.Image, white: int) -> Image.Image:
    """Return the picture in mode L or RGB, laid on white where it is transparent; of more bits ``white`` is the largest value."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((255 * values + white // 2) // white).astype(np.uint8))
    target = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert(target)
