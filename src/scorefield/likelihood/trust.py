"""How far a neighbour is trusted to have the byte of a pixel: learned for each direction and context."""

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from scorefield.likelihood.neighbours import BEFORE, CONTEXTS, all_neighbours

_ITERATIONS = 100


class _Evidence(NamedTuple):
    """What pixels in one direction say of the byte decoded: their context, whether they are the same, and T at theirs."""

    context: Int64[Tensor, "b *d"]
    same: Float64[Tensor, "b *d"]
    probable: Float64[Tensor, "b *d"]


def learned_trust(
    bytes_: Int64[Tensor, "b *d"], bins: Int64[Tensor, "b *d"], table: Float64[Tensor, "256 256"]
) -> Float64[Tensor, "k c"]:
    """Return the trust that makes images most probable, given those denoised and how often each byte is behind each denoised value.

    log P is a difference of logarithms of sums over k. Bounding the first from below by Jensen's inequality, the second from above by
    its tangent, gives an update of every weight in closed form after which P is never less (Hunter & Lange 2004).
    """
    evidence = [
        _Evidence(context, (byte == bytes_).double(), table[bins, byte]) for byte, context in all_neighbours(bytes_)
    ]
    trust = torch.ones(len(BEFORE), CONTEXTS, dtype=torch.float64)
    for _ in range(_ITERATIONS):
        boost, total = _boost(evidence, trust)
        for row, (context, same, probable) in zip(trust, evidence, strict=True):
            right, expected = torch.zeros(2, CONTEXTS, dtype=torch.float64)
            right.index_add_(0, context.flatten(), (same / boost).flatten())
            expected.index_add_(0, context.flatten(), (probable / total).flatten())
            row *= torch.where(expected > 0, right / expected, 1.0)
    return trust


def _boost(evidence: list[_Evidence], trust: Float64[Tensor, "k c"]) -> tuple[Tensor, Tensor]:
    """Return 1 + Σ_k w_k [b = b_k] at the byte decoded, and its mean under T, by which it is divided to normalise."""
    boost, total = torch.ones(2, *evidence[0].context.shape, dtype=torch.float64)
    for row, (context, same, probable) in zip(trust, evidence, strict=True):
        w = row[context]
        boost += w * same
        total += w * probable
    return boost, total
