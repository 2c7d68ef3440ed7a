"""Networks in bfloat16: half the memory traffic and twice the arithmetic, where the processor has it."""

from typing import Literal

import torch
from torch import Tensor, nn

from scorefield.errors import ConfigError

__all__ = ["LowPrecision", "Precision", "uses_bf16"]

Precision = Literal["auto", "fp32", "bf16"]
"""Of a network's products; "auto" is bfloat16 where the device multiplies it natively, float32 elsewhere."""


class LowPrecision(nn.Module):
    """A network whose convolutions and matrix products are in bfloat16; weights, inputs and outputs keep their types.

    What is around it, the steps of a sampler above all, stays in the precision it was in.

    Args:
        net: a network.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.classes: int | None = getattr(net, "classes", None)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        """Return the network's value at ``x``, of the type of ``x``."""
        single = [y.float() if y.is_floating_point() else y for y in (x, *conditions)]  # autocast passes float64 by
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return self.net(*single).to(x.dtype)


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Tell whether networks of that precision run in bfloat16 on ``device``.

    Raises:
        ConfigError: bf16 asked of a device that does not know it at all.
    """
    native = _multiplies_bf16(device)
    if precision == "bf16" and device.type == "cuda" and not native:
        raise ConfigError("precision bf16 was asked for, but this GPU has none; use fp32")
    return precision == "bf16" or (precision == "auto" and native)


def _multiplies_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 products are native here: on a CPU, AVX512-BF16 or AMX; without them bf16 is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
