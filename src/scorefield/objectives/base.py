"""The type of every objective."""

from typing import Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Noise
from scorefield.models import NoisyModel

__all__ = ["Objective"]

Model = TypeVar("Model", bound=NoisyModel, contravariant=True)


class Objective(Protocol[Model]):
    """A function of (model, x_0, generator): the loss of each example, shape (b,).

    The model is a `scorefield.ScoreModel` for all but `scorefield.CrossEntropy`, which trains a `scorefield.Classifier`.
    ``generator`` is the source of all randomness: a `torch.Generator`, or the seeded rows training uses so that the loss of an
    example does not depend on which process computes it.
    """

    def __call__(
        self, model: Model, x0: Float[Tensor, "b *d"], generator: torch.Generator | Noise | None = None
    ) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        ...
