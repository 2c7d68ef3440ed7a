r"""Muon (Jordan et al. 2024): momentum, made orthogonal, for the kernels of convolutions; Adam for everything else.

    M ← μ M + G,   U = orthogonal(G + μ M),   W ← W − η · 0.2 √max(rows, columns) · U

A kernel (out, in, h, w) is the matrix (out, in·h·w). ``orthogonal`` sends all singular values near 1, so that directions in which the
gradient is small are learnt as fast as those in which it is large. The factor gives U the size of Adam's updates (Liu et al. 2025,
arXiv:2502.16982): one learning rate η serves both. Cost: five products of small matrices per kernel and step, however large the batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Muon", "orthogonal"]

_MOMENTUM = 0.95
_LEAST = 16  # rows and columns: the first and the last layer, of few channels, are Adam's


class Muon(torch.optim.Adam):
    """Adam, except that kernels of at least 16 by 16 channels take orthogonal steps.

    Args:
        parameters: what to optimise.
        lr: learning rate of both.
        betas: Adam's.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(parameters, lr=lr, betas=betas, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step; without a closure."""
        held: dict[Tensor, Tensor] = {}
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and weight.ndim == 4 and min(weight.shape[:2]) >= _LEAST:
                    held[weight], weight.grad = weight.grad, None  # which Adam passes over
                    self._turn(weight, held[weight], group["lr"])
        super().step()
        for weight, gradient in held.items():
            weight.grad = gradient

    def _turn(self, weight: Tensor, gradient: Tensor, lr: float) -> None:
        """Take the orthogonal step of one kernel."""
        state = self.state[weight]
        if not state:
            state |= {
                "step": torch.zeros(()),
                "momentum": torch.zeros_like(weight),
            }  # Adam looks for a step in every state
        state["step"] += 1
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        update = orthogonal((gradient + _MOMENTUM * momentum).flatten(1))
        weight.sub_(update.view_as(weight), alpha=lr * 0.2 * max(update.shape) ** 0.5)


def orthogonal(matrix: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Return U Sʹ Vᵀ for U S Vᵀ, with Sʹ between about 0.7 and 1.2: five steps of a quintic iteration, in bfloat16."""
    x = matrix.bfloat16() / (matrix.norm() + 1e-12)
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).to(matrix)
