"""Every setting of a configuration, as the classes have it: type, bounds, default, meaning and paper. Nothing is restated.

``docs/settings.md`` is written by ``python -m tools.kinds`` and holds what every run has; tables of the kinds are made by each docs build.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from generate.papers import linked
from scorefield.config import RunConfig
from scorefield.config.base import Section
from scorefield.config.kind import Kind
from scorefield.config.kinds import Room
from scorefield.config.rooms import ROOMS

__all__ = ["PAGE", "every", "kinds", "meaning", "page", "write"]

PAGE = Path(__file__).parents[1] / "settings.md"

HOMES = {
    "sampler": "sampling.sampler",
    "grid": "sampling.grid",
    "times": "objective.times",
    "weight": "objective.weight",
    "levels": "objective.levels",
    "density": "data.density",
}
"""Where the kinds of a room stand in a configuration, if not under the room's own name."""
_HEAD = "| setting | what it may be | default | meaning |\n|---|---|---|---|\n"
_INTRO = """# Settings

Every setting of a training run: what it may be, its default, what it means, and the paper it comes from. In a YAML file sections
are nested; on the command line the same names have dots (`scorefield train --config mnist --train.ema_decay 0.9999`), and
`--print_config` prints all of them with their values. This page is written by `python -m tools.kinds` from the classes themselves.
"""
_KINDS = """
## Kinds and their settings

`process`, `network`, `model`, `objective`, `sampling.sampler` and `sampling.grid` each name a *kind*, `--process.kind vp`, and kinds have
settings of their own. `--help` of `train` lists all kinds; the built documentation (`make docs`) has a table for each below. Where no
bounds are given, the class checks the value and says what it expected.

```{include} _generated/settings.inc
```
"""


def write(folder: Path) -> None:
    """Write the tables of the kinds."""
    (folder / "settings.inc").write_text(kinds(), encoding="utf-8")


def page() -> str:
    """Return docs/settings.md."""
    top = [name for name in RunConfig.model_fields if not _section(RunConfig.model_fields[name])]
    usual = RunConfig()
    parts = [_INTRO, "\n## The run\n\n", _table("", usual, top)]
    for name, field in RunConfig.model_fields.items():
        if (
            isinstance(section := field.annotation, type)
            and issubclass(section, Section)
            and not issubclass(section, Kind)
        ):
            parts += [
                f"\n## {name}\n\n{_summary(section)}\n\n",
                _table(f"{name}.", getattr(usual, name), list(section.model_fields)),
            ]
    return "".join([*parts, _KINDS])


def kinds() -> str:
    """Return a table for each kind of each room."""
    parts = []
    for noun, room in ROOMS.items():
        home = HOMES.get(noun, noun)
        parts.append(f"\n### {home}\n\n")
        for kind in room.makers:
            section = room.model(kind)
            names = [name for name in section.model_fields if name != "kind"]
            parts.append(f"**`{home}.kind: {kind}`**: {_summary(section)}\n\n")
            parts.append(_table(f"{home}.", section, names) + "\n" if names else "")
    return "".join(parts)


def every() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Yield every setting there is, dotted, with its section and its name there."""
    for name, field in RunConfig.model_fields.items():
        section = field.annotation
        if not isinstance(section, type) or not issubclass(section, Section):
            yield name, RunConfig, name
        elif not issubclass(section, Kind):
            yield from ((f"{name}.{key}", section, key) for key in section.model_fields)
    for noun, room in ROOMS.items():
        for kind in room.makers:
            section = room.model(kind)
            yield from (
                (f"{HOMES.get(noun, noun)}.{key}", section, key) for key in section.model_fields if key != "kind"
            )


def meaning(section: type[BaseModel], name: str) -> str:
    """Return what the documentation of a section, of the class it makes or of a class above says of a setting; empty where none does."""
    maker: Any = section.room.find(section.model_fields["kind"].default) if issubclass(section, Kind) else None
    sources = [maker, *getattr(maker, "__mro__", ()), getattr(maker, "__init__", None), *section.__mro__]
    return next((said for source in sources if (said := _said(source, name))), "")


def _said(source: object, name: str) -> str:
    """Return the entry of a name under Args or Attributes in one docstring."""
    for block in re.findall(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)*)", inspect.getdoc(source) or "", re.MULTILINE):
        for names, text in re.findall(r"^    (\S[^:\n]*): ((?:.*\n?)(?:     .*\n?)*)", block, re.MULTILINE):
            if name in names.replace("*", "").split(", "):
                return " ".join(text.split())
    return ""


def _summary(section: type[BaseModel]) -> str:
    first = (inspect.getdoc(section) or "").partition("\n\n")[0]
    first = " ".join(first.split()).removeprefix("Return ")
    if re.match(r"[A-Z]|[a-z-]{3,} |an? |in ", first):  # a word, where "dx" or "x" is a symbol
        first = first[:1].upper() + first[1:]
    return linked(first).replace("``", "`")


def _section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _table(prefix: str, section: BaseModel | type[BaseModel], names: list[str]) -> str:
    """Return the settings of a section, or of an instance that knows its defaults."""
    model = section if isinstance(section, type) else type(section)
    rows = []
    for name in names:
        field = model.model_fields[name]
        default = field.default if isinstance(section, type) else getattr(section, name)
        said = re.sub(r"(?<!`)\bNone\b(?!`)", "`null`", linked(meaning(model, name)).replace("``", "`"))
        cells = [f"`{prefix}{name}`", _type(field), _default(default), said]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return _HEAD + "".join(rows) if rows else ""


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Kind):
        return f"`{value.kind}`"
    if value is None:
        return "`null`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"


def _type(field: FieldInfo) -> str:
    return _named(field.annotation, tuple(field.metadata))


_PLAIN = {
    Any: "anything",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    NoneType: "nothing",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _named(kind: Any, metadata: tuple[object, ...] = ()) -> str:  # noqa: ANN401 types of every sort
    """Return a type in words, with its bounds."""
    origin, arguments = get_origin(kind), get_args(kind)
    room = next((entry for entry in metadata if isinstance(entry, Room)), None)
    if room is not None:
        return f"a kind of `{room.noun}`"
    if origin is Annotated:
        return _named(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        parts = [_named(part, metadata) for part in arguments if part is not NoneType]
        return " or ".join(dict.fromkeys(parts)) + (", or `null`" if NoneType in arguments else "")
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, list):
        parts = dict.fromkeys(_named(part) for part in arguments if part is not ...)
        if len(parts) == 1:
            return "list of " + re.sub(r"\bnumber\b", "numbers", next(iter(parts)))
        return f"list of {' and '.join(f'a {part}' for part in parts)}"
    if origin is dict:
        return f"mapping of {_named(arguments[0])} to {_named(arguments[1])}"
    word = "number or list of numbers" if getattr(kind, "__name__", "") == "Numbers" else _PLAIN.get(kind, str(kind))
    return " ".join([word, *_bounds(metadata)])


def _bounds(metadata: tuple[object, ...]) -> list[str]:
    """Return the bounds that a field declares."""
    parts = [part for entry in metadata for part in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
    found = [
        f"{sign}\N{NO-BREAK SPACE}{'2⁶³' if bound == 2**63 else bound}"
        for part in parts
        for name, sign in _BOUNDS.items()
        if (bound := getattr(part, name, None)) is not None
    ]
    return [", ".join(found)] if found else []
