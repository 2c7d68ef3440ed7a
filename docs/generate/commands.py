"""Every command with all its options, from the parsers that read them, and an example from the page that teaches commands."""

import argparse
import re
from importlib import import_module
from itertools import chain, zip_longest
from pathlib import Path

from scorefield.cli.main import COMMANDS

__all__ = ["example", "pages", "write"]

TAUGHT = Path(__file__).parents[1] / "howto" / "command_line.md"
"""Its commands are run by tests/test_commands.py."""
_EVERYWHERE = ("help", "verbose", "threads")
_SETTINGS = re.compile(r"[.,]? ?(?:Kinds|Settings|Samplers): .*", re.DOTALL)


def write(folder: Path) -> None:
    """Write the sections."""
    (folder / "commands.inc").write_text("\n".join(pages().values()), encoding="utf-8")


def pages() -> dict[str, str]:
    """Return a section for each command."""
    return {name: _section(name) for name in COMMANDS}


def example(command: str) -> str:
    """Return the first line with this command that is taught."""
    found = re.search(rf"^scorefield {command}\b.*$", TAUGHT.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise LookupError(f"docs/howto/command_line.md should show an example of scorefield {command}")
    return found[0]


def _section(name: str) -> str:
    module = import_module(f"scorefield.cli.{name}")
    parser: argparse.ArgumentParser = module.parser()
    rows = "".join(_row(action) for action in parser._actions if action.dest not in _EVERYWHERE)
    head = f"### {name}\n\n{_escaped(parser.description or '')}\n\n```console\n{example(name)}\n```\n\n"
    return f"{head}| option | default | meaning |\n|---|---|---|\n{rows}"


def _row(action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    value = f" {_escaped(str(action.metavar))}" if action.metavar and action.option_strings else ""
    given = " ".join(action.default) if isinstance(action.default, list) else action.default
    plain = given in (None, "", argparse.SUPPRESS) or given is False or given == {}
    default = "required" if action.required and action.nargs != "*" else "" if plain else f"`{given}`"
    meaning = _escaped(_SETTINGS.sub("", action.help or ""))
    more = " ([settings](../settings.md))" if _SETTINGS.search(action.help or "") else ""
    return f"| {names}{value} | {default} | {meaning}{more} |\n"


def _escaped(text: str) -> str:
    """Return text in which nothing is markup but options, which are code, dotted ones with a value: in prose two hyphens become a dash."""
    parts = re.split(r"(--[a-z]\w*(?:\.\w+)+(?: \w+(?:\.\w+)*)?|--[a-z][\w.-]*\w)", text.replace("%%", "%"))
    plain = (re.sub(r"([|*_<>\[\]{}`])", r"\\\1", part) for part in parts[::2])
    return "".join(chain.from_iterable(zip_longest(plain, (f"`{part}`" for part in parts[1::2]), fillvalue="")))
