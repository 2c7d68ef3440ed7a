"""The settings of one kind, as a configuration has them, and the object that they build (`scorefield.config.kinds`)."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import torch
from pydantic import model_validator

from scorefield.config.base import Section
from scorefield.config.signature import Parameter
from scorefield.errors import ConfigError

if TYPE_CHECKING:
    from scorefield.config.kinds import Room


@dataclass(frozen=True)
class Itself:
    """A kind without settings that is itself the object, such as the function `scorefield.objectives.sigma_weight`."""

    value: Any

    @property
    def __doc__(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The object's own."""
        return self.value.__doc__


class Kind(Section):
    """The settings of one kind; `Room.model` makes a subclass for each."""

    room: ClassVar["Room"]
    parameters: ClassVar[Mapping[str, Parameter]]
    kind: str

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 the settings are those of a class not known here
            ...

    def build(self, **given: object) -> Any:  # noqa: ANN401 whatever the kind is of
        """Return the object, with what the run brings."""
        maker = self.room.find(self.kind)
        if isinstance(maker, Itself):
            return maker.value
        values, spread = {}, ()
        for name, parameter in self.parameters.items():
            value = self._value(name, parameter, given)
            if parameter.spread:
                spread = cast(list[object], value)
            elif value is not inspect.Parameter.empty:
                values[name] = value
        return maker(*spread, **values)

    def _value(self, name: str, parameter: Parameter, given: Mapping[str, Any]) -> object:
        """Return the value of a parameter; empty where the class's default stands."""
        brought = name in self.room.given or (name in self.room.open and getattr(self, name) is None)
        if brought:
            value = given.get(name)
            if value is None and parameter.default is not None and (name in given or parameter.required):
                hint = {**self.room.given, **self.room.open}[name].format_map({"event": "none", **given})
                raise ConfigError(f"{self.room.noun}.kind={self.kind} {hint}")
            return inspect.Parameter.empty if value is None else value
        if parameter.type is None:
            return inspect.Parameter.empty
        value = getattr(self, name)
        if value is None and parameter.default is not None:
            return inspect.Parameter.empty if unsaid(parameter.default) else None
        return _built(value, parameter, given)

    def __reduce__(self) -> tuple[Callable[..., "Kind"], tuple[dict[str, Any]]]:
        """Let a section be pickled, for other processes: its class is made when its room is first asked for it."""
        return self.room.read, ({"kind": self.kind, **dict(self)},)

    @property
    def waits(self) -> bool:
        """Whether the run has to bring something before the object can be made."""
        room = self.room
        for name, parameter in self.parameters.items():
            value = getattr(self, name, None)
            if value is None and parameter.required and (name in room.given or name in room.open):
                return True
            parts = value if parameter.spread and value is not None else [value]
            if any(isinstance(part, Kind) and part.waits for part in parts):
                return True
        return False

    @model_validator(mode="after")
    def _spoken_for(self) -> Self:
        """Build the object once, so that the checks of its class refuse what they would refuse later."""
        if not self.waits:
            try:
                self.build()
            except (TypeError, RuntimeError, ArithmeticError) as error:  # tensors' own words for shapes that do not fit
                raise ValueError(str(error).splitlines()[0]) from error
        return self


def unsaid(default: object) -> bool:
    """Return whether a default is a number that configurations do not hold."""
    return isinstance(default, float) and not math.isfinite(default)


def _built(value: object, parameter: Parameter, given: Mapping[str, Any]) -> object:
    """Return what a setting's value stands for."""
    if parameter.spread:
        return [part.build(**given) for part in cast(list[Kind], value)]
    if isinstance(value, Kind):
        return value.build(**given)
    return torch.tensor(value, dtype=torch.float64) if parameter.array and value is not None else value
