"""Rows that do not depend on how many other rows are computed with them.

On a CPU in float32 PyTorch chooses kernels by the size of the batch: matrices of fewer than 16 rows, and convolutions of a single small
image, are summed in another order. That changes the last digit, 1e-7; where two images are nearly as likely a sampler amplifies it, to 2e-4
on MNIST. So small batches are filled up, with rows that are thrown away, until the kernel is the one for large batches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEWEST = 16


class Linear(nn.Linear):
    """`torch.nn.Linear` on at least 16 rows."""

    def forward(self, input: Tensor) -> Tensor:
        """Return x Wᵀ + b."""
        if len(input) >= _FEWEST or not kernel_depends_on_rows(input):
            return super().forward(input)
        return super().forward(F.pad(input, (0, 0, 0, _FEWEST - len(input))))[: len(input)]


def kernel_depends_on_rows(x: Tensor) -> bool:
    """Return whether PyTorch chooses kernels by the number of rows; in bfloat16 there is one for all."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
