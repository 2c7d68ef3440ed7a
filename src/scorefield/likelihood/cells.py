"""Which real numbers of a model's data the bytes of 8-bit images stand for."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from scorefield.models import ScoreModel
from scorefield.units import INSIDE, Units

BYTES = 256
_OVER = 0.05  # a standard deviation of numbers in [0, 1] is ½ at most, but for the n − 1 it is divided by and the digits it is stored with


class Cells(NamedTuple):
    """Which values of a model's data a byte b stands for: those from start + b · width to start + (b + 1) · width, in the data's units.

    Without units bytes are the images in [0, 1) of `scorefield.data.dequantize`: (b + U)/256. Where a model declares the ``ends`` of its
    data, they are the middles of the cells of 0 and 255.
    """

    start: float
    width: float

    @classmethod
    def of(cls, model: ScoreModel) -> "Cells":
        """Return the cells of a model."""
        units, moments = model.units, model.moments
        if units is not None and units.ends is not None:
            low, high = units.ends
            width = (high - low) / (BYTES - 1)
            return cls(low - width / 2, width)
        if units is None and moments is not None:  # in the units that data of such moments would have
            units = Units(moments.mean, moments.std.clamp_min(torch.finfo(torch.float64).tiny) / INSIDE)
        if units is not None and ((units.location - 0.5).abs().max() > 0.5 + 1e-6 or units.scale.max() > 1 + _OVER):
            raise ValueError(
                f"the model's data are in other units than [0, 1], {units.described}, and it does not say which values the bytes 0 and 255 "
                "stand for; declare them: model.in_units(Units(location, scale, ends=(0, 255))), location 0 and scale 1 where x is y"
            )
        return cls(0.0, 1 / BYTES)

    def place(self, images: UInt8[Tensor, "b *d"], within: Float[Tensor, "b *d"] | float) -> Float32[Tensor, "b *d"]:
        """Return the real numbers that are ``within``, 0 to 1, their cells."""
        return (self.start + self.width * (images.double() + within)).float()


def check_bytes(images: Tensor) -> None:
    """Refuse images that are not of bytes, and none."""
    if len(images) == 0:
        raise ValueError(f"images must be one or more; received the shape {tuple(images.shape)}")
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be bytes, torch.uint8, as a data set's x is; received {images.dtype}. `log_likelihood` takes real numbers"
        )
