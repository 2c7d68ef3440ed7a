"""Torch files as plain data: tensors, numbers and containers come out, nothing in the file is executed."""

import os
import pickle
import re
import tempfile
import warnings
from pathlib import Path

import torch

from scorefield.errors import CheckpointError

__all__ = ["read", "write"]


def read(path: Path) -> object:
    """Return what `torch.save` put into a file, its tensors on the CPU.

    Raises:
        CheckpointError: the file cannot be read, is not torch's, or asks for more than plain data when it is read.
    """
    try:
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
            f"{path}: expected a file written by torch.save; found {_first_line(error)}; nothing was executed"
        ) from error


def write(path: Path, value: object) -> None:
    """Write ``value`` as a torch file, whole or not at all.

    Raises:
        CheckpointError: the file exists, or its folder cannot be written to.
    """
    if path.exists():
        raise CheckpointError(f"{path}: exists already; remove it or choose another name")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            torch.save(value, temporary)
            os.rename(temporary, path)
    except (OSError, RuntimeError) as error:  # RuntimeError is how torch reports a full disk
        raise CheckpointError(f"{path}: cannot be written: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip() or repr(error)
    return text.splitlines()[0][:160]
