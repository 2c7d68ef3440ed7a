"""Equality of what holds tensors: by value, where Python's own == of dataclasses would ask whether a tensor is true."""

from dataclasses import fields, is_dataclass

import torch
from torch import Tensor


class ByValue:
    """Base of frozen dataclasses whose fields may be tensors: equal where all fields are, tensors number by number and in their dtype.

    What is no dataclass is equal to itself alone. Equal objects have equal hashes, of which those of tensors know the shape only.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in ("__eq__", "__hash__"):  # @dataclass writes its own where the class itself has none
            if name not in cls.__dict__:
                setattr(cls, name, getattr(cls, name))

    def __eq__(self, other: object) -> bool:
        if not is_dataclass(self) or type(self) is not type(other):
            return NotImplemented
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare)
        return all(_same(*pair) for pair in pairs)

    def __hash__(self) -> int:
        if not is_dataclass(self):
            return object.__hash__(self)
        values = (getattr(self, f.name) for f in fields(self) if f.compare)
        return hash((type(self), *(tuple(v.shape) if isinstance(v, Tensor) else v for v in values)))


def _same(a: object, b: object) -> bool:
    """Return whether two fields have one value."""
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return (a.dtype, a.device, a.shape) == (b.dtype, b.device, b.shape) and torch.equal(a, b)
    return not isinstance(a, Tensor) and not isinstance(b, Tensor) and a == b
