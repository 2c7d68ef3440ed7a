"""A network that corrects what a byte decoder counts, by all bytes nearby that are known already and the image denoised around them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from scorefield._checks import require_fit
from scorefield._noise import seeded
from scorefield._tensors import recording
from scorefield.likelihood.cells import BYTES
from scorefield.likelihood.neighbours import as_planes, at, everywhere, framed

_REACH = 4  # pixels to each side that the network sees
SLANT = _REACH + 1  # no pixel that it asks is in a row above and as many columns on for each
_NEAR = [(i, j) for i in range(-_REACH, _REACH + 1) for j in range(-_REACH, _REACH + 1)]
_AROUND = torch.tensor(_NEAR, device="cpu")
_BEFORE = torch.tensor([(i, j) for i, j in _NEAR if (i, j) < (0, 0)], device="cpu")
_KNOWN = torch.tensor([_NEAR.index((i, j)) for i, j in _BEFORE.tolist()], device="cpu")
_CLOSE = [k for k, (i, j) in enumerate(_BEFORE.tolist()) if max(-i, abs(j)) <= _REACH // 2]
_EMBEDDED = 16
_FEATURES = len(_AROUND) + 2 * len(_BEFORE) + _EMBEDDED * len(_CLOSE)
_CENTRE = _NEAR.index((0, 0))
_FINE, _STEEP = 16, 8  # differences from the denoised image are small

_RATE = 3e-3

Logits = Float[Tensor, "*n 256"]


class Seen(NamedTuple):
    """What the network sees of pixels: the image denoised around them, in parts of white, and the bytes before them that are near."""

    around: Float[Tensor, "*n 81"]
    known: Int64[Tensor, "*n 40"]


Examples = tuple[Seen, Logits, Int64[Tensor, " n"]]
"""What is seen of pixels, how probable each byte is by counts, in logarithms, and which byte it is."""


class Pixels(NamedTuple):
    """Pixels in rows i and columns j of images within their margins: of the bytes known so far, and denoised, in bytes and parts of one."""

    bytes_: Int64[Tensor, "b c h w"]
    denoised: Float[Tensor, "b c h w"]
    i: Int64[Tensor, " p"]
    j: Int64[Tensor, " p"]

    @classmethod
    def of(cls, images: Int64[Tensor, "b *d"], denoised: Float[Tensor, "b *d"]) -> "Pixels":
        """Return all pixels of images."""
        planes = as_planes(images)
        return cls(framed(planes), framed(as_planes(denoised)), *everywhere(planes))


class ByteNetwork(nn.Module):
    """Logits of every byte, added to log P(byte | D, bytes before).

    It sees the denoised image within four pixels, and of the bytes before among these the value and how far it lies from the denoised
    one; those within two pixels also by a learned embedding of the 256 values, since scans saturate: after 253 other bytes come than
    after 254. What it says of neighbouring bytes alike is the exponent of a Gaussian around the denoised value.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BYTES, _EMBEDDED)
        self.first = nn.Sequential(nn.Linear(_FEATURES, width), nn.SiLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), _zeroed(width, width))
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.last, self.bell = _zeroed(width, BYTES), _zeroed(width, 2)

    def forward(self, near: Seen) -> Logits:
        """Return the logits of pixels."""
        known = near.known
        around = near.around.to(self.norm.weight.dtype)
        value = known.to(around.dtype) / (BYTES - 1)
        residual = _STEEP * (value - around[..., _KNOWN])
        h = self.first(torch.cat([around, value, residual, self.embedding(known[..., _CLOSE]).flatten(-2)], -1))
        for block in self.blocks:
            h = h + block(h)
        h = self.norm(h)
        shift, width = self.bell(h).split(1, -1)
        away = _FINE * (torch.arange(BYTES) / (BYTES - 1) - around[..., _CENTRE, None])
        return self.last(h) + shift * away - F.softplus(width - 3) * away**2 / 4


def _zeroed(before: int, after: int) -> nn.Linear:
    """Return a layer whose weights and biases are zero, so that at first it changes nothing."""
    layer = nn.Linear(before, after)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def seen(pixels: Pixels) -> Seen:
    """Return what the network sees of pixels."""
    bytes_, denoised, i, j = pixels
    return Seen(at(denoised, i, j, _AROUND).float() / (BYTES - 1), at(bytes_, i, j, _BEFORE))


def learned(
    width: int, draw: Callable[[int], Examples], steps: int, seed: int, on_step: Callable[[], object]
) -> ByteNetwork:
    """Return a network that has learned to make bytes most probable, from the examples of every step; it calls `on_step` after each."""
    with seeded(seed):
        network = ByteNetwork(width)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1, pct_start=0.1)
    with recording():
        for step in range(steps):
            what, log_p, byte = draw(step)
            loss = F.cross_entropy(log_p + network(what), byte, reduction="sum") / max(1, len(byte))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            on_step()
    return network.requires_grad_(False)


def restored(weights: Mapping[str, Tensor]) -> ByteNetwork:
    """Return the network of stored weights."""
    with torch.device("meta"):
        network = ByteNetwork(weights.get("norm.weight", torch.empty(1)).numel())
    require_fit(network.state_dict(), weights, "the decoder's network")
    network.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    return network.requires_grad_(False)
