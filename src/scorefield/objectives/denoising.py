r"""Denoising score matching.

    J_DSM(θ) = E ½ λ ‖s_θ(x̃) − ∇ log p(x̃ | x)‖²,   ∇ log N(x̃; αx, σ²I) = −(x̃ − αx)/σ² = −z/σ

equals explicit score matching on the noised distribution up to a constant in θ (Vincent 2011, Eq. 9 and appendix). Every loss here is a
half sum over the event, so that values compare across objectives.
"""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from scorefield._checks import called, finite, positive, reals
from scorefield._noise import Source, standard_normal, uniform_like
from scorefield._tensors import like, sum_event, there
from scorefield._values import ByValue
from scorefield.models import ScoreModel
from scorefield.objectives.times import OneLevel, TimeLaw, UniformTime, noised
from scorefield.objectives.weights import Weight, sigma_weight


@dataclass(frozen=True)
class DSM:
    """Continuous-time denoising score matching (Song et al. 2021, Eq. 7): ½ w(t) ‖D(x_t, t) − x_0‖² with t drawn per example.

    Args:
        times: the distribution of t, by default uniform.
        weight: w(t), by default λ = σ² on the score.

    Cost: one evaluation.
    """

    times: TimeLaw = field(default_factory=UniformTime)
    weight: Weight = sigma_weight

    def __post_init__(self) -> None:
        called(self.times, "times", "LogNormal()")
        called(self.weight, "weight", "edm_weight(0.5)")

    def __call__(self, model: ScoreModel, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        x_t, t = noised(model.process, x0, self.times, noise)
        error = sum_event((model.denoise(x_t, t) - x0) ** 2)
        return 0.5 * self.weight(model.process, t).to(error) * error


@dataclass(frozen=True)
class MultiLevelDSM(ByValue):
    """The objective of NCSN (Song & Ermon 2019, Eq. 6): ½ σ_i^p ‖s(x̃, σ_i) + (x̃ − x)/σ_i²‖², the level i uniform per example.

    x̃ = x + σ_i z is in the coordinates in which noise is a ratio: of a process that shrinks its data too, s is the score of x_t/α_t.

    Args:
        levels: σ_1 > … > σ_L, ratios σ/α.
        anneal_power: p; 2 gives every level the same order of magnitude.

    Cost: one evaluation.
    """

    levels: Float[Tensor, " L"]
    anneal_power: float = 2.0

    def __post_init__(self) -> None:
        finite(anneal_power=self.anneal_power)
        object.__setattr__(self, "levels", reals(self.levels, "levels"))
        if self.levels.ndim != 1 or not len(self.levels) or (self.levels <= 0).any():
            raise ValueError(f"levels must be a vector of positive numbers; received {self.levels.tolist()}")

    def __call__(self, model: ScoreModel, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        levels = there(self.levels, x0, self.levels.dtype)
        index = (uniform_like(x0, noise) * len(levels)).long()
        t = model.process.time(levels[index])
        sigma = like(levels[index], x0)
        alpha, z = like(model.process.alpha_sigma(t)[0], x0), standard_normal(x0, noise)
        error = alpha * model.score(alpha * (x0 + sigma * z), t) + z / sigma
        return 0.5 * sum_event(sigma**self.anneal_power * error**2)


@dataclass(frozen=True)
class DAE:
    """The denoising autoencoder's loss ‖r(x̃) − x‖², x̃ = x + σz, with r = D the model's reconstruction (Vincent 2011, section 4).

    With r(x̃) = x̃ + σ² s(x̃) it is 2σ⁴ times the denoising score matching loss: `DSM` with `OneLevel` (σ) and `unit_weight`.
    Over many noise levels at once, one per example, its loss is `DSM`, whose weight says how much each level counts.

    Args:
        sigma: σ, standard deviation of the noise.

    Cost: one evaluation.
    """

    sigma: float

    def __post_init__(self) -> None:
        positive(sigma=self.sigma)

    def __call__(self, model: ScoreModel, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        x_t, t = noised(model.process, x0, OneLevel(self.sigma), noise)
        return sum_event((model.denoise(x_t, t) - x0) ** 2)
