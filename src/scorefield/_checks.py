"""What a caller passes is taken as it is meant, or `Refused` in a sentence: what was expected, what was received, what to do."""

import difflib
import math
import operator
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from scorefield.errors import CheckpointError, ConfigError

Wanted = TypeVar("Wanted")
SHIPPED = Path(str(files("scorefield"))) / "weights"  # the models inside the package
_LARGEST = float(np.finfo(np.float64).max)
_INSIDE = ("model", "module", "_orig_mod")  # of what holds a model, DataParallel, torch.compile


class Refused(ConfigError):
    """An argument that is refused; the caller knows in which file or option it was written."""


def require(kind: type[Wanted], value: object, what: str, such_as: str) -> Wanted:
    """Return a value if it has the expected type; where it is plain, the refusal says how to convert it."""
    if isinstance(value, kind):
        return value
    if isinstance(value, type):
        received = f"the class {value.__name__}, not an object of it: write {value.__name__}(...)"
    elif inside := next((name for name in _INSIDE if isinstance(getattr(value, name, None), kind)), None):
        received = f"{type(value).__name__}, whose attribute {inside} is one"
    else:
        received = f"{value!r:.80}" if isinstance(value, str) else type(value).__name__
    a = "an" if kind.__name__[0] in "AEIO" else "a"
    raise Refused(f"{what} must be {a} {kind.__name__}, such as {such_as}; received {received}")


def called(value: object, what: str, such_as: str) -> None:
    """Refuse what is not callable, and classes: calling one would construct an object."""
    if isinstance(value, type) or not callable(value):
        a = f"the class {value.__name__}: write {value.__name__}(...)" if isinstance(value, type) else f"{value!r:.80}"
        raise Refused(f"{what} must be a function, such as {such_as}; received {a}")


def whole(value: object, what: str, least: int | None = None, most: int | None = None) -> int:
    """Return Python's own integer, whichever library it comes from, within bounds."""
    try:
        number = operator.index(value)  # pyright: ignore[reportArgumentType]  what has no index is refused
    except (TypeError, ValueError):
        number = None
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise Refused(f"{what} must be a whole number{bound}; received {value!r:.80}")
    if most is not None and number > most:
        raise Refused(f"{what} must be at most {most}; received {number}")
    return number


def number(value: object, what: str, least: float = -math.inf) -> float:
    """Return Python's own finite number, whichever library it comes from."""
    found = as_number(value)
    if not (math.isfinite(found) and found >= least):
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise Refused(f"{what} must be a finite number{bound}; received {value!r:.80}")
    return found


def as_number(value: object) -> float:
    """Return Python's own number, whichever library it comes from; NaN for anything else."""
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)  # pyright: ignore[reportArgumentType]  refused
    except (OverflowError, RuntimeError, TypeError, ValueError):
        return math.nan


def finite(**values: float) -> None:
    """Refuse numbers that are not finite."""
    for name, value in values.items():
        if not math.isfinite(as_number(value)):
            raise Refused(f"{name} must be a finite number; received {value!r:.80}")


def positive(**values: float) -> None:
    """Refuse numbers that are not finite and positive."""
    for name, value in values.items():
        if not 0 < as_number(value) < math.inf:
            raise Refused(f"{name} must be a finite positive number; received {value!r:.80}")


def increasing(low_name: str, low: float, high_name: str, high: float) -> None:
    """Refuse an empty range."""
    if not as_number(low) < as_number(high):
        raise Refused(f"{low_name} must be smaller than {high_name}; received {low!r:.80} and {high!r:.80}")


def ascending(value: object, what: str, of: str, low: float = -_LARGEST, high: float = _LARGEST) -> tuple[float, float]:
    """Return two numbers that ascend within bounds, finite ones by default."""
    found = as_tensor(value)
    if found is None or found.shape != (2,) or not low <= found[0] < found[1] <= high:
        kind = "finite ascending" if high < math.inf else "ascending"
        raise Refused(f"{what} must be two {kind} values, {of}; received {value!r:.80}")
    return found[0].item(), found[1].item()


def broadcasts(shape: Sequence[int], event: Sequence[int]) -> bool:
    """Return whether numbers of a shape are one, or one for each of an event's."""
    pairs = zip(reversed(shape), reversed(event), strict=False)
    return len(shape) <= len(event) and all(size in (1, wanted) for size, wanted in pairs)


def title(source: Path) -> str:
    """Return what messages call the model of a folder: by its name where it is shipped."""
    return source.name if source.parent == SHIPPED else str(source)


