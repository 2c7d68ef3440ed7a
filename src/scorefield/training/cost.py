"""What a training will cost: memory and operations of a step, by arithmetic and one pass on tensors without values.

    memory of a device  =  weights + gradients + average + moments  +  activations kept for the backward pass
    seconds of a step   =  3 × operations of a forward pass / (utilisation × operations per second of the device)

A backward pass costs twice a forward pass. Weights, gradients, the average and two moments are one float32 each: 20 bytes a parameter,
whatever the precision. Activations are what the network saves for its backward pass, counted on tensors that have shapes and no numbers.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

_WEIGHT = 4  # bytes of a float32
_COPIES = 5  # weights, gradients, average, two moments
_PASSES = 3  # a backward pass costs two forward ones


@dataclass(frozen=True)
class Cost:
    """What a step of training needs.

    Attributes:
        parameters: of the network.
        state: bytes of weights, gradients, average and moments; every process holds all of it, or a share (train.sharding).
        activations: bytes kept for the backward pass, for one example, in float32; bfloat16 halves most of them. Allocators hold more.
        operations: multiplications and additions of a forward pass, for one example.
    """

    parameters: int
    state: int
    activations: int
    operations: int

    def memory(self, batch: int, shares: int = 1) -> int:
        """Return the bytes of a step of ``batch`` examples on one device: train.batch_size / (processes · train.accumulate).

        Where the state is in as many ``shares`` as there are processes, the weights and gradients of the largest module, which is whole for
        a while, come on top.
        """
        return self.state // shares + batch * self.activations

    def seconds(self, batch: int, peak: float, utilisation: float = 0.4) -> float:
        """Return how long a step of ``batch`` examples takes on a device of ``peak`` operations per second, a share of which is used."""
        return _PASSES * batch * self.operations / (utilisation * peak)


def cost(net: nn.Module, event: tuple[int, ...]) -> Cost:
    """Return what training ``net`` on examples of shape ``event`` costs; nothing is computed, so that no size is too large.

    Cost: two passes on the meta device, seconds for a U-Net.
    """
    shapes = copy.deepcopy(net).to("meta").train()
    (low, _), (high, operations) = (_kept(shapes, event, batch) for batch in (2, 4))
    parameters = sum(p.numel() for p in net.parameters())
    return Cost(parameters, _COPIES * _WEIGHT * parameters, (high - low) // 2, operations // 4)


def _kept(net: nn.Module, event: tuple[int, ...], batch: int) -> tuple[int, int]:
    """Return the bytes that a forward pass keeps, and its operations."""
    weights = {id(p) for p in net.parameters()}
    saved: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        if id(x) not in weights and not (x._base is not None and id(x._base) in weights):
            saved[x.untyped_storage()._cdata] = x  # views of one tensor are kept once
        return x

    x, noise = torch.empty(batch, *event, device="meta"), torch.empty(batch, device="meta")
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x),
        FlopCounterMode(display=False) as counter,
    ):
        net(x, noise)
    return sum(x.untyped_storage().nbytes() for x in saved.values()), counter.get_total_flops()
