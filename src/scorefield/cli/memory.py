"""Settings of the process that save time: freed memory is kept for the next step, and modules are not searched for garbage.

PyTorch frees what a step leaves, and glibc hands much of that back to the system, which clears every page of it for the step that follows.
Kept, it costs nothing beyond the peak, and a training step on two cores takes less time (benchmarks/README.md, "allocator").
"""

import ctypes
import gc
import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 2**30  # bytes of free memory at the end of the heap, from which on they are handed back
_OWN_MAPPING = 2**25  # bytes from which on a tensor has pages of its own, handed back with it; more is not accepted


def keep_freed() -> None:
    """Let this process keep what it frees; it lasts until the process ends. Without glibc, nothing is changed."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _OWN_MAPPING)


def load_torch() -> None:
    """Import PyTorch, whose objects last as long as the process, without looking for garbage among them.

    Python would look through all of them several times on the way and once more at the end, which takes a third of the import's time.
    """
    if "torch" in sys.modules:
        return
    if "WORLD_SIZE" in os.environ:  # of several processes each would doubt whether all of its parameters are used
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    gc.disable()
    try:
        with _uninterrupted():
            import_module("torch")
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of this context: PyTorch and NumPy, interrupted half-way, fail later with errors that look like bugs."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal arrives there
        return
    received: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if received:
        signal.raise_signal(signal.SIGINT)
