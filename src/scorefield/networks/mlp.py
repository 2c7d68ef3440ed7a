"""A multilayer perceptron for data without a geometry of their own, and for toy densities."""

import itertools
import math
from typing import Annotated

import torch
from annotated_types import Ge, Le
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield.errors import ConfigError


class MLP(nn.Module):
    """x and Fourier features of the noise condition, through ``depth`` hidden layers of SiLU.

    Args:
        dim: number of coordinates of an event, whose shape may be any: (dim,), a series (1, dim), a volume.
        width: units per hidden layer.
        depth: hidden layers.
        classes: number of labels; None for a network that takes none. Each has a vector that is added to the features of the noise.

    Raises:
        ConfigError: when called, for events of another number of coordinates.
    """

    def __init__(
        self,
        dim: int,
        width: Annotated[int, Ge(1)] = 128,
        depth: Annotated[int, Ge(1)] = 3,
        classes: Annotated[int, Ge(2), Le(100_000)] | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.width, self.depth, self.classes = dim, width, depth, classes
        self.features = FourierFeatures(16)
        self.label = None if classes is None else nn.Embedding(classes + 1, 16)  # the last is 'no label'
        sizes = [dim + 16, *[width] * depth]
        hidden = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.SiLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, dim))
        # PyTorch's own initial weights lose two thirds of the variance at every layer: hundreds of steps pass before anything is learnt.
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(
        self, x: Float[Tensor, "b *d"], noise: Float[Tensor, "*b"], labels: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b *d"]:
        """Return the output for states x under condition ``noise`` of shape () or (b,) and, where there are classes, labels from 0."""
        if x.shape[1:].numel() != self.dim:
            raise ConfigError(
                f"examples have shape {tuple(x.shape[1:])}, {x.shape[1:].numel()} numbers; the network was built for dim={self.dim}"
            )
        condition = self.features(noise.to(x)).expand(x.shape[0], -1)
        if self.label is not None:
            nothing = torch.full((x.shape[0],), self.label.num_embeddings - 1, device=x.device)
            condition = condition + self.label(nothing if labels is None else labels)
        return self.layers(torch.cat([x.flatten(1), condition], dim=1)).reshape(x.shape)


class FourierFeatures(nn.Module):
    """cos and sin of the condition at frequencies spaced geometrically from ½ to 16 radians per unit: ¼ ln σ moves by units."""

    frequencies: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        ends = (math.log(0.5), math.log(16.0))
        self.register_buffer("frequencies", torch.exp(torch.linspace(*ends, size // 2)), persistent=False)

    def forward(self, noise: Float[Tensor, "*b"]) -> Float[Tensor, "*b size"]:
        """Return the features of each condition."""
        angle = noise[..., None] * self.frequencies.to(noise)
        return torch.cat([angle.cos(), angle.sin()], dim=-1)
