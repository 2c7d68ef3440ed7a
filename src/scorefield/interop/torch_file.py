"""Torch files as plain data: tensors, numbers and containers come out, nothing in the file is executed."""

import io
import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from scorefield._replacing import replacing, unwritten
from scorefield.errors import CheckpointError


def read(path: Path) -> object:
    """Return what `torch.save` put into a file, its tensors on the CPU.

    Raises:
        CheckpointError: the file cannot be read, is not torch's, or asks for more than plain data when it is read.
    """
    plain_file(path)
    try:
        _no_larger_than_it_is(path)
        with warnings.catch_warnings(action="ignore"):  # about the pickle's version; what matters ends in an error
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        found = f"{asked[1]}, which is code to run" if asked else "a file that is damaged, or asks for code to run"
        raise CheckpointError(
            f"{path}: refused; nothing was executed. Expected a torch file of tensors, numbers, lists and dicts; found {found}. "
            "Save it again as a state dict, with the program that wrote it"
        ) from error
    except Exception as error:  # whatever torch says to a damaged archive
        raise CheckpointError(
            f"{path}: expected a file written by torch.save; found data that cannot be read ({_first_line(error)}); "
            "nothing was executed. Check the path, or copy the file again"
        ) from error


def plain_file(path: Path) -> None:
    """Refuse folders, and devices and pipes, which have no end."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(
            f"{path}: cannot be read: expected a file; found a {'folder' if path.is_dir() else 'device'}"
        )


def said(value: object) -> str:
    """Return in words what a file holds in place of what was expected."""
    if isinstance(value, dict):
        return f"a dict with {', '.join(map(str, list(value)[:5])) or 'nothing'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def stored_whole(path: Path, name: str, value: Tensor) -> Tensor:
    """Return a tensor of which the file holds every number, and not one number that stands for many."""
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(
            f"{path}: {name} claims the shape {tuple(value.shape)}, and has fewer numbers; use a file written whole"
        )
    return value


def _no_larger_than_it_is(path: Path) -> None:
    """Refuse archives that would unpack to more than the file holds: torch compresses nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            whole = sum(part.file_size for part in archive.infolist())
        if whole > (held := path.stat().st_size):
            raise ValueError(f"an archive of {held} bytes that would unpack to {whole}")


def write(path: Path, value: object) -> None:
    """Write ``value`` as a torch file, whole or not at all."""
    if path.exists():
        raise CheckpointError(f"{path}: exists already; remove it or choose another name")
    try:
        with replacing(path) as place:
            content = io.BytesIO()
            torch.save(value, content)  # which of a full disk says where in its source it was, and no more
            place.write_bytes(content.getbuffer())
    except OSError as error:
        raise CheckpointError(str(unwritten(path, error))) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip() or repr(error)
    return text.splitlines()[0][:160]
