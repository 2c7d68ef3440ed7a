"""Pickles as EDM writes them, and as somebody who means harm does."""

import io
import pickle
import types
from pathlib import Path
from typing import Any, ClassVar

from torch import nn


class Call:
    """Pickles as a call of ``module.name(*arguments)``."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments

    def __reduce__(self) -> Any:
        function = types.FunctionType((lambda *a: None).__code__, {})
        function.__module__, function.__qualname__, function.__name__ = self.module, self.name, self.name
        return function, self.arguments


class Pickler(pickle._Pickler):  # in Python, it can be taught to write the name of a function that is not there
    def save_name(self, obj: types.FunctionType) -> None:
        self.save(obj.__module__)
        self.save(obj.__qualname__)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, types.FunctionType: save_name}


def persistent(name: str, module: nn.Module, source: str, **arguments: Any) -> Call:
    """As EDM's persistence writes an object: its class's source, its name, its state."""
    state = {**module.__dict__, "_init_args": (), "_init_kwargs": arguments}
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": name, "state": state}
    return Call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)


def write(path: Path, content: Any) -> Path:
    out = io.BytesIO()
    Pickler(out, 4).dump(content)
    path.write_bytes(out.getvalue())
    return path
