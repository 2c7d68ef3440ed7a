"""Sections of a configuration made from the classes they build: names, types, defaults and checks are the class's own.

A `Room` is one noun of the library (process, sampler, …) and its kinds, each a class, or a function, that makes one:

    PROCESS = kinds(Room("process", Process), ve=VE, edm=EDM)
    PROCESS.read({"kind": "ve", "sigma_min": 0.02}).build()        # VE(0.02, 50.0)

The settings of a kind are the parameters of its signature, except those that the run supplies (`Room.given`). A parameter whose type is
another noun is a section of that noun's room. Where nothing has to be brought, the object is made as soon as its settings are read, so that
what its constructor refuses is refused there, by the name of the setting.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from jaxtyping import AbstractArray
from pydantic import GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema
from torch import Tensor

from scorefield.config.kind import Itself, Kind, unsaid
from scorefield.config.signature import Maker, Parameter, signature
from scorefield.errors import ConfigError

_ROOMS: dict[str, "Room"] = {}
_GROUP = "scorefield.kinds"


@dataclass(eq=False)
class Room:
    """One noun and its kinds.

    Args:
        noun: its name, in sections and messages.
        of: the type of parameters that hold one; None where it goes by another rule.
        given: parameters that only the run brings, each with what to say where it does not.
        open: parameters that a configuration may leave open for the run to bring, likewise.
        base: what the sections of its kinds share.
        short: what a value that is no mapping stands for.
    """

    noun: str
    of: Any = None
    given: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)
    base: type[Kind] = Kind
    short: Callable[[Any], Any] = lambda value: {"kind": value} if isinstance(value, str) else value
    makers: dict[str, Any] = field(default_factory=dict)
    models: dict[str, type[Kind]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ROOMS[self.noun] = self

    def __reduce__(self) -> tuple[Callable[[str], "Room"], tuple[str]]:
        """Let a room be found by its noun in another process."""
        return _room, (self.noun,)

    def find(self, kind: str) -> "Maker | Itself":
        """Return what makes a kind."""
        if kind not in self.makers:
            for entry in entry_points(group=_GROUP):
                entry.load()  # a module that registers its kinds when it is imported
        if kind not in self.makers:
            raise ValueError(
                f"no kind {kind!r}; expected {', '.join(self.makers)}, or one of your own with the plugin it was written in"
            )
        return self.makers[kind]

    def model(self, kind: str) -> type[Kind]:
        """Return the section of a kind, made once."""
        if kind not in self.models:
            maker = self.find(kind)
            known = parameters(maker)
            said = {name: self._field(name, p) for name, p in known.items() if name not in self.given and p.type}
            made = create_model(f"{self.noun}.{kind}", __base__=self.base, kind=(Literal[kind], kind), **said)  # pyright: ignore[reportCallIssue, reportArgumentType]
            made.room, made.parameters, made.__doc__ = self, known, maker.__doc__
            self.models[kind] = made
        return self.models[kind]

    def _field(self, name: str, parameter: Parameter) -> tuple[Any, Any]:
        """Return type and default of a setting, as pydantic wants them."""
        if name in self.open:
            return parameter.type | None if isinstance(parameter.type, type) else Union[parameter.type, None], None  # noqa: UP007
        if parameter.spread:
            return list[parameter.type], ...
        if parameter.required:
            return parameter.type, ...
        if unsaid(parameter.default):
            return Union[parameter.type, None], None  # noqa: UP007 the type is a value here
        room = next((entry for entry in get_args(parameter.type) if isinstance(entry, Room)), None)
        default = parameter.default
        return parameter.type, default if room is None or default is None else room.read(describe(default))

    def read(self, value: object) -> Kind:
        """Return the section that a value of a configuration describes: a mapping with a ``kind``, or the kind alone."""
        if isinstance(value, Kind) and value.room is self:
            return value
        value = self.short(value)
        if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
            raise ValueError(f"expected a kind ({', '.join(self.makers)}) and its settings")
        return self.model(value["kind"]).model_validate(value)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)


def kinds(room: Room, /, **makers: Maker | Itself) -> Room:
    """Put kinds into a room and return it."""
    for kind, maker in makers.items():
        if not (isinstance(maker, Itself) or callable(maker)):  # pyright: ignore[reportUnnecessaryIsInstance]  types are not read by all
            raise ConfigError(
                f"{room.noun}.kind={kind} must be a class, or a function that makes one; received {maker!r:.80}"
            )
        before = room.makers.get(kind, maker)
        if before is not maker and _place(before) != _place(maker):  # as when a notebook's cell is run again
            raise ConfigError(f"{room.noun}.kind={kind} exists already; register yours under another name")
        for name, parameter in parameters(maker).items():
            if parameter.type is None and parameter.required and name not in room.given:
                raise ConfigError(f"{room.noun}.kind={kind}: a configuration cannot say {name!r}; give it a default")
        room.makers[kind] = maker
        if before is not maker:
            room.models.pop(kind, None)
    return room


def _place(maker: object) -> tuple[object, object]:
    """Return where a class or function is written."""
    return getattr(maker, "__module__", None), getattr(maker, "__qualname__", maker)


def register(noun: str, /, **makers: Maker) -> None:
    """Make classes of your own kinds that configurations may name: ``register("network", my_net=MyNet)``.

    Their settings are the parameters of the constructor, which the object should keep under the same names. Call it in a file that is given
    to a command by ``--plugin``, or in a module of the entry-point group ``scorefield.kinds``. A class that is defined anew, as by a cell
    of a notebook that is run again, takes the place of the former one.

    Raises:
        ConfigError: there is no such noun, or `kinds` refuses the class.
    """
    if noun not in _ROOMS:
        raise ConfigError(f"register() knows {', '.join(_ROOMS)}; received {noun!r}")
    kinds(_ROOMS[noun], **makers)


def _room(noun: str) -> Room:
    from scorefield.config import rooms  # noqa: F401 another process may know none  # pyright: ignore[reportUnusedImport]

    return _ROOMS[noun]


def describe(thing: object) -> dict[str, Any]:
    """Return the section that describes an object: its kind, and its settings from the attributes of the same names.

    Raises:
        ConfigError: an object of no registered class, or one that does not keep its settings or has some that YAML cannot express.
    """
    room, kind = _whose(thing)
    said: dict[str, Any] = {"kind": kind}
    for name, parameter in {} if isinstance(room.makers[kind], Itself) else room.model(kind).parameters.items():
        if name in room.given:
            continue
        if not hasattr(thing, name):
            raise ConfigError(f"{type(thing).__name__} should keep its argument {name!r} as an attribute of that name")
        value = getattr(thing, name)
        if parameter.type is not None:
            said[name] = _told(value)
        elif value is not parameter.default:
            raise ConfigError(f"{type(thing).__name__} cannot be stored: a configuration cannot say its {name!r}")
    return room.read(said).model_dump(mode="json")


def parameters(maker: Maker | Itself) -> dict[str, Parameter]:
    """Return the parameters of a class or function."""
    return {} if isinstance(maker, Itself) else signature(maker, _section)


def _section(annotation: object) -> object:
    """Return the type of the section that describes objects of a type; None where it is no noun."""
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, AbstractArray):
        room = _ROOMS["levels"] if origin.dim_str.strip() == "L" else None
    else:
        room = next((room for room in _ROOMS.values() if room.of is not None and room.of is origin), None)
    return room and Annotated[Kind, room]


def _whose(thing: object) -> tuple[Room, str]:
    """Return room and kind of an object."""
    for room in _ROOMS.values():
        for kind, maker in room.makers.items():
            if maker is type(thing) or (isinstance(maker, Itself) and maker.value is thing):
                return room, kind
    name = type(thing).__name__
    raise ConfigError(
        f"{name} is of no registered kind; in a plugin file write: scorefield.register(NOUN, my_kind={name}), with NOUN one of "
        f"{', '.join(_ROOMS)}"
    )


def _told(value: object) -> object:
    """Return an attribute as a configuration says it."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, tuple):
        return [_told(part) for part in value]
    if value is None or isinstance(value, bool | int | str | list | dict):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return describe(value)
