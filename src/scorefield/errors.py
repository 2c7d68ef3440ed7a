"""Errors a user can act on; each says what was received, what was expected and what to do.

The command line ends with the error's ``exit_code``, so the same failure reads the same from Python and from a shell.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "MissingExtraError",
    "ScorefieldError",
]


class ScorefieldError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(ScorefieldError, ValueError):
    """A setting, an argument or a path of a run is wrong; nothing was started."""

    exit_code = 2


class MissingExtraError(ScorefieldError, ImportError):
    """A package that only some commands need is not installed."""

    exit_code = 2


class DataError(ScorefieldError, ValueError):
    """A data file is missing, damaged or not what its name says."""

    exit_code = 3


class CheckpointError(ScorefieldError):
    """A checkpoint or weights file cannot be written, or cannot be trusted."""

    exit_code = 4


class DivergedError(ScorefieldError, ArithmeticError):
    """A number stopped being finite, in training or in sampling."""

    exit_code = 5


@contextmanager
def needing(what: str, package: str) -> Iterator[None]:
    """Import what the ``metrics`` extra brings; say how to install it where it is missing, or a part of its own is."""
    try:
        yield
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError)
        reason = "" if missing else f", which is installed and cannot be imported ({type(error).__name__}: {error})"
        raise MissingExtraError(f"{what} need {package}{reason}: pip install 'scorefield[metrics]'") from error
