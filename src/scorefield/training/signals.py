"""Stopping when asked: the first SIGINT, SIGTERM or SIGHUP lets the step in hand finish, but no picture; a second SIGINT does not wait.

SIGHUP comes when a terminal is closed; who ignores it, as ``nohup`` does, trains on.
"""

import signal
from collections.abc import Callable
from types import FrameType


class StopSignals:
    """A context in which ``received`` becomes the number of the first signal to stop, instead of the process dying.

    Args:
        drawing: tells whether the work in hand is a picture, minutes perhaps; the signal breaks it off as an InterruptedError.
    """

    def __init__(self, drawing: Callable[[], bool] = lambda: False) -> None:
        self._drawing = drawing
        self.received: int | None = None
        self._former: dict[int, object] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is None:
            self.received = number
            if self._drawing():
                raise InterruptedError(f"{signal.Signals(number).name} came")

    def __enter__(self) -> "StopSignals":
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        for number in (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,))):
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
