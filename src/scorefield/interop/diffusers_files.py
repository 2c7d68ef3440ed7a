"""Files of diffusers: JSON and safetensors, and nothing that can run code."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from scorefield.errors import CheckpointError

__all__ = ["json_of", "weights_of"]

_WEIGHTS = "diffusion_pytorch_model"


def json_of(folder: Path, *places: str) -> dict[str, Any]:
    """Return the first of these files that is there.

    Raises:
        CheckpointError: none is, or it holds something else.
    """
    for place in places:
        path = folder / place
        if path.is_file():
            try:
                value = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise CheckpointError(f"{path}: expected JSON; found {error}") from error
            if isinstance(value, dict):
                return value
            raise CheckpointError(f"{path}: expected a JSON object; found a {type(value).__name__}")
    raise CheckpointError(f"{folder}: expected a pipeline of diffusers, with {' or '.join(places)}; found none")


def weights_of(folder: Path, part: str) -> dict[str, Tensor]:
    """Return the weights of a part of a pipeline, in the part's folder or at the root, in float32.

    Raises:
        CheckpointError: there are none, they are damaged, or in a format that can run code.
    """
    for path in (folder / part / f"{_WEIGHTS}.safetensors", folder / f"{_WEIGHTS}.safetensors"):
        if path.is_file():
            try:
                return {key: value.float() for key, value in load_file(path).items()}
            except Exception as error:  # whatever safetensors says to damage
                raise CheckpointError(f"{path}: cannot be read: {error}") from error
    others = [path.name for path in folder.rglob(f"{_WEIGHTS}*.bin")]
    hint = f": {others[0]} may hold code and is not read; save the pipeline again with safetensors" if others else ""
    raise CheckpointError(f"{folder}: expected {_WEIGHTS}.safetensors; found none{hint}")
