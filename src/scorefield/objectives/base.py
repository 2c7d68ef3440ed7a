"""The type of every objective."""

from typing import Protocol, TypeVar

from jaxtyping import Float
from torch import Tensor

from scorefield._noise import Source
from scorefield.models import NoisyModel

Model = TypeVar("Model", bound=NoisyModel, contravariant=True)


class Objective(Protocol[Model]):
    """A function of (model, x_0, noise): the loss of each example, shape (b,).

    The model is a `scorefield.ScoreModel` for all but `scorefield.CrossEntropy`, which trains a `scorefield.Classifier`.
    ``noise`` is the source of all randomness. Training gives a `scorefield.Noise`: ``noise.normal()`` is z ~ N(0, I) in the shape of x_0,
    ``noise.uniform()`` one number per example, rows that do not depend on which process computes them; `scorefield.standard_normal` and
    `scorefield.uniform_like` draw from it, from a `torch.Generator`, or from PyTorch's own where it is None.
    """

    def __call__(self, model: Model, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        ...
