r"""Bits per dimension of 8-bit images: what a density of real numbers says of integers.

Two ways to fill the gaps between bytes, both upper bounds on −log₂ P(bytes) in expectation over one draw of noise:

    uniform     y = m + (byte + U) w                −log₂ p(y)/D − log₂ w
    Gaussian    z = α (m + (byte + ½) w) + σ ε      [log₂ q(z | bytes) − log₂ p_t(z) − log₂ P(bytes | z)]/D

with m = 0 and w = 1/256 for images in [0, 1], and from the ends of the data in other units (`scorefield.units.Units`), in which bits are
the same.

Under the first a model must know every byte's edges, at noise far below w. Under the second it is evaluated at a noise it was trained for,
and a decoder, `scorefield.likelihood.decoder`, makes bytes of what is left (Ho et al. 2020, section 3.3, and Kingma et al. 2021,
section 3, with other decoders). The decoder alone also makes a code of the diffusion itself, without its flow: `variational_bound`.
"""

import math

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from scorefield._checks import numbers, whole
from scorefield._noise import Noise, derive_seed
from scorefield._tensors import evaluating, flatten
from scorefield.likelihood.cells import Cells, check_bytes
from scorefield.likelihood.decoder import ByteDecoder
from scorefield.likelihood.flow import log_likelihood
from scorefield.models import ScoreModel


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
        ValueError: images not of bytes, or a model that does not say which values of its data bytes stand for.
    """
    images = numbers(images, "images")
    check_bytes(images)
    scale = 1 / (math.log(2) * math.prod(images.shape[1:]))
    if decoder is not None:
        z, log_q = decoder.noised(images, seed)
        found = log_likelihood(model.in_units(None), z, t=decoder.t, probes=probes, rtol=rtol, atol=atol, seed=seed)
        log_p = found.log_prob
        return (log_q.to(log_p) - log_p - decoder.log_prob(images, z).to(log_p)) * scale, found.standard_error * scale
    generator = torch.Generator().manual_seed(derive_seed(seed, "dequantize"))
    u = torch.rand(images.shape, generator=generator, dtype=torch.float64)
    cells = Cells.of(model)
    y = cells.place(images.cpu(), u).to(images.device)
    found = log_likelihood(model, y, probes=probes, rtol=rtol, atol=atol, seed=seed)
    return -math.log2(cells.width) - found.log_prob * scale, found.standard_error * scale


@torch.no_grad()
def variational_bound(
    model: ScoreModel, images: UInt8[Tensor, "b *d"], decoder: ByteDecoder, *, levels: int = 8, seed: int = 0
) -> Float64[Tensor, " b"]:
    r"""Return what the diffusion, undone step by step, needs for 8-bit images in bits per dimension, bounded from above in expectation.

        −log P(bytes) ≤ KL(q(x_T | y) ‖ prior) + ∫ E‖y − D(x_t)‖²/ρ² d ln ρ − E log P(bytes | z),   y = m + (byte + ½) w

    with the integral over ln ρ from the decoder's level to the last, and z at the decoder's level (Kingma et al. 2021). Equality holds for
    an exact score and decoder: half the mean squared error, integrated over 1/ρ², is the information (Guo, Shamai & Verdú 2005).

    Args:
        model: denoises.
        images: bytes.
        decoder: of the same model.
        levels: at which the integral is estimated, one drawn from every part of the range; more make an image's own number less noisy,
            and the mean over images hardly.
        seed: of the noise.

    Cost: levels + 1 evaluations per image, no gradient: of all test images in the time in which `bits_per_dim` does a few.

    Raises:
        ValueError: images not of bytes, or no levels.
    """
    images = numbers(images, "images")
    check_bytes(images)
    whole(levels, "levels", 1)
    process = model.process
    first, last = (torch.tensor(t, dtype=torch.float64) for t in (decoder.t, process.t_max))
    z, _ = decoder.noised(images, seed)
    y = model.standardise(decoder.cells.place(images, 0.5))
    low, high = (process.ratio(t).log().item() for t in (first, last))
    nats = -decoder.log_prob(images, z)
    for k in range(levels):
        noise = Noise(range(len(images)), tuple(images.shape[1:]), stream=f"bound {seed} {k}", device=y.device)
        ratio = torch.exp(low + (high - low) * (k + noise.uniform().double()) / levels)
        t = process.time(ratio)
        with evaluating(model):
            error = y - model.denoise(process.perturb(y, t, noise.normal()), t)
        nats += (flatten(error).double().square().sum(1) / ratio.square()).to(nats) * (high - low) / levels
    alpha, sigma = process.alpha_sigma(last)
    prior = model.prior(last)
    std = prior.std.to(y.device)
    variance = (sigma.to(std) / std) ** 2
    mean = ((alpha * y.double() - prior.mean.to(y.device)) / std).square()
    nats += flatten(0.5 * (mean + variance - 1 - variance.log())).sum(1).to(nats)
    return nats / (math.log(2) * math.prod(images.shape[1:]))
