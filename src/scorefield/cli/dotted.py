"""Options of three names and more, such as ``--sampling.sampler.kind ald``: the parser forgets all but the last one of a section."""

import json
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["gathered"]

_DEEP = re.compile(r"--(\w+\.\w+)\.(\w+(?:\.\w+)*)(?:=(.*))?", re.DOTALL)
_SHALLOW = re.compile(r"--(\w+\.\w+)(?:=(.*))?", re.DOTALL)


def gathered(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which such options are one option for each section: ``--sampling.sampler={"kind": "ald"}``."""
    kept: list[str] = []
    deep: dict[str, dict[str, Any]] = {}
    heads = {found[1] for argument in arguments if (found := _DEEP.fullmatch(argument))}
    queue = iter(arguments)
    for argument in queue:
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
        *above, name = path.split(".")
        section = deep.setdefault(head, {})
        for part in above:
            inner = section.get(part)
            section[part] = inner if isinstance(inner, dict) else {} if inner is None else {"kind": inner}
            section = section[part]
        section[name] = _value(value)
    return [*kept, *(f"--{head}={json.dumps(section)}" for head, section in deep.items())]


def _value(text: str) -> object:
    """Return a number, list or mapping where the text is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text
