"""One process or many: the little that training needs to know of the others.

Every process holds the whole model and the same optimiser state, computes the gradient of its rows of the global batch, and sums gradients
with the rest. Noise belongs to rows, not to processes, so any number of processes takes the same step up to the order of additions.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import torch
from torch import Tensor

from scorefield.errors import ConfigError, ScorefieldError

__all__ = ["Accelerated", "OneProcess", "Parallel", "checked_device", "pick_device", "processes"]


class Parallel(Protocol):
    """The processes of a run: which one this is, where it computes, and how they add up."""

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        ...

    @property
    def world(self) -> int:
        """How many processes there are."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        ...

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes."""
        ...

    def wait(self) -> None:
        """Return when every process has come here."""
        ...

    def leave(self) -> None:
        """Part from the others, at the end of the work, when every process has come here."""
        ...


class OneProcess:
    """A run of its own, on one device."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.rank, self.world = 0, 1
        self.device = torch.device(device)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Do nothing: the sum over one process."""

    def wait(self) -> None:
        """Return at once."""

    def leave(self) -> None:
        """Do nothing: there are no others."""


class Accelerated:
    """The processes started by ``torchrun`` or ``accelerate launch``, through accelerate."""

    def __init__(self, device: str = "auto") -> None:
        from accelerate import Accelerator  # seconds to import, and only runs of several processes need it

        # On a machine without a GPU, accelerate does not connect the processes unless it is asked for the CPU.
        self._accelerator = Accelerator(cpu=pick_device(device).type == "cpu")
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if self._accelerator.num_processes != started:
            raise ConfigError(
                f"{started} processes were started, and {self._accelerator.num_processes} found each other; choose the device they share, "
                "cpu or cuda"
            )
        self.rank: int = self._accelerator.process_index
        self.world: int = self._accelerator.num_processes
        self.device: torch.device = self._accelerator.device

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in one message."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _together():
            total = cast(Tensor, self._accelerator.reduce(flat, reduction="sum"))
        for tensor, part in zip(tensors, total.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.reshape(tensor.shape))

    def wait(self) -> None:
        """Return when every process has come here."""
        with _together():
            self._accelerator.wait_for_everyone()

    def leave(self) -> None:
        """Part from the others: a process that just ends may abort, and take those with it that are still at work."""
        self.wait()
        self._accelerator.end_training()


def processes(device: str) -> Parallel:
    """Return the processes this one belongs to: those that torchrun started, or itself alone."""
    return Accelerated(device) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else OneProcess(pick_device(device))


@contextmanager
def _together() -> Iterator[None]:
    """Say in words that a process that is waited for has ended."""
    try:
        yield
    except RuntimeError as error:
        raise ScorefieldError(
            f"another process of this run has ended ({str(error).splitlines()[0]}); its own message says why. "
            "Start all of them again to go on from the last checkpoint"
        ) from error


def pick_device(name: str) -> torch.device:
    """Return the device called ``name``; "auto" is the GPU where there is one.

    Raises:
        ConfigError: no such device, here or at all.
    """
    if checked_device(name) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device, found = torch.device(name), torch.cuda.device_count()
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"device {name!r} was asked for, but there is no GPU of Apple's, or this PyTorch cannot use it; use cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= found:
        here = f"the last here is cuda:{found - 1}" if found else "there is no CUDA device; use cpu"
        raise ConfigError(f"device {name!r} was asked for, but {here}")
    return device


def checked_device(name: str) -> str:
    """Return the name of a device, whether or not this machine has it.

    Raises:
        ConfigError: a name of none.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,4})?", name):
        raise ConfigError(f"device {name!r}: expected auto, cpu, cuda, cuda:N or mps")
    return name
