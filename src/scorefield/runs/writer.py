"""Writing beside training: while a GPU computes, the CPU has time for the disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Writer:
    """One thread that writes one thing at a time; its errors are raised by `check`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[object] | None = None

    def start(self, write: Callable[[], object]) -> None:
        """Start writing, once the former writing has ended and was checked."""
        self.check(wait=True)
        self._writing = self._thread.submit(write)

    def check(self, *, wait: bool = False) -> None:
        """Raise the error of the last writing, if it has ended; with ``wait``, wait until it has."""
        if self._writing is not None and (wait or self._writing.done()):
            writing, self._writing = self._writing, None
            writing.result()
