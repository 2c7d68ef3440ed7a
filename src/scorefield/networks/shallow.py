"""One hidden layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Shallow"]


class Shallow(nn.Module):
    """One hidden layer on x and the noise level.

    Args:
        dim: coordinates of x.
        width: of the layer.
    """

    def __init__(self, dim: int, width: int = 64) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.layers = nn.Sequential(nn.Linear(dim + 1, width), nn.SiLU(), nn.Linear(width, dim))

    def forward(self, x: Float[Tensor, "b d"], noise: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Return F(x, noise)."""
        return self.layers(torch.cat([x, noise[:, None].to(x)], dim=1))
