"""What the user sees on stderr: warnings, what is being done, and progress: a bar on a terminal, elsewhere a line now and then."""

import io
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import scorefield
from scorefield.cli.options import LEVELS

_SECONDS = 30  # between two lines on one stage
_PATIENCE = 5.0  # seconds: what is done sooner need not be told
_level = "info"
_notes: list[str] = []


def speak(chosen: str) -> None:
    """Set how much is printed, one of `LEVELS`."""
    global _level  # noqa: PLW0603 there is one command line in a process
    _level = chosen
    _notes.clear()


def level() -> str:
    """Return how much is printed."""
    return _level


def tell(message: str) -> None:
    """Print to stderr, unless it is closed."""
    try:
        print(message.rstrip("\n"), file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def warn(message: str) -> None:
    """Print a warning."""
    if LEVELS.index(_level) <= LEVELS.index("warning"):
        tell(f"scorefield: warning: {message}")


@contextmanager
def warnings_told() -> Iterator[None]:
    """Print the library's warnings as the command's own; those of other packages as Python does."""
    ours, python = os.path.dirname(scorefield.__file__), warnings.showwarning

    def show(message: Warning | str, category: type[Warning], filename: str, *more: Any) -> None:  # noqa: ANN401 as it has them
        if category is UserWarning and filename.startswith(ours):
            warn(str(message))
        else:
            python(message, category, filename, *more)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def readable(number: float, units: tuple[str, ...]) -> str:
    """Return a number of at least 1 in three digits, in the largest of units, each a thousand of the one before, that it reaches."""
    number = float(f"{number:.3g}")
    k = min((len(str(int(number))) - 1) // 3, len(units) - 1)
    return f"{number / 1000**k:g} {units[k]}".rstrip()


def note(message: str) -> None:
    """Keep a message until the work begins: a command that is refused prints only the reason."""
    _notes.append(message)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print what is being done, if it takes longer than five seconds."""
    timer = threading.Timer(_PATIENCE, _say, (title,))
    timer.daemon = True
    if os.environ.get("RANK", "0") == "0":  # of torchrun's processes the first
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say(message: str) -> None:
    if LEVELS.index(_level) <= LEVELS.index("info"):
        while _notes:
            tell(f"scorefield: {_notes.pop(0)}")
        tell(f"scorefield: {message}")


def tell_device(asked: str) -> None:
    """Print which device "auto" chose."""
    from scorefield.training import pick_device

    if asked == "auto" and pick_device(asked).type == "cpu":
        _say("no CUDA device: computing on the CPU")


def open_streams() -> None:
    """Open /dev/null for standard input, output or error where they are closed: the next file opened would take their place.

    Characters that standard output cannot show are escaped, as standard error does by itself.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 it stays open as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def unnamed() -> str:
    """Return what the system took no more of without naming it: standard output, which takes no line then, or some file."""
    try:
        print(flush=True)
    except OSError:
        return "standard output"
    return "a file"


def abandon_output() -> None:
    """Write nothing more to standard output, which cannot be written to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Progress:
    """The progress of a stage of the work: a tqdm bar on a terminal; elsewhere a line when it begins, and one every 30 seconds."""

    def __init__(self, total: int, title: str, *, start: int = 0, unit: str = "steps", show: bool = True) -> None:
        self._total, self._title, self._done, self._bar = total, title, start, None
        self._shown: dict[str, str] = {}
        self._show = show and LEVELS.index(_level) <= LEVELS.index("info")
        self._told = time.monotonic()
        if not self._show:
            return
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from tqdm import tqdm  # nobody else needs it

            self._bar = tqdm(total=total, desc=title, initial=start, dynamic_ncols=True, leave=True)
        else:
            left = total - start
            _say(f"{title}: {left} {unit.removesuffix('s') if left == 1 else unit}")

    def advance(self, **shown: str) -> None:
        """Advance by one step, with named values beside the bar; without any, the former ones stay."""
        self._done += 1
        self._shown |= shown
        if self._bar is not None:
            if shown:
                self._bar.set_postfix(shown, refresh=False)
            self._bar.update()
        elif self._show and time.monotonic() - self._told >= _SECONDS:
            self._told = time.monotonic()
            values = "".join(f", {name} {value}" for name, value in self._shown.items())
            _say(f"{self._title}: {self._done} of {self._total}{values}")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
