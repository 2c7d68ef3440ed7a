r"""Bits per dimension of 8-bit images: what a density of real numbers says of integers.

Two ways to fill the gaps between bytes, both upper bounds on −log₂ P(bytes) in expectation over one draw of noise:

    uniform     y = (byte + U)/256                  −log₂ p(y)/D + 8
    Gaussian    z = α (byte + ½)/256 + σ ε          [log₂ q(z | bytes) − log₂ p_t(z) − log₂ P(bytes | z)]/D

Under the first a model must know every byte's edges, at noise far below 1/256. Under the second it is asked at a noise it was trained for,
and a decoder, `scorefield.likelihood.decoder`, makes bytes of what is left (Ho et al. 2020, section 3.3, and Kingma et al. 2021,
section 3, with other decoders).
"""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from scorefield._tensors import derive_seed
from scorefield.likelihood.decoder import ByteDecoder, check_bytes
from scorefield.likelihood.flow import log_likelihood
from scorefield.models import ScoreModel

__all__ = ["bits_per_dim"]

_BYTES = 256


def bits_per_dim(
    model: ScoreModel,
    images: UInt8[Tensor, "b *d"],
    *,
    decoder: ByteDecoder | None = None,
    probes: int = 4,
    rtol: float = 1e-4,
    atol: float = 1e-4,
    seed: int = 0,
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return bits per dimension of 8-bit images, and the standard error of each from the trace estimate.

    An upper bound in expectation over the noise that fills the gaps between bytes, one draw of it: uniform, or with a ``decoder``
    Gaussian, at the decoder's noise level.

    Raises:
        ValueError: images not of bytes.
    """
    check_bytes(images)
    scale = 1 / (math.log(2) * math.prod(images.shape[1:]))
    if decoder is not None:
        z, log_q = decoder.noised(images, seed)
        found = log_likelihood(model, z, t=decoder.t, probes=probes, rtol=rtol, atol=atol, seed=seed)
        log_p = found.log_prob
        return (log_q.to(log_p) - log_p - decoder.log_prob(images, z).to(log_p)) * scale, found.standard_error * scale
    generator = torch.Generator().manual_seed(derive_seed(seed, "dequantize"))
    u = torch.rand(images.shape, generator=generator, dtype=torch.float64)
    y = ((images.cpu().double() + u) / _BYTES).to(images.device, torch.float32)
    found = log_likelihood(model, y, probes=probes, rtol=rtol, atol=atol, seed=seed)
    return 8 - found.log_prob * scale, found.standard_error * scale
