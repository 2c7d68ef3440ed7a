"""Options that the parser would misread.

Those of three names and more, such as ``--sampling.sampler.kind ald``: it forgets all but the last one of a section. Names of files,
which are not YAML: a folder may be called 2024, no or [x]. Shares of classes without spaces, {3:0.35}, which YAML reads as a time.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from scorefield.errors import ConfigError

_DEEP = re.compile(r"--(\w+\.\w+)\.(\w+(?:\.\w+)*)(?:=(.*))?", re.DOTALL)
_NESTING = re.compile(r"[\[{]|[-?:]\s")
_MOST = 1000  # openings of lists and mappings: from 10 000 on, all within each other, the parser's stack overflows
_NAMES = ("--data.path", "--data.dir", "--data.array")
_HELD = "name "  # begins what stands for a name while the parser reads the rest
_SHARES = "--data.keep"
_SHALLOW = re.compile(r"--(\w+\.\w+)(?:=(.*))?", re.DOTALL)


def gathered(arguments: Sequence[str]) -> list[str]:
    """Return arguments in a form that it reads as they were meant: ``--sampling.sampler={"kind": "ald"}``, ``--data.keep={3: 0.35}``."""
    kept: list[str] = []
    deep: dict[str, dict[str, Any]] = {}
    heads = {found[1] for argument in arguments if (found := _DEEP.fullmatch(argument))}
    queue = iter(arguments)
    for argument in queue:
        _refuse_tricks(argument)
        option, joined, text = argument.partition("=")
        if option in (*_NAMES, _SHARES) and (text := text if joined else next(queue, "")):
            _refuse_tricks(text)
            text = (
                re.sub(r"(\d):(?=\S)", r"\1: ", text)
                if option == _SHARES
                else _HELD + quote(text, safe="", errors="surrogateescape")
            )
            kept.append(f"{option}={text}")
            continue
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


def names_restored(data: object) -> None:
    """Put names of files back into the section ``data`` that was parsed."""
    if isinstance(data, dict):
        held = {n: v for n, v in data.items() if isinstance(v, str) and v.startswith(_HELD)}
        data.update({n: unquote(v.removeprefix(_HELD), errors="surrogateescape") for n, v in held.items()})


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
