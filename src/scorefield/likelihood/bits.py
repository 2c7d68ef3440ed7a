r"""Bits per dimension of 8-bit images: what a density of real numbers says of integers.

Two ways to fill the gaps between bytes, both upper bounds on −log₂ P(bytes) in expectation over one draw of noise:

    uniform     y = (byte + U)/256                  −log₂ p(y)/D + 8
    Gaussian    z = α (byte + ½)/256 + σ ε          [log₂ q(z | bytes) − log₂ p_t(z) − log₂ P(bytes | z)]/D

Under the first a model must know every byte's edges, at noise far below 1/256. Under the second it is asked at a noise it was trained for,
and a `ByteDecoder` makes bytes of what is left (Ho et al. 2020, section 3.3, and Kingma et al. 2021, section 3, with other decoders).
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from scorefield._tensors import Noise, derive_seed, flatten, like
from scorefield.likelihood.flow import log_likelihood
from scorefield.models import ScoreModel, State

__all__ = ["ByteDecoder", "bits_per_dim"]

_BYTES, _WHITE = 256, 250
_PSEUDOCOUNT = 3 / _BYTES  # of every byte in every bin, so that none is impossible
_PRIOR = 5.0  # bytes added to every row of each white, in the proportions that all whites have together
_AT_ONCE = 250


class ByteDecoder:
    """P(bytes | z) = Π_i P(byte_i | D_i, w_i): a table of how often each byte was behind each value of the denoised image D = E[y | z].

    The bytes of an image are decoded in order, and w_i is its white as far as it is known by then: the last byte before the i-th that is
    250 or more, or none. A scan saturates at one byte of its own, which the noise hides: it is paid for once this way.

    Args:
        model: denoises.
        images: to count in, training images; a thousand fill the table.
        ratio: the noise-to-signal ratio σ/α at which it decodes.
        seed: of the noise.

    Cost: one evaluation per image.

    Raises:
        ValueError: images not of bytes, or a ratio that the model's process does not reach.
    """

    def __init__(self, model: ScoreModel, images: UInt8[Tensor, "n *d"], *, ratio: float = 0.02, seed: int = 0) -> None:
        low, high = (
            model.process.ratio(torch.tensor(t, dtype=torch.float64)).item()
            for t in (model.process.t_min, model.process.t_max)
        )
        if not low <= ratio < high:
            raise ValueError(
                f"ratio must be a noise-to-signal ratio of the model's process, from {low:g} to below {high:g}; received {ratio:g}"
            )
        self.model, self.ratio = model, ratio
        self.t = model.process.time(torch.tensor(ratio, dtype=torch.float64)).item()
        shape = (_BYTES - _WHITE + 1, _BYTES, _BYTES)
        counts = torch.zeros(shape, dtype=torch.float64)
        for part in torch.arange(len(images)).split(_AT_ONCE):
            z, _ = self.noised(images[part], derive_seed(seed, "decoder", int(part[0])))
            cells = self._cells(images[part], z)
            counts.view(-1).index_add_(0, cells.flatten(), torch.ones(cells.numel()).double())
        overall = counts.sum(dim=0) + _PSEUDOCOUNT
        counts += _PRIOR * overall / overall.sum(dim=1, keepdim=True)
        self.table = torch.log(counts / counts.sum(dim=2, keepdim=True)).flatten()

    def noised(self, images: UInt8[Tensor, "b *d"], seed: int) -> tuple[State, Float[Tensor, " b"]]:
        """Return z, and log q(z | images)."""
        _check_bytes(images)
        t = torch.tensor(self.t, dtype=torch.float64)
        alpha, sigma = self.model.process.alpha_sigma(t)
        y = (images.float() + 0.5) / _BYTES
        noise = Noise(range(len(images)), tuple(images.shape[1:]), stream=f"bytes {seed}", device=y.device).normal()
        log_q = -0.5 * flatten(noise).double().square().sum(1) - flatten(y).shape[1] * math.log(
            sigma.item() * math.sqrt(2 * math.pi)
        )
        return like(alpha, y) * y + like(sigma, y) * noise, log_q

    def log_prob(self, images: UInt8[Tensor, "b *d"], z: State) -> Float[Tensor, " b"]:
        """Return log P(images | z)."""
        return self.table[self._cells(images, z)].sum(1)

    @torch.no_grad()
    def _cells(self, images: UInt8[Tensor, "b *d"], z: State) -> Int[Tensor, "b dim"]:
        """Return the cell of the table for every pixel: its white, its value when denoised, its byte."""
        denoised = self.model.denoise(z, torch.tensor(self.t, dtype=torch.float64))
        bins = flatten((denoised * _BYTES).floor().clamp(0, _BYTES - 1)).long().cpu()
        bytes_ = flatten(images).long().cpu()
        return (_whites(bytes_) * _BYTES + bins) * _BYTES + bytes_


def _whites(bytes_: Int[Tensor, "b dim"]) -> Int[Tensor, "b dim"]:
    """Return which byte of 250 or more came last before each one, counted from 1; 0 where none did."""
    places = torch.arange(1, bytes_.shape[1] + 1).where(bytes_ >= _WHITE, 0).cummax(dim=1).values
    known = F.pad((bytes_ - _WHITE + 1).clamp(min=0), (1, 0))
    return known.gather(1, F.pad(places[:, :-1], (1, 0)))


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
    _check_bytes(images)
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


def _check_bytes(images: Tensor) -> None:
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be bytes, torch.uint8, as a data set's x is; received {images.dtype}. `log_likelihood` takes real numbers"
        )
