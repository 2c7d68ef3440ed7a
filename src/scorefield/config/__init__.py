"""The configuration of a run: typed, checked, and able to build what it describes."""

from scorefield.config.load import merge, parse_yaml, read_yaml, refusals, to_yaml, validate
from scorefield.config.run import RunConfig

__all__ = ["RunConfig", "merge", "parse_yaml", "read_yaml", "refusals", "to_yaml", "validate"]
