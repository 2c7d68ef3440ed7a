"""A judge of samples: a classifier of clean images that shares nothing with the models it judges."""

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import reals
from scorefield._tensors import evaluating, home
from scorefield.classifier import Classifier
from scorefield.errors import ConfigError
from scorefield.units import INSIDE

_CHUNK = 1000


class Judge:
    """What a classifier says of images as they are, without noise.

    Values beyond the ends of its data, such as 0 and 1, are clipped first: that is what a picture of them would show.

    Args:
        classifier: evaluated at its process's smallest noise level.

    Raises:
        ConfigError: a classifier without units whose data cannot lie in [0, 1], so that it does not say what to clip to.
    """

    def __init__(self, classifier: Classifier) -> None:
        mean, std = classifier.mean_data, classifier.sigma_data
        if classifier.units is None and not (0 <= mean <= 1 and std <= INSIDE):
            raise ConfigError(
                f"the judge's data, of mean {mean:g} and deviation {std:g}, do not lie between 0 and 1, and it does not say which values "
                "are black and white; declare them: classifier.in_units(Units(0, 1, ends=(0, 255)))"
            )
        self.classifier = classifier

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """Return the vectors from which the class is read."""
        with torch.no_grad(), evaluating(self.classifier):
            return torch.cat([self.classifier.features(part, self._time) for part in self._parts(x)]).float()

    def probabilities(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Return the probability of each class."""
        with torch.no_grad(), evaluating(self.classifier):
            return torch.cat([self.classifier(part, self._time).float().softmax(dim=1) for part in self._parts(x)])

    @property
    def _time(self) -> Tensor:
        return torch.tensor(self.classifier.process.t_min, dtype=torch.float64)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        return reals(x, "x").to(home(self.classifier), torch.float32).clamp(*self.classifier.ends).split(_CHUNK)
