r"""Location and scale of data: the affine map between the units data come in and the coordinates a model works in.

    x = m + c ⊙ y        data x in its own units (columns of 1e-3 beside 1e5, images of 0 to 255), y what the process noises

A model carries its map and computes with y; everything it takes and returns is x: samples, masks, measurements, likelihoods and files.

    log p(x) = log p(y) − Σ log c.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import ascending, broadcasts, numbers, require_fit
from scorefield._tensors import floating, precise, there
from scorefield._values import ByValue
from scorefield.errors import ConfigError

__all__ = ["UNCHANGED", "Moments", "Units"]

INSIDE = 0.5
"""Standard deviation of y: that of the images of Karras et al. (2022), for which the default noise levels were chosen."""


_VALUES = 2**22  # numbers looked at in one go: 32 MiB in float64


def beside(scale: Tensor, mean: Float[Tensor, "*d"]) -> Tensor:
    """Return a scale of shape () or (b,) so that it broadcasts against events."""
    return scale.reshape((*scale.shape, *[1] * mean.ndim))


@dataclass(frozen=True)
class Moments(ByValue):
    """Mean and standard deviation of a distribution, coordinate by coordinate or over all; float64, broadcast against an event."""

    mean: Float[Tensor, "*d"]
    std: Float[Tensor, "*d"]

    @classmethod
    def stored(cls, tensors: Mapping[str, Tensor], event: tuple[int, ...]) -> "Moments":
        """Return what `tensors` gave, of each coordinate of an event.

        Raises:
            CheckpointError: they are not that.
        """
        each = torch.empty(event, device="meta")
        require_fit({"mean": each, "std": each}, tensors, "the data's moments")
        return cls(tensors["mean"].double(), tensors["std"].double())

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of them, in float32."""
        return {"mean": self.mean.float(), "std": self.std.float()}

    def place(self, z: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return std z + mean: draws of the Gaussian of these moments from standard normal ones."""
        mean, std = (there(moment, z) for moment in (self.mean, self.std))
        return std * z + mean

    def noised(self, alpha: Float[Tensor, "*b"], sigma: Float[Tensor, "*b"]) -> "Moments":
        """Return the moments of αX + σZ: αm and √(α²s² + σ²); with scales of shape (b,) those of each row, (b, *d)."""
        alpha, sigma = (beside(scale.to(self.mean), self.mean) for scale in (alpha, sigma))
        return Moments(alpha * self.mean, torch.sqrt((alpha * self.std) ** 2 + sigma**2))


@dataclass(frozen=True)
class Units(ByValue):
    """x = location + scale · y.

    Args:
        location: m, a number or one per coordinate.
        scale: c, positive, likewise.
        ends: the smallest and the largest value of images, in their own units: black and white, the bytes 0 and 255. None if unknown.

    Raises:
        ValueError: values that are not finite, a scale that is not positive, or ends that do not ascend.
    """

    location: Float[Tensor, "*d"]
    scale: Float[Tensor, "*d"]
    ends: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("location", "scale"):
            object.__setattr__(self, name, numbers(getattr(self, name), name).detach().double())
        if not (torch.isfinite(self.location).all() and torch.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ValueError(
                f"location must be finite and scale finite and positive; received location {self.location.tolist()} and "
                f"scale {self.scale.tolist()}"
            )
        if self.ends is not None:
            object.__setattr__(self, "ends", ascending(self.ends, "ends", "values of the data"))

    @classmethod
    def of(cls, x: Float[Tensor, "n *d"]) -> "Units":
        """Return the units in which data have mean 0 and standard deviation ½: each coordinate of a table, all of an image at once.

        A column that never changes keeps its scale: how far it might have varied is not known.
        """
        x = numbers(x, "x")
        if x.numel() == 0:
            raise ValueError(f"x must be one or more examples of shape (n, *d); received the shape {tuple(x.shape)}")
        rows = x if x.ndim == 2 else x.reshape(-1, 1)
        parts = rows.split(max(1, _VALUES // rows.shape[1]))  # never a copy of it all in float64
        mean = torch.stack([part.sum(dim=0, dtype=torch.float64) for part in parts]).sum(dim=0) / len(rows)
        square = torch.stack([((part.double() - mean) ** 2).sum(dim=0) for part in parts]).sum(dim=0)
        std = torch.sqrt(square / len(rows))
        # What rounding leaves of a constant is no spread.
        eps = torch.finfo(x.dtype if x.is_floating_point() else torch.float64).eps
        constant = std <= min(1e-6, 2 * eps) * (mean.abs() + std)
        scale = torch.where(constant, mean.abs().clamp_min(1.0), std / INSIDE)
        if x.ndim == 2:
            return cls(mean, scale)
        low, high = min(part.min().item() for part in parts), max(part.max().item() for part in parts)
        return cls(mean.squeeze(0), scale.squeeze(0), (low, high) if low < high else None)

    def inside(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return y = (x − m)/c, computed in float64 and returned in the dtype of x: values far from 0 lose no digits to their mean."""
        location, scale, values = self._beside(x)
        return ((values - location) / scale).to(x.dtype)

    def outside(self, y: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return x = m + c y in the dtype of y."""
        location, scale, values = self._beside(y)
        return (location + scale * values).to(y.dtype)

    def _beside(self, x: Float[Tensor, "b *d"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return m, c and values on the device of the values, in the precision in which they are added."""
        shape, event = torch.broadcast_tensors(self.location, self.scale)[0].shape, x.shape[1:]
        if not broadcasts(shape, event):
            raise ConfigError(
                f"the units are of events of shape {tuple(shape)}, a location and a scale for each number; received events of shape "
                f"{tuple(event)}"
            )
        precision = precise(x.device)
        location, scale = (there(value, x, precision) for value in (self.location, self.scale))
        return location, scale, floating(x).to(precision)

    def agrees(self, other: "Units") -> bool:
        """Return whether both are one map, up to what float32 rounds."""
        pairs = (self.location, other.location), (self.scale, other.scale)
        try:
            spread = torch.maximum(self.scale, other.scale)
            gaps = [(a - b).abs() / spread for a, b in pairs]
        except RuntimeError:  # of events of different shapes
            return False
        return all(bool((gap <= 1e-6).all()) for gap in gaps)

    @property
    def described(self) -> str:
        """The map in words; of many coordinates, only the ends."""
        return f"x = {_range(self.location)} + {_range(self.scale)} · y"

    def log_volume(self, event: tuple[int, ...]) -> float:
        """Return Σ log c over the coordinates of an event: log p(x) = log p(y) − log_volume."""
        return torch.log(self.scale).expand(event).sum().item() if event else math.log(self.scale.item())


def _range(values: Tensor) -> str:
    """Return a number, or the smallest and the largest of many."""
    low, high = values.min().item(), values.max().item()
    return f"{low:g}" if low == high else f"[{low:g} … {high:g}]"


UNCHANGED = Units(
    torch.tensor(0.0, dtype=torch.float32, device="cpu"), torch.tensor(1.0, dtype=torch.float32, device="cpu")
)
"""The data's own units."""
