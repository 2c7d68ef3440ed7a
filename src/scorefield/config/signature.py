"""From the signature of a class or function to the settings that a configuration may say of it."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from jaxtyping import AbstractArray
from torch import Tensor
from typing_extensions import TypeAliasType

Maker = Callable[..., Any]
Numbers = TypeAliasType("Numbers", Union[float, list["Numbers"]])  # noqa: UP007 a string is no operand of |
Sections = Callable[[object], object]
"""Returns the type of the section that describes objects of a type; None where there is no such section."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kind.

    Attributes:
        type: what a configuration may say; None where it can say nothing, and the class's default stands.
        default: as the signature has it; `inspect.Parameter.empty` where it is required.
        array: whether its value becomes a tensor.
        spread: whether it is ``*name``.
    """

    type: Any
    default: Any
    array: bool = False
    spread: bool = False

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty and not self.spread


def signature(maker: Maker, section: Sections) -> dict[str, Parameter]:
    """Return the parameters of a class or function."""
    found, known = {}, inspect.signature(maker, eval_str=True).parameters
    factories = {f.name: f.default_factory for f in fields(maker)} if is_dataclass(maker) else {}
    for name, p in known.items():
        factory = factories.get(name, MISSING)
        default = p.default if factory is MISSING else factory()  # pyright: ignore[reportCallIssue]
        array = _is_array(p.annotation, section)
        said = None if array and isinstance(default, Tensor) else _said(p.annotation, section)
        found[name] = Parameter(said, default, array, p.kind is p.VAR_POSITIONAL)
    return found


def _said(annotation: object, section: Sections) -> object:
    """Return the type of what a configuration says of a parameter; None for what it cannot say."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = _said(arguments[0], section)
        return inner and Annotated[inner, *arguments[1:]]
    if origin in (Union, UnionType) and not _is_array(annotation, section):
        parts = [_said(part, section) for part in arguments]
        return None if None in parts else Union[tuple(parts)]  # noqa: UP007 the types are values here
    inner = section(annotation)
    if inner is not None:
        return inner
    if _is_array(annotation, section):
        return Numbers | None if NoneType in arguments else Numbers
    return None if annotation in (Any, inspect.Parameter.empty) or origin is Callable else annotation


def _is_array(annotation: object, section: Sections) -> bool:
    """Return whether a parameter takes a tensor that is not a ladder of levels."""
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_array(part, section) for part in get_args(annotation))
    if not isinstance(annotation, type) or section(annotation) is not None:
        return False
    return issubclass(annotation, Tensor | AbstractArray)
