"""Weights of which every process holds a share: PyTorch's fully_shard (FSDP2), for networks that do not fit on one device.

A tensor of n rows is cut into as many shares as there are processes, and with it its gradient, its moments and its averages. The modules
in a network's lists are made whole one at a time, when the forward or the backward pass comes to them, and their gradient goes to its
owners at once. What works number by number, as Adam and averages do, works on shares as they are.
"""

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import TypeIs

from scorefield._noise import Noise
from scorefield.errors import ConfigError
from scorefield.models import NoisyModel

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

_TENSOR = "torch.distributed.tensor"  # takes a second and a half to import; before it is, no tensor is in shares


def shard(model: nn.Module, device: torch.device, world: int) -> None:
    """Leave in every process its share of the weights, which are the same in all; no more than a module is whole on the device."""
    if own := [name for name, _ in model.named_parameters(recurse=False)]:
        raise ConfigError(
            f"train.sharding=full gathers weights when a module is called; {type(model).__name__} itself has {own[0]}: move it into the "
            "network, or leave train.sharding=none"
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard  # two seconds, and few runs need it

    # Outputs that are views would lose a hook by operations in place, of which the models have none.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(device.type, (world,))
    for unit in _units(model):
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)
    model.to(device)


def _units(model: nn.Module) -> Iterator[nn.Module]:
    """Return the parts gathered whole, the inner first: modules in lists and sequences, then what is left of each network."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList | nn.Sequential)]
    units = {*model.children(), *(child for parent in lists for child in parent)}
    for module in reversed(list(model.modules())):
        called = type(module).forward is not nn.Module.forward
        if module in units and called and any(True for _ in module.parameters()):
            yield module


class DifferentiatedOnce(nn.Module):
    """A loss whose gradient needs no other: the first backward pass lets go of the weights that a second, of a gradient, would need."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self._inside = False
        for module in loss.modules():
            if any(map(in_shares, module.parameters())):
                module.register_forward_hook(self._watch)

    def forward(self, conditioned: NoisyModel, x0: Tensor, noise: Noise) -> Tensor:
        """Return the loss."""
        self._inside = True
        try:
            return self.loss(conditioned, x0, noise)
        finally:
            self._inside = False

    def _watch(self, module: nn.Module, given: object, output: object) -> None:
        if self._inside and isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(self._refuse)

    def _refuse(self, gradient: Tensor) -> None:
        if self._inside:
            raise ConfigError(
                "train.sharding=full cannot train by gradients of gradients, as score matching without a denoising target and energies "
                "do: leave train.sharding=none, or choose another objective"
            )


def in_shares(x: Tensor) -> "TypeIs[DTensor]":
    """Return whether each process holds a share of the tensor."""
    return _TENSOR in sys.modules and isinstance(x, sys.modules[_TENSOR].DTensor)


def full(x: Tensor) -> Tensor:
    """Return a tensor whole; of one in shares, every process has to ask for it."""
    return x.full_tensor() if in_shares(x) else x


def gathered(weights: Mapping[str, Tensor], *, keep: bool = True, copy: bool = False) -> dict[str, Tensor]:
    """Return tensors, those in shares whole on the CPU; every process has to ask for them. On a device one at a time is whole.

    Args:
        weights: by name.
        keep: whether this process wants them; the others get none.
        copy: whether the rest of them is copied to the CPU as well, so that what changes later changes no copy.
    """
    found: dict[str, Tensor] = {}
    for name, x in sorted(weights.items()):  # in one order in all processes, whichever they were read in
        value = full(x)
        if keep:
            found[name] = value.to("cpu", copy=copy and value is x) if in_shares(x) or copy else x
    return found


def shared_as(x: Tensor, other: Tensor) -> Tensor:
    """Return a tensor, the same in all processes, as the other is: on its device, and in shares like its own."""
    if in_shares(x) or not in_shares(other):
        return x.to(other.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(x.to(other.device), other.device_mesh, other.placements, src_data_rank=None)
