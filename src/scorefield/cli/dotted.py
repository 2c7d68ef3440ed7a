"""Options of three names and more, such as ``--sampling.sampler.kind ald``: the parser forgets all but the last one of a section."""

import json
import re
from collections.abc import Sequence
from typing import Any

from scorefield._errors import ConfigError

__all__ = ["gathered"]

_DEEP = re.compile(r"--(\w+\.\w+)\.(\w+(?:\.\w+)*)(?:=(.*))?", re.DOTALL)
_NESTING = re.compile(r"[\[{]|[-?:]\s")
_MOST = 1000  # openings of lists and mappings: from 10 000 on, all within each other, the parser's stack overflows
_SHALLOW = re.compile(r"--(\w+\.\w+)(?:=(.*))?", re.DOTALL)


def gathered(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which such options are one option for each section: ``--sampling.sampler={"kind": "ald"}``.

    Raises:
        ConfigError: YAML that would take all memory or the stack: the parser reads every value as YAML first.
    """
    kept: list[str] = []
    deep: dict[str, dict[str, Any]] = {}
    heads = {found[1] for argument in arguments if (found := _DEEP.fullmatch(argument))}
    queue = iter(arguments)
    for argument in queue:
        _refuse_tricks(argument)
        found = _DEEP.fullmatch(argument)
        kind = _SHALLOW.fullmatch(argument)
        if found is not None:
            head, path, value = found.groups()
        elif kind is not None and kind[1] in heads:  # the section's kind, in short
            head, path, value = kind[1], "kind", kind[2]
        else:
            kept.append(argument)
            continue
        value = next(queue, "") if value is None else value
        _refuse_tricks(value)
        *above, name = path.split(".")
        section = deep.setdefault(head, {})
        for part in above:
            inner = section.get(part)
            section[part] = inner if isinstance(inner, dict) else {} if inner is None else {"kind": inner}
            section = section[part]
        section[name] = _value(value)
    return [*kept, *(f"--{head}={json.dumps(section)}" for head, section in deep.items())]


def _refuse_tricks(argument: str) -> None:
    """Refuse tags, aliases, which can stand for more than there is memory, and nesting that would break the parser."""
    if "\0" in argument:
        raise ConfigError(f"{argument[:60]!r}: no argument holds NUL")
    if re.search(r"(?:^|[\s\[{,:=])!!\w", argument):
        raise ConfigError(f"{argument[:60]!r}: YAML tags (!!name) are not accepted; write the value alone")
    if set(re.findall(r"&([^\s\[\]{},]+)", argument)) & set(re.findall(r"\*([^\s\[\]{},]+)", argument)):
        raise ConfigError(f"{argument[:60]!r}: YAML aliases (*name) are not accepted; write the value out")
    if len(_NESTING.findall(argument)) > _MOST:
        raise ConfigError(f"{argument[:60]!r}: too deep or too long for an argument; write it to a file for --config")


def _value(text: str) -> object:
    """Return a number, list or mapping where the text is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text
