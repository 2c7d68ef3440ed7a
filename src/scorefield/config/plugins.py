"""Python files of a user's own that register kinds (`scorefield.register`). They are named on the command line, and nowhere else."""

import os
import sys
import traceback
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from scorefield.errors import ConfigError

_NAMED = "scorefield_plugin_"


def load_plugins(paths: Iterable[str]) -> None:
    """Run the files, each once in a process.

    Raises:
        ConfigError: a file that is missing or fails.
    """
    for path in paths:
        if not os.path.isfile(path):  # of whatever name: Path's own refuses what is too long
            raise ConfigError(f"plugin {path}: expected a Python file, .py, that exists")
        file = Path(path).resolve()
        name = f"{_NAMED}{file.stem}"
        while (loaded := sys.modules.get(name)) is not None and loaded.__file__ != str(file):
            name += "_"  # a file of that name in another folder
        if loaded is not None:
            continue
        spec = spec_from_file_location(name, file) if file.suffix == ".py" else None
        if spec is None or spec.loader is None:
            raise ConfigError(f"plugin {path}: expected a Python file, .py, that exists")
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # a script's own end is not that of the command
            del sys.modules[name]
            raise ConfigError(f"plugin {path}: {type(error).__name__}: {error}") from error


def plugin_at_fault(error: BaseException) -> str | None:
    """Return the file of a plugin and the line of it in which an error was raised; None if it was raised by this package."""
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(_NAMED):
            return f"plugin {frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}"
        if module.partition(".")[0] == "scorefield":
            return None
    return None
