"""scorefield."""

__version__ = "0.1.0"
