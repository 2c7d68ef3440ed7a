"""Jobs for people who wait: one at a time, the others in a queue of bounded length, each cancelled as soon as nobody waits for it.

One, because a network uses all cores, so two at once would both be late. A job owns its results, which go to whoever asked and are kept
nowhere else.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from scorefield.errors import ScorefieldError

Answer = TypeVar("Answer")


class Busy(ScorefieldError):
    """The queue is full."""


class Stopped(ScorefieldError):
    """The job was cancelled, or took too long."""


class Job(Generic[Answer]):
    """One piece of work, stopped after ``patience`` seconds, and how far it is; it is given the job, and calls `advance` often."""

    def __init__(self, work: Callable[["Job[Answer]"], Answer], patience: float) -> None:
        self._work, self._patience = work, patience
        self._cancelled, self._end = False, float("inf")
        self.done, self.total = 0, 0
        self.future: Future[Answer] = Future()

    def advance(self, steps: int = 1) -> None:
        """Note steps made; raise `Stopped` when nobody waits any longer, or patience ended."""
        self.done += steps
        if self._cancelled:
            raise Stopped("cancelled")
        if time.monotonic() > self._end:
            raise Stopped(f"stopped after {self._patience:g} seconds; ask for fewer steps or images")

    def cancel(self) -> None:
        """Stop at the next step."""
        self._cancelled = True

    def run(self) -> None:
        """Work, and keep the answer or the error."""
        self._end = time.monotonic() + self._patience
        try:
            self.advance(0)
            self.future.set_result(self._work(self))
        except Exception as error:
            self.future.set_exception(error)


class Jobs:
    """The line of at most ``most`` jobs, the one that runs included, each for ``patience`` seconds."""

    def __init__(self, most: int = 32, patience: float = 180.0) -> None:
        self._most, self._patience = most, patience
        self._line: list[Job[Any]] = []
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scorefield")

    def submit(self, work: Callable[[Job[Answer]], Answer]) -> Job[Answer]:
        """Put work at the end of the queue, unless that is full."""
        job = Job(work, self._patience)
        with self._lock:
            if len(self._line) >= self._most:
                raise Busy(f"the queue is full: {len(self._line)} are waiting; try again in a moment")
            self._line.append(job)
        self._worker.submit(self._next)
        return job

    def cancel(self, job: Job[Any]) -> None:
        """Stop a job, and free its place in the queue."""
        job.cancel()
        with self._lock:
            if job in self._line[1:]:  # the first runs, or is about to, and leaves by itself
                self._line.remove(job)

    def place(self, job: Job[Any]) -> int:
        """Return how many jobs are served before this one."""
        with self._lock:
            return self._line.index(job) if job in self._line else 0

    def __len__(self) -> int:
        """Return how many wait or run."""
        return len(self._line)

    def close(self) -> None:
        """Stop whatever runs or waits."""
        with self._lock:
            for job in self._line:
                job.cancel()
        self._worker.shutdown()

    def _next(self) -> None:
        with self._lock:
            if not self._line:
                return  # whoever was to be served now has left
            job = self._line[0]
        try:
            job.run()
        finally:
            with self._lock:
                self._line.remove(job)
