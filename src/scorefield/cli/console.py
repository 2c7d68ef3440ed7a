"""What a person at the terminal sees: warnings on stderr, a progress bar only where one can be drawn."""

import os
import sys
from types import TracebackType

from tqdm.auto import tqdm

from scorefield.training import pick_device

__all__ = ["Progress", "tell_device", "warn"]


def warn(message: str) -> None:
    """Print a warning to stderr."""
    print(f"scorefield: warning: {message}", file=sys.stderr)


def tell_device(asked: str) -> None:
    """Say on stderr what "auto" fell back to."""
    if asked == "auto" and pick_device(asked).type == "cpu":
        print("scorefield: no CUDA device: computing on the CPU", file=sys.stderr)


class Progress:
    """A tqdm bar on a terminal, nothing elsewhere.

    Args:
        total: steps in all.
        title: what is being done.
        start: steps done before.
        show: False for processes other than the first.
    """

    def __init__(self, total: int, title: str, *, start: int = 0, show: bool = True) -> None:
        quiet = not (show and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb"
        self._bar = tqdm(total=total, desc=title, initial=start, disable=quiet, dynamic_ncols=True, leave=True)

    def advance(self, **shown: str) -> None:
        """Move one step on, showing named values beside the bar."""
        if shown:
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
