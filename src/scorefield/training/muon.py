r"""Muon (Jordan et al. 2024): momentum, made orthogonal, for the kernels of convolutions; Adam for everything else.

    M ← μ M + G,   U = orthogonal(G + μ M),   W ← W − η · 0.2 √max(rows, columns) · U

A kernel (out, in, h, w) is the matrix (out, in·h·w). ``orthogonal`` sends all singular values near 1, so that directions in which the
gradient is small are learnt as fast as those in which it is large. The factor gives U the size of Adam's updates (Liu et al. 2025,
arXiv:2502.16982): one learning rate η serves both. Cost: two products with every kernel and twenty of small square matrices, however large
the batch. Where processes hold shares of the kernels, each gathers all of them,
one at a time: as much to send as one pass of the network.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.training.sharding import full, in_shares, shared_as

_MOMENTUM = 0.95
ADAM, KERNEL = (
    ("step", "exp_avg", "exp_avg_sq"),
    ("step", "momentum"),
)  # what is kept of a weight, by who takes its steps
_LEAST = 16  # rows and columns: the first and the last layer, of few channels, are Adam's


class Muon(torch.optim.Adam):
    """Adam, except that kernels of at least 16 by 16 channels take orthogonal steps."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(parameters, lr=lr, betas=betas, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step; without a closure."""
        held: dict[Tensor, Tensor] = {}
        for group in self.param_groups:
            kernels = {
                weight: weight.grad for weight in group["params"] if weight.grad is not None and is_kernel(weight)
            }
            if kernels:
                self._turn(kernels, group["lr"])
            held |= kernels
        for weight in held:
            weight.grad = None  # which Adam passes over
        super().step()
        for weight, gradient in held.items():
            weight.grad = gradient

    def _turn(self, kernels: dict[Tensor, Tensor], lr: float) -> None:
        """Take the orthogonal steps of kernels with these gradients."""
        for weight in kernels:
            if not self.state[weight]:  # Adam looks for a step in every state
                self.state[weight] |= {
                    "step": torch.zeros((), dtype=torch.float32),
                    "momentum": torch.zeros_like(weight),
                }
            self.state[weight]["step"] += 1
        gradients = list(kernels.values())
        momenta = [self.state[weight]["momentum"] for weight in kernels]
        torch._foreach_mul_(momenta, _MOMENTUM)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(momenta, gradients)  # pyright: ignore[reportPrivateImportUsage]
        ahead = torch._foreach_add(gradients, momenta, alpha=_MOMENTUM)  # pyright: ignore[reportPrivateImportUsage]
        for weight, update in zip(kernels, _turned(ahead), strict=True):
            weight.sub_(update, alpha=lr * 0.2 * max(weight.shape[0], weight.shape[1:].numel()) ** 0.5)


def is_kernel(weight: Tensor) -> bool:
    """Return whether Muon takes the steps of a weight, not Adam."""
    return weight.ndim == 4 and min(weight.shape[:2]) >= _LEAST


def _turned(kernels: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield kernels made orthogonal; those in shares are gathered one after another, and every process turns each."""
    if any(map(in_shares, kernels)):
        for x in kernels:
            gathered = full(x)
            yield shared_as(orthogonal([gathered.flatten(1)])[0].view_as(gathered), x)
    else:
        yield from (y.view_as(x) for x, y in zip(kernels, orthogonal([x.flatten(1) for x in kernels]), strict=True))


def orthogonal(matrices: Sequence[Float[Tensor, "_ _"]]) -> list[Float[Tensor, "_ _"]]:
    """Return U S′ Vᵀ for each X = U S Vᵀ, with S′ between about 0.7 and 1.2: X / ‖X‖ after five steps X ← (a I + b X Xᵀ + c (X Xᵀ)²) X.

    All of it is one polynomial of G = X Xᵀ times X; the polynomials of all G of one size are found at once, and where X has more rows than
    columns, Xᵀ takes its place.
    """
    wide = [x.mT if x.shape[0] > x.shape[1] else x for x in matrices]
    turned = list(wide)
    for rows in {len(x) for x in wide}:
        chosen = [k for k, x in enumerate(wide) if len(x) == rows]
        factors = _factors(torch.stack([wide[k] @ wide[k].mT for k in chosen]))
        for k, p in zip(chosen, factors, strict=True):
            turned[k] = p @ wide[k]
    return [y.mT if x.shape[0] > x.shape[1] else y for x, y in zip(matrices, turned, strict=True)]


def _factors(g: Float[Tensor, "n r r"]) -> Float[Tensor, "n r r"]:
    """Return P, of which P X is the result, for each G = X Xᵀ, whose trace is ‖X‖².

        Q = a I + b G + c G²,   P ← Q P,   G ← Q G Q

    are the five steps without X, as G, P and Q commute. In bfloat16 they would lose the small singular values, which G has squared.
    """
    norm = g.diagonal(dim1=1, dim2=2).sum(1).sqrt()[:, None, None] + 1e-12
    g, p = g / norm**2, torch.eye(g.shape[1], dtype=g.dtype, device=g.device) / norm
    for _ in range(5):
        q = torch.baddbmm(g, g, g, beta=-4.7750, alpha=2.0315)
        q.diagonal(dim1=1, dim2=2).add_(3.4445)
        p, g = q @ p, q @ g @ q
    return p
