"""The configuration of a run: typed, checked, and able to build what it describes."""

from scorefield.config.kinds import describe, register
from scorefield.config.load import merge, parse_yaml, read_yaml, refusals, to_yaml, validate
from scorefield.config.migrate import stored
from scorefield.config.plugins import load_plugins
from scorefield.config.run import RunConfig

__all__ = [
    "RunConfig",
    "describe",
    "load_plugins",
    "merge",
    "parse_yaml",
    "read_yaml",
    "refusals",
    "register",
    "stored",
    "to_yaml",
    "validate",
]