def one_of(choices: Iterable[str], value: object, what: str) -> None:
    """Refuse a word that is not among the choices."""
    known = list(choices)
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise Refused(f"{what} must be one of {', '.join(known)}; received {value!r:.80}{meant}")


def as_tensor(x: object) -> Tensor | None:
    """Return a tensor unchanged, arrays and lists of numbers as a tensor; None for anything else, masked arrays included."""
    if isinstance(x, Tensor) or np.ma.is_masked(x):
        return x if isinstance(x, Tensor) else None
    try:
        return from_array(np.asanyarray(x))
    except (TypeError, ValueError):
        return None


def from_array(x: Shaped[np.ndarray, "..."]) -> Tensor:
    """Return an array of numbers as a tensor, in the same memory where PyTorch can have them there: in its order, and to be written to.

    Raises:
        TypeError: the array holds something other than numbers.
    """
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        x = x.astype(np.float64)
    if not x.dtype.isnative or any(stride < 0 for stride in x.strides):
        x = x.astype(x.dtype.newbyteorder("="), order="C")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a mapped file cannot be written to, which nobody does
        return torch.from_numpy(x if x.flags.writeable or isinstance(x, np.memmap) else x.copy())


def booleans(x: object, what: str, true: str) -> Tensor:
    """Return a boolean tensor; numbers are refused, since in some libraries 0 marks what a mask selects."""
    value = as_tensor(x)
    if value is None or value.dtype != torch.bool or value.is_meta:
        received = type(x).__name__ if value is None else value.device if value.is_meta else value.dtype
        raise Refused(f"{what} must be boolean, true {true}; received {received}: compare it, such as {what} > 0.5")
    return value


def numbers(x: object, what: str) -> Tensor:
    """Return a tensor, an array or a list of real numbers as a tensor, in its own type; of complex ones half would be lost."""
    holder = isinstance(getattr(x, "x", None), Tensor)  # a Dataset is a sequence, too
    value = None if holder else as_tensor(x)
    if value is not None and value.is_meta:
        raise Refused(f"{what} must hold numbers; received a tensor on the device meta, which has a shape alone")
    if value is not None and value.layout != torch.strided:
        raise Refused(f"{what} must be a dense tensor; received the layout {value.layout}: to_dense() makes one")
    if value is None or value.is_complex():
        kind = type(x).__name__ if value is None else value.dtype
        inside = ", whose attribute x is one" if holder else ""
        if isinstance(x, np.ndarray):
            inside = ", some of them masked: fill them or leave them out" if np.ma.is_masked(x) else f" of {x.dtype}"
        inside = ", not of numbers or not of equal lengths" if isinstance(x, list | tuple) else inside
        raise Refused(f"{what} must be a tensor or an array of real numbers; received {kind}{inside}")
    return value


def reals(x: object, what: str) -> Tensor:
    """Return a tensor of finite real numbers, no booleans, no bytes: floats keep their precision, whole numbers become float32."""
    value = numbers(x, what)
    if value.dtype == torch.bool:
        raise Refused(f"{what} must be a tensor or an array of real numbers; received {value.dtype}")
    if value.dtype == torch.uint8:
        raise Refused(f"{what} must be real numbers; received bytes: divide images by 255 for values from 0 to 1")
    value = value if value.is_floating_point() else value.float()
    if not torch.isfinite(value).all():
        raise Refused(f"{what} must be finite; received {int((~torch.isfinite(value)).sum())} numbers that are not")
    return value


def require_fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor], what: str) -> None:
    """Refuse stored tensors, called ``what``, in which a name, a shape or a kind of number is not that of one's own."""
    if wrong := misfits(own, given):
        raise CheckpointError(
            f"{what}: expected the tensors of the model; {wrong}. Use the configuration they were trained with."
        )


def misfits(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Return the first three tensors, in words, in which others differ by name, shape or kind of number; nothing where none do."""
    wrong = [f"{name} is missing" for name in own if name not in given]
    wrong += [f"{name} is unknown" for name in given if name not in own]
    both = [(name, value, given[name]) for name, value in own.items() if name in given]
    wrong += [
        f"{name} has shape {tuple(other.shape)} instead of {tuple(value.shape)}"
        for name, value, other in both
        if other.shape != value.shape
    ]
    wrong += [
        f"{name} has numbers of {other.dtype} instead of {value.dtype}"
        for name, value, other in both
        if other.is_floating_point() != value.is_floating_point()
    ]
    return "; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
