"""Log-densities by the probability flow, and bits per dimension of images made of bytes."""

from scorefield.likelihood.bits import bits_per_dim, variational_bound
from scorefield.likelihood.compression import compress, decompress
from scorefield.likelihood.decoder import ByteDecoder
from scorefield.likelihood.flow import LogLikelihood, decode, encode, interpolate, log_likelihood

__all__ = [
    "ByteDecoder",
    "LogLikelihood",
    "bits_per_dim",
    "compress",
    "decode",
    "decompress",
    "encode",
    "interpolate",
    "log_likelihood",
    "variational_bound",
]
