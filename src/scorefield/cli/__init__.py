"""The command line: strings become objects here, results become files, errors become one line and an exit code."""

from scorefield.cli.main import main

__all__ = ["main"]
