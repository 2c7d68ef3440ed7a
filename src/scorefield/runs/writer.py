"""Writing beside training: while a GPU computes, the CPU has time for the disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Writer:
    """One thread that writes one thing at a time; what it meets is raised where `check` is called."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[object] | None = None

    def start(self, write: Callable[[], object]) -> None:
        """Write, once what was begun before is written and checked."""
        self.check(wait=True)
        self._writing = self._thread.submit(write)

    def check(self, *, wait: bool = False) -> None:
        """Raise what the last writing met, if it is done; with ``wait``, once it is."""
        if self._writing is not None and (wait or self._writing.done()):
            writing, self._writing = self._writing, None
            writing.result()
