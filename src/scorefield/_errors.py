"""The errors under their former name: import them from `scorefield.errors`."""

from scorefield.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    MissingExtraError,
    ScorefieldError,
    require_finite,
)

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "MissingExtraError",
    "ScorefieldError",
    "require_finite",
]
