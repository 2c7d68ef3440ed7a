"""Streams of random numbers that are functions of a seed and a purpose."""

import hashlib

import torch

__all__ = ["generator"]


def generator(*parts: int | str) -> torch.Generator:
    """Return a generator seeded by a hash of its arguments, such as a seed and a purpose: other arguments, an independent stream."""
    text = "\x1f".join(map(str, parts)).encode()
    return torch.Generator().manual_seed(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1)
