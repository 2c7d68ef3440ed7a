"""Networks in bfloat16: half the memory traffic and twice the arithmetic, where the processor supports it."""

import copy
import platform
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from scorefield._checks import one_of
from scorefield.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16"]
"""Of a network's products; "auto" is bfloat16 where the device is faster in it, float32 elsewhere."""


class LowPrecision(nn.Module):
    """A network whose convolutions and matrix products are in bfloat16; weights, inputs and outputs keep their types.

    What is around it, the steps of a sampler above all, stays in the precision it was in. Of a network in float64, which autocast leaves
    alone, it holds a copy in float32.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        double = any(p.dtype == torch.float64 for p in net.parameters())
        self.net = copy.deepcopy(net).float() if double else net
        self.classes: int | None = getattr(net, "classes", None)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        """Return the network's value at ``x``, of the type of ``x``."""
        single = [y.float() if y.is_floating_point() else y for y in (x, *conditions)]  # autocast passes float64 by
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return self.net(*single).to(x.dtype)


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Tell whether networks of that precision run in bfloat16 on ``device``."""
    one_of(get_args(Precision), precision, "precision")
    fast = _is_fast_in_bf16(device)
    if precision == "bf16" and device.type == "cuda" and not fast:
        raise ConfigError("precision bf16 was asked for, but this GPU has none; use fp32")
    return precision == "bf16" or (precision == "auto" and fast)


def _is_fast_in_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 products are faster than float32's here.

    On a CPU they are with AMX, and with AVX512-BF16 on processors that are not Intel's: on a Xeon whose AMX a virtual machine hid,
    bfloat16 took 1.2 times float32's time when drawing and 1.5 times when training (PyTorch 2.13, quiet machine, n = 6).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or (
            torch.cpu._is_avx512_bf16_supported() and "GenuineIntel" not in _processor()
        )
    return False


@cache
def _processor() -> str:
    """Return what Linux, or elsewhere Python, says of the processor, its maker among it."""
    listed = Path("/proc/cpuinfo")
    return listed.read_text() if listed.is_file() else platform.processor()
