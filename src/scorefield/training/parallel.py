"""One process or many: the little that training needs to know of the others.

Every process computes the gradient of its rows of the global batch, and sums gradients with the rest. `Accelerated` ones hold the whole
model and the same optimiser state: PyTorch's DistributedDataParallel sends gradients bucket by bucket, while the backward pass goes on.
`Sharded` ones hold a share of it each (`scorefield.training.sharding`). Noise belongs to rows, not to processes, so any number of processes
takes the same step up to the order of additions.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from scorefield.errors import ConfigError, ScorefieldError
from scorefield.training.sharding import DifferentiatedOnce, shard

Sharding = Literal["none", "full"]


class OneProcess:
    """The only process of a run, on one device.

    Attributes:
        rank: this process's number, from 0.
        world: how many processes there are.
        device: where this process computes.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.rank, self.world = 0, 1
        self.device = torch.device(device)

    def place(self, model: nn.Module) -> None:
        """Move a model, the same in every process, to where this process computes, or this process's share of it."""
        model.to(self.device)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes: here by itself."""

    def summed(self, loss: nn.Module) -> nn.Module:
        """Return ``loss`` such that `backward` from it adds gradients up over processes."""
        return loss

    def alone(self, loss: nn.Module) -> AbstractContextManager[None]:
        """Return a context for passes whose gradients stay with their process, until the first one outside of it."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss`` to those of its parameters: of the sum over processes."""
        loss.backward()

    def together(self) -> AbstractContextManager[None]:
        """Return a context for other work that processes do together: if another process ends, the error says so."""
        return nullcontext()

    def wait(self) -> None:
        """Return when every process has come here."""

    def leave(self) -> None:
        """Leave the group of processes, at the end of the work, when every process has come here."""


class Accelerated:
    """The processes started by ``torchrun`` or ``accelerate launch``, through accelerate."""

    def __init__(self, device: str = "auto") -> None:
        from accelerate import Accelerator  # seconds to import, and only runs of several processes need it

        # On a machine without a GPU, accelerate does not connect the processes unless it is asked for the CPU.
        on_cpu = pick_device(device).type == "cpu"
        try:
            if (attempt := os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) != "0":
                # torchrun's store outlives the processes, and with it the addresses of those that have ended.
                store, rank, world = next(rendezvous("env://"))
                own = PrefixStore(f"attempt {attempt}", store)
                dist.init_process_group("gloo" if on_cpu else "nccl", store=own, rank=rank, world_size=world)
            self._accelerator = Accelerator(cpu=on_cpu)
        except RuntimeError as error:
            raise ScorefieldError(
                f"the processes of this run could not connect ({str(error).splitlines()[0]}); start all of them again: torchrun "
                "--max-restarts 3 does so by itself"
            ) from error
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if self._accelerator.num_processes != started:
            raise ConfigError(
                f"{started} processes were started, and {self._accelerator.num_processes} found each other; choose the device they share, "
                "cpu or cuda"
            )
        self.rank: int = self._accelerator.process_index
        self.world: int = self._accelerator.num_processes
        self.device: torch.device = self._accelerator.device

    def place(self, model: nn.Module) -> None:
        """Move the model to the device."""
        model.to(self.device)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in one message."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _together():
            total = cast(Tensor, self._accelerator.reduce(flat, reduction="sum"))
        for tensor, part in zip(tensors, total.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.reshape(tensor.shape))

    def summed(self, loss: nn.Module) -> nn.Module:
        """Return ``loss`` in PyTorch's DistributedDataParallel, with parameters that an objective may leave out."""
        # That all are used now is no mistake, nor are the strides of 1×1 kernels, which say the same in two ways; and the new name of
        # ``broadcast_buffers`` is unknown to most of the releases in use.
        known = "find_unused_parameters=True|Grad strides do not match|`broadcast_buffers` is deprecated"
        warnings.filterwarnings("ignore", message=known)
        with _together():
            return DistributedDataParallel(
                loss, broadcast_buffers=False, find_unused_parameters=True, gradient_as_bucket_view=True
            )

    def alone(self, loss: nn.Module) -> AbstractContextManager[None]:
        """Return the engine's own context of that purpose, in which nothing is sent."""
        assert isinstance(loss, DistributedDataParallel)  # noqa: S101 for the type checker: `summed` made it
        return loss.no_sync()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the sum over processes; the engine takes the mean."""
        with _together():
            (self.world * loss).backward()

    def together(self) -> AbstractContextManager[None]:
        """Return a context in which nothing is different: all that is sent, these methods send."""
        return nullcontext()

    def wait(self) -> None:
        """Return when every process has come here."""
        with _together():
            self._accelerator.wait_for_everyone()

    def leave(self) -> None:
        """Leave the group of processes: one that just ends may abort, and end others that are still at work."""
        self.wait()
        self._accelerator.end_training()


class Sharded:
    """Processes that each hold a share of the weights, gradients, moments and averages (PyTorch's fully_shard).

    Args:
        others: the processes.
    """

    def __init__(self, others: OneProcess | Accelerated) -> None:
        self.rank, self.world, self.device = others.rank, others.world, others.device
        self.sum_, self.backward, self.wait, self.leave = others.sum_, others.backward, others.wait, others.leave

    def place(self, model: nn.Module) -> None:
        """Move this process's share of the model to the device, one module after another, so that no device holds all of it."""
        shard(model, self.device, self.world)

    def summed(self, loss: nn.Module) -> nn.Module:
        """Return the loss, differentiated once: its modules gather their weights and add gradients up by themselves."""
        return DifferentiatedOnce(loss)

    def alone(self, loss: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which nothing is different: to keep gradients here, each process would have to hold them whole."""
        return nullcontext()

    def together(self) -> AbstractContextManager[None]:
        """Return a context in which an error of the connection, and not one of the network's, says that another process has ended."""
        return _together(lambda error: isinstance(error, dist.DistError) or "gloo" in str(error))


Parallel = OneProcess | Accelerated | Sharded
"""The processes of a run: which one this is, where it computes, and how they add up."""


def processes(device: str, sharding: Sharding = "none") -> Parallel:
    """Return the group of processes that this one belongs to: those that torchrun started, or itself alone.

    Args:
        device: where they compute; see `pick_device`.
        sharding: whether each of several holds a copy of the training state ("none") or a share of it ("full").
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return OneProcess(pick_device(device))
    return Sharded(Accelerated(device)) if sharding == "full" else Accelerated(device)


@contextmanager
def _together(
    broken: Callable[[RuntimeError], bool] = lambda error: not isinstance(error, torch.OutOfMemoryError),
) -> Iterator[None]:
    """Raise an error that says that a process that is waited for has ended, where the connection is what is ``broken``."""
    try:
        yield
    except RuntimeError as error:
        if not broken(error):
            raise
        raise ScorefieldError(
            f"another process of this run has ended ({str(error).splitlines()[0]}); its own message says why. "
            "Start all of them again to go on from the last checkpoint"
        ) from error


def pick_device(name: torch.device | str) -> torch.device:
    """Return the device called ``name``; "auto" is the GPU where there is one.

    Raises:
        ConfigError: there is no such device, or this machine has none.
    """
    if isinstance(name, torch.device) and name.type not in ("cuda", "mps"):
        return name
    name = str(name)
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
    """Return the name of a device, whether or not this machine has it."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,4})?", name):
        raise ConfigError(f"device {name!r}: expected auto, cpu, cuda, cuda:N or mps")
    return name
