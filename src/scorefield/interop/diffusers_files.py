"""Files of diffusers: JSON and safetensors, and nothing that can run code."""

import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from scorefield.errors import CheckpointError

_WEIGHTS = "diffusion_pytorch_model"
_HALVES = ("fp16", "bf16")
_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_ATTENTION = re.compile(rf"(attentions\.\d+)\.({'|'.join(_RENAMED)})\.")
"""What diffusers called the parts of attention before 2023, as its own first pipelines still have them."""


def json_of(folder: Path, *places: str) -> dict[str, Any]:
    """Return the first of these files that is there."""
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
    """Return the weights of a part of a pipeline, in its folder or at the root: whole, in shards or of half precision, in float32."""
    for place in dict.fromkeys((folder / part, folder)):
        files = _files(place)
        if files:
            return {_current(key): value.float() for path in files for key, value in _tensors(path).items()}
    others = [path.name for path in folder.rglob(f"{_WEIGHTS}*.bin")]
    hint = f": {others[0]} may hold code and is not read; save the pipeline again with safetensors" if others else ""
    raise CheckpointError(f"{folder}: expected {_WEIGHTS}.safetensors; found none{hint}")


def _files(place: Path) -> list[Path]:
    """Return the files that the weights in a folder are in; of several forms the whole one, then the shards, then half precision."""
    whole = place / f"{_WEIGHTS}.safetensors"
    index = place / f"{_WEIGHTS}.safetensors.index.json"
    if not whole.is_file() and index.is_file():
        return _shards(index)
    forms = [whole, *(place / f"{_WEIGHTS}.{half}.safetensors" for half in _HALVES)]
    return [path for path in forms if path.is_file()][:1]


def _shards(index: Path) -> list[Path]:
    """Return the files that an index names, which lie beside it."""
    names = json_of(index.parent, index.name).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{index}: expected weight_map, with the file of each tensor; found none")
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{index}: expected names of safetensors files beside it; found {name!r}, which is not read"
            )
    return [index.parent / name for name in sorted(set(names.values()))]


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # whatever safetensors says to damage
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def _current(key: str) -> str:
    """Return today's name of a tensor."""
    return _ATTENTION.sub(lambda found: f"{found[1]}.{_RENAMED[found[2]]}.", key)
