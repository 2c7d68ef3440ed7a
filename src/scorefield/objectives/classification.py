"""Learning p(label | x_t) at every noise level."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from scorefield._checks import called
from scorefield._noise import Source
from scorefield.classifier import Classifier
from scorefield.objectives.times import TimeLaw, UniformTime, noised


@dataclass(frozen=True)
class CrossEntropy:
    """−log p(label | x_t), t drawn per example (Song et al. 2021, appendix I; Dhariwal & Nichol 2021, section 4).

    Its minimiser is the posterior of the label under the noised distribution, whatever the distribution of t.

    Args:
        times: the distribution of t, by default uniform.

    Cost: one evaluation of a `Classifier` conditioned on the labels of its rows.
    """

    times: TimeLaw = field(default_factory=UniformTime)

    def __post_init__(self) -> None:
        called(self.times, "times", "LogNormal()")

    def __call__(self, model: Classifier, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        return -model.log_prob(*noised(model.process, x0, self.times, noise))
