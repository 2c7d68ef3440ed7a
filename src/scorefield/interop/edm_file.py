"""EDM's network pickles as plain data: tensors and the arguments networks were made with come out, nothing in the file is executed.

EDM (Karras et al. 2022) stores each network as a call of one function with the source code of its class, its name, and the state of
the object. Here that call is written down and not made, tensors are built by torch's own safe reader, and any other call is refused.
"""

import collections
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, _utils

from scorefield.errors import CheckpointError
from scorefield.interop.torch_file import plain_file, said, stored_whole


@dataclass(frozen=True, eq=False)
class EDMNetwork:
    """A network as stored: the class of its preconditioning, what that and the network were made with, weights and buffers by name."""

    precond: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]


@dataclass
class _Object:
    """An object of the file: the name of its class and its attributes, neither of them used."""

    name: str = ""
    state: dict[str, Any] = field(default_factory=dict)

    def __setstate__(self, state: object) -> None:
        """Take what the file says as data."""
        self.state = state if isinstance(state, dict) else {}


_FIRST = ("img_resolution", "img_channels", "label_dim", "use_fp16")  # what every preconditioning takes first


def read_edm(path: Path) -> EDMNetwork:
    """Return the network in one of EDM's pickles: that under ``ema``."""
    plain_file(path)
    try:
        content = _Plain(io.BytesIO(path.read_bytes())).load()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _Refused as error:
        raise CheckpointError(
            f"{path}: refused; nothing was executed. Expected tensors and arguments of EDM's networks; found a call of {error}"
        ) from error
    except Exception as error:  # whatever damage does to a pickle
        raise CheckpointError(
            f"{path}: expected a pickle of EDM's; found one that is damaged ({type(error).__name__}); nothing was executed"
        ) from error
    network = content.get("ema") if isinstance(content, dict) else content
    if not isinstance(network, _Object) or not network.name.endswith("Precond"):
        raise CheckpointError(f"{path}: expected a network of EDM's under 'ema'; found {_said(content)}")
    named, first = network.state.get("_init_kwargs"), network.state.get("_init_args") or ()
    if not isinstance(named, dict) or not isinstance(first, tuple) or len(first) > len(_FIRST):
        raise CheckpointError(f"{path}: expected the arguments of {network.name} by name; found {_said(named)}")
    arguments = {**dict(zip(_FIRST, first, strict=False)), **named}
    return EDMNetwork(network.name, arguments, dict(_tensors(path, network, "")))


def _tensors(path: Path, module: object, prefix: str) -> list[tuple[str, Tensor]]:
    """Return parameters and buffers of a recorded module and all within it."""
    if not isinstance(module, _Object):
        raise CheckpointError(
            f"{path}: expected a module as {prefix.rstrip('.') or 'the network'}; found {_said(module)}"
        )
    own = {**_dict(module, "_parameters"), **_dict(module, "_buffers")}
    found = [
        (prefix + name, stored_whole(path, prefix + name, value))
        for name, value in own.items()
        if isinstance(value, Tensor)
    ]
    for name, child in _dict(module, "_modules").items():
        found += _tensors(path, child, f"{prefix}{name}.") if child is not None else []
    return found


def _dict(module: _Object, name: str) -> dict[str, Any]:
    value = module.state.get(name, {})
    return value if isinstance(value, dict) else {}


def _said(value: object) -> str:
    return f"a {value.name or 'module'}" if isinstance(value, _Object) else said(value)


class _Refused(Exception):
    """The file names something that is no plain data."""


def _recorded(meta: object) -> _Object:
    """Write down a call that would run the source code in the file."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise _Refused("persistence._reconstruct_persistent_obj without a state")
    return _Object(str(meta.get("class_name")), meta["state"])


def _storage(data: bytes) -> object:
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _parameter(data: Tensor, requires_grad: bool, hooks: object) -> Tensor:
    return data.detach()


class _NumpyType:
    """The type of a number of numpy's, of which nothing but its name is taken."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Take what the file says of byte order, which is the little one."""


def _number(kind: _NumpyType, data: bytes) -> float:
    """Return a number of numpy's, such as the scale of a sum of two branches."""
    if kind.name not in ("f4", "f8", "i4", "i8", "b1"):
        raise _Refused(f"numpy.dtype of {kind.name}")
    return np.frombuffer(data, f"<{kind.name}", count=1)[0].item()


_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _recorded,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("dnnlib.util", "EasyDict"): dict,
    ("builtins", "set"): set,
    ("numpy", "dtype"): _NumpyType,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
    ("torch.nn.modules.container", "ModuleDict"): _Object,
    ("torch.nn.modules.container", "ModuleList"): _Object,
}


class _Plain(pickle._Unpickler):
    """An unpickler that accepts the few names that plain data of EDM's need.

    It is Python's own: the one in C allocates room for as many objects as a file claims, and ten bytes can claim four thousand million.
    """

    def find_class(self, module: str, name: str) -> Callable[..., object]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what stands for the name, or refuse it."""
        if f".{module}".endswith(".torch_utils.persistence"):  # in whatever package it is; nothing is imported
            module = "torch_utils.persistence"
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]

    def load_build(self) -> None:
        """Give an object its state, but no function, which would keep it when the file is long closed."""
        if isinstance(self.stack[-2], FunctionType):  # pyright: ignore[reportAttributeAccessIssue]
            raise _Refused(f"setattr on {self.stack[-2].__qualname__}")  # pyright: ignore[reportAttributeAccessIssue]
        super().load_build()  # pyright: ignore[reportAttributeAccessIssue]

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}
