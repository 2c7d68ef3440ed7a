"""Random numbers by counting: Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

Ten rounds mix a counter of four 32-bit words under a key of two into four random words:

    (c0, c1, c2, c3) ← (hi(M1 c2) ⊕ c1 ⊕ k0,  lo(M1 c2),  hi(M0 c0) ⊕ c3 ⊕ k1,  lo(M0 c0)),   (k0, k1) ← (k0 + W0, k1 + W1)

It is integer arithmetic, so every device makes the same words, and any place of a stream is reached without the places before it. Words
are held in int64, whose products wrap at 2⁶⁴, as those of unsigned numbers do.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = 0xFFFFFFFF


class Words(NamedTuple):
    """Four 32-bit words, or tensors of them that broadcast; the second may be one number, which a device is not sent and waited for."""

    c0: Tensor
    c1: Tensor | int
    c2: Tensor
    c3: Tensor


def philox(counter: Words, key: int, rounds: int = 10) -> Words:
    """Return the random words of ``counter`` under a 64-bit ``key``, whose lower half is k0."""
    (c0, c1, c2, c3), k0, k1 = counter, key & _LOW, key >> 32 & _LOW
    for _ in range(rounds):
        a, b = _M0 * c0, _M1 * c2
        # lo() is left to the mask after the next ⊕, and to the end: a tenth fewer passes over memory.
        c0, c1, c2, c3 = ((b >> 32) ^ c1 ^ k0) & _LOW, b, ((a >> 32) ^ c3 ^ k1) & _LOW, a
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return Words(c0, c1 & _LOW, c2, c3 & _LOW)


def words(seeds: Int64[Tensor, "b 2"], draw: int | Int64[Tensor, "b 1"], n: int, key: int) -> Int64[Tensor, "b n4"]:
    """Return at least n random words for every row; those of a row are a function of its seed, ``draw`` and ``key`` alone.

    Args:
        seeds: the lower and the higher half of each row's seed.
        draw: number of the draw, below 2³²; one for all rows, or one for each.
        n: words per row; rounded up to a multiple of four, one counter (element, draw, lower half, higher half) each.
        key: of the stream.
    """
    element = torch.arange(-(-n // 4), device=seeds.device)
    found = philox(Words(element, draw, seeds[:, :1], seeds[:, 1:]), key)
    return torch.stack(torch.broadcast_tensors(*found), dim=-1).flatten(1)


def uniforms(words: Int64[Tensor, "*n 2"], dtype: torch.dtype) -> Float[Tensor, "*n"]:
    """Return numbers from U[0, 1) on the grid of the dtype's precision, 24 bits or 53: the same on every device."""
    first, second = words.unbind(-1)
    if dtype == torch.float64:
        return ((first << 21) | (second >> 11)).to(dtype) * 2.0**-53
    return (first >> 8).to(dtype) * 2.0**-24


def normals(words: Int64[Tensor, "b n4"], dtype: torch.dtype, inside: torch.dtype) -> Float[Tensor, "b m"]:
    """Return standard normals by Box & Muller, √(−2 ln u) (cos 2πv, sin 2πv): one of each word, or in float64 one of two.

    Args:
        words: random ones.
        dtype: of the result; in float64 u and v have 64 bits, otherwise 32, and no normal lies beyond 6.7.
        inside: of the functions, so that in float64 devices agree to the last digit of a float32.
    """
    if dtype == torch.float64:
        low, half, unit = words[:, 1::2].to(inside), 2.0**-65, 2.0**-32
        share = words[:, 0::2].to(inside) * unit + (low * 2.0**-64 + half)
    else:
        share = words.to(inside).add_(0.5).mul_(2.0**-32)
    u, v = share[:, 0::2], share[:, 1::2]
    radius, angle = u.log().mul_(-2).sqrt_(), v * (2 * math.pi)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).flatten(1).to(dtype)
