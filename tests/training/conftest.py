"""What holds for every test here."""

from short_ends import short_ends

__all__ = ["short_ends"]
