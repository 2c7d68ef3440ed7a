"""The type of every objective."""

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Noise
from scorefield.models import ScoreModel

__all__ = ["Objective"]


class Objective(Protocol):
    """A function of (model, x_0, generator): the loss of each example, shape (b,).

    ``generator`` is the source of all randomness: a `torch.Generator`, or the seeded rows training uses so that the loss of an
    example does not depend on which process computes it.
    """

    def __call__(
        self, model: ScoreModel, x0: Float[Tensor, "b *d"], generator: torch.Generator | Noise | None = None
    ) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        ...
