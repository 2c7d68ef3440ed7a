r"""The twisted diffusion sampler: sequential Monte Carlo whose particles follow ΠGDM's guidance and are weighted for its error.

For each sample, K particles. With p(x_s | x_t) = N(μ, v I) the model's own transition and p̂(y | x_t) the likelihood of `LinearGaussian`,

    propose    x_s ~ q = N(μ + (G²/a) ∇ log p̂(y | x_t), v I)
    weight     w ← w · p(x_s | x_t)/q(x_s) · p̂(y | x_s)/p̂(y | x_t)
    resample   where the effective number of particles, 1/Σw², falls below K/2

(Wu et al. 2023, Algorithm 1). The twists p̂ cancel but for the last, at the end of the grid, where r² ≪ ς² makes it p(y | x_0) itself. So
as K grows, a particle drawn by its last weight is a draw of the posterior of the model's chain, however crude the guidance was; and the
distribution of the chain is that of the data as its steps grow.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._checks import require, whole
from scorefield._noise import Noise
from scorefield._tensors import sum_event
from scorefield.errors import DivergedError
from scorefield.grids import Step
from scorefield.guidance.measurement import MEASURED, Guide, LinearGaussian
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler


class Cloud(NamedTuple):
    """K particles of each of b samples, particle k of sample i in row k b + i, and what the model says there."""

    x: Float[Tensor, "kb *d"]
    guide: Guide
    log_weights: Float[Tensor, "k b"]


@dataclass(frozen=True)
class Particles(Sampler[Cloud]):
    """Sequential Monte Carlo on a `LinearGaussian` problem; every sample has its own particles, and depends on its own seed alone.

    Samples are thus independent draws, whose distribution converges to the posterior as ``count`` and the grid's steps grow.

    Args:
        count: K, particles per sample.

    Cost: K calls of the guided model per transition, and K at the start; memory for K times the samples of a batch.

    Raises:
        DivergedError: weights that are not finite.
    """

    count: int = 16

    def __post_init__(self) -> None:
        whole(self.count, "count", 1)

    @property
    def evaluations(self) -> float:
        """K."""
        return self.count

    @property
    def first(self) -> float:
        """K, for the first states."""
        return self.count

    def step(self, model: ScoreModel, x: State, step: Step, memory: Cloud | None, noise: Noise) -> tuple[State, Cloud]:
        """Return for each sample a particle drawn by weight at s, and all of them."""
        problem = require(LinearGaussian, model, *MEASURED).rows(torch.arange(len(x)).repeat(self.count))
        here = self._gather(problem, x, step.t) if memory is None else memory
        z = torch.cat([noise.normal() for _ in range(self.count)])
        proposed, log_ratio = _propose(problem, here, step, z)
        guide = problem.guide(proposed, step.s)
        gain = (log_ratio + guide.fit - here.guide.fit).reshape(self.count, -1)
        log_weights = here.log_weights + gain.double()
        if not torch.isfinite(log_weights).all():
            raise DivergedError(
                f"the weights of the particles are not finite at t = {step.s.item():.4g}: the noise of the measurement is too small for "
                "this grid, or the model broke down"
            )
        cloud = _resample(Cloud(proposed, guide, log_weights), noise.uniform())
        chosen = _pick(cloud.log_weights, noise.uniform()[None])[0]
        return cloud.x[chosen * len(x) + torch.arange(len(x), device=x.device)], cloud

    def _gather(self, problem: LinearGaussian, x: State, t: Float[Tensor, ""]) -> Cloud:
        """Return a cloud whose particles all start at x, as they may where noise is high."""
        start = x.repeat(self.count, *[1] * (x.ndim - 1))
        weights = torch.zeros(self.count, len(x), dtype=torch.float64, device=x.device)
        return Cloud(start, problem.guide(start, t), weights)


def _propose(problem: LinearGaussian, here: Cloud, step: Step, z: State) -> tuple[State, Float[Tensor, " kb"]]:
    """Return x_s = μ + shift + √v z, and log p(x_s | x_t) − log q(x_s).

    v is the variance of x_s given x_t where that of x_0 is r²: exact for data N(m, σ_d² I), as it is in `scorefield.Ancestral` for a point.
    """
    from_x0 = step.alpha_s * step.variance / step.sigma_t**2
    v = step.posterior_variance + from_x0**2 * problem.spread(step.t).item()
    score = (step.alpha_t * here.guide.denoised - here.x) / step.sigma_t**2
    mean = (here.x + step.variance * score) / step.shrink
    shift = (step.variance / step.shrink) * here.guide.pull
    if v == 0:  # the grid stays where it is
        return here.x, z.new_zeros(len(z))
    return mean + shift + v**0.5 * z, -sum_event(shift * (shift / 2 + v**0.5 * z)) / v


def _resample(cloud: Cloud, u: Float[Tensor, " b"]) -> Cloud:
    """Return the cloud with the particles of every poor sample drawn anew by weight, all weights then equal."""
    count, b = cloud.log_weights.shape
    weights = torch.softmax(cloud.log_weights, dim=0)
    poor = 1 / (weights**2).sum(0) < count / 2
    stay = torch.arange(count, device=u.device)[:, None]
    # Systematic: one draw for each sample, and the particles at equal distances from it.
    parents = torch.where(poor, _pick(cloud.log_weights, (u + stay) / count), stay)
    rows = (parents * b + torch.arange(b, device=u.device)).flatten()
    log_weights = torch.where(poor, 0.0, cloud.log_weights)
    return Cloud(cloud.x[rows], Guide(*(part[rows] for part in cloud.guide)), log_weights)


def _pick(log_weights: Float[Tensor, "k b"], u: Float[Tensor, "m b"]) -> Int[Tensor, "m b"]:
    """Return the particles at which the normalised weights, summed up, pass u."""
    heights = torch.softmax(log_weights, dim=0).cumsum(0)
    found = torch.searchsorted(heights.T.contiguous(), u.to(heights).T.contiguous()).T
    return found.clamp_max(len(log_weights) - 1)  # the sum may end below one by rounding
