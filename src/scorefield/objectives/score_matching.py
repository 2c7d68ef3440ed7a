r"""Score matching without a denoising target: what can be said of ∇ log p from samples of p alone, or from p itself.

    explicit   E ½‖s − ∇ log p‖²                            (`FisherDivergence`, when p is known)
    implicit   E [½‖s‖² + tr ∇s]                            = explicit − E ½‖∇ log p‖²   (Hyvärinen 2005, Theorem 1)
    sliced     E [½ (vᵀs)² + vᵀ∇s v],  E vvᵀ = I            = implicit in expectation    (Song et al. 2019, Eq. 8)

p is the distribution of x_0 noised to one level, by default that of x_0 itself, scored at t_min; or, with ``times``, to a level of its own
for every example, each weighed by λ(t) so that all count alike.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import called, positive
from scorefield._noise import Source, standard_normal, uniform_like
from scorefield._tensors import as_constant, flatten, like, precise, recording, sum_event
from scorefield.densities import Density
from scorefield.models import ScoreModel, State
from scorefield.objectives.times import OneLevel, TimeLaw, UniformTime, noised
from scorefield.objectives.weights import Weight, sigma_weight

Projection = Literal["gaussian", "rademacher", "sphere"]


class _Noised(NamedTuple):
    """States of the distribution that is matched, ready to be differentiated; the score there; λ and the unit of lengths at each."""

    x: State
    score: Callable[[State], State]
    weight: Float[Tensor, "*b"]
    unit: Float[Tensor, "*b"]


@dataclass(frozen=True)
class _ScoreMatching(abc.ABC):
    """Which noised distributions are matched.

    Args:
        ratio: σ/α of the one distribution that is matched; None for the data itself.
        times: instead of ``ratio``, the distribution of t, drawn per example: all noise levels are learned at once.
        weight: with ``times``, w(t) as `DSM` has it: λ = w (σ²/α)² on the loss; by default `sigma_weight`, λ = σ².
    """

    ratio: float | None = None
    times: TimeLaw | None = field(default=None, kw_only=True)
    weight: Weight | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, such_as in (("times", "LogNormal()"), ("weight", "edm_weight(0.5)")):
            if (value := getattr(self, name)) is not None:
                called(value, name, such_as)
        if self.times is not None and self.ratio is not None:
            raise ValueError(
                f"ratio is one noise level and times a distribution of them: give one; received ratio={self.ratio} and {self.times}"
            )
        if self.times is None and self.weight is not None:
            raise ValueError(f"weight weighs noise levels against each other; received {self.weight} without times")

    def __call__(self, model: ScoreModel, x0: State, noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example; also where gradients are switched off, which it takes itself."""
        onwards = torch.is_grad_enabled()
        with recording():
            loss = self._loss(model, as_constant(x0), noise)
        return loss if onwards else loss.detach()

    @abc.abstractmethod
    def _loss(self, model: ScoreModel, x0: State, noise: Source) -> Float[Tensor, " b"]:
        """Return the loss of each example, with gradients recorded."""

    def _noised(self, model: ScoreModel, x0: State, noise: Source) -> _Noised:
        """Return x_0 noised to the levels that are matched."""
        process, one = model.process, torch.ones((), dtype=precise(x0.device), device=x0.device)
        if self.times is not None:
            t = self.times(process, uniform_like(x0, noise))
            alpha, sigma = process.alpha_sigma(t)
            weight, unit = (self.weight or sigma_weight)(process, t) * (sigma**2 / alpha) ** 2, sigma
        else:
            t = process.t_min * one
            if self.ratio is not None:
                t = OneLevel(self.ratio)(process, one[None]).squeeze(0)
            weight = unit = one
        known = self.times is None and self.ratio is None
        x = x0 if known else process.perturb(x0, t, standard_normal(x0, noise))
        return _Noised(x.detach().requires_grad_(True), lambda x: model.score(x, t), weight.to(x), unit.to(x))


@dataclass(frozen=True)
class ImplicitSM(_ScoreMatching):
    """Hyvärinen's objective with the exact trace: ½‖s‖² + tr ∇s.

    Arguments are those of `SSM`, but for the projection. Cost: one evaluation and D backward passes: for small D.
    """

    def _loss(self, model: ScoreModel, x0: State, noise: Source) -> Float[Tensor, " b"]:
        x, score, weight, _ = self._noised(model, x0, noise)
        value = score(x)
        columns = flatten(value)
        trace = sum(
            flatten(torch.autograd.grad(columns[:, i].sum(), x, create_graph=True)[0])[:, i]
            for i in range(columns.shape[1])
        )
        return weight * (0.5 * sum_event(value**2) + trace)


@dataclass(frozen=True)
class SSM(_ScoreMatching):
    """Sliced score matching: ½ (vᵀs)² + vᵀ∇s v with one random v per example.

    Args:
        ratio: σ/α of the distribution that is matched; None for the data itself.
        projection: the distribution of v: "gaussian", "rademacher", or "sphere", √D times a uniform direction, so that E vvᵀ = I for each.
        times: instead of ``ratio``, the distribution of t, drawn per example: all noise levels are learned at once.
        weight: with ``times``, w(t) as `DSM` has it: λ = w (σ²/α)² on the loss; by default `sigma_weight`, λ = σ².

    Cost: one evaluation and one backward pass.
    """

    projection: Projection = "rademacher"

    def _loss(self, model: ScoreModel, x0: State, noise: Source) -> Float[Tensor, " b"]:
        x, score, weight, _ = self._noised(model, x0, noise)
        v = _project(x0, self.projection, noise)
        value, curvature = _curvature(score, x, v)
        return weight * (0.5 * sum_event(v * value) ** 2 + curvature)


@dataclass(frozen=True)
class SSMVR(_ScoreMatching):
    """Sliced score matching with reduced variance: ½‖s‖² + vᵀ∇s v, the first term's expectation over v taken (Song et al. 2019, Eq. 9).

    Args:
        projection: the distribution of v, as `SSM` has it: "rademacher", "gaussian" or "sphere".

    Other arguments and cost are those of `SSM`.
    """

    projection: Projection = "rademacher"

    def _loss(self, model: ScoreModel, x0: State, noise: Source) -> Float[Tensor, " b"]:
        x, score, weight, _ = self._noised(model, x0, noise)
        value, curvature = _curvature(score, x, _project(x0, self.projection, noise))
        return weight * (0.5 * sum_event(value**2) + curvature)


@dataclass(frozen=True)
class FiniteDifferenceSSM(_ScoreMatching):
    """Sliced score matching without second derivatives (Pang et al. 2020): central differences along v.

        ½‖(s₊ + s₋)/2‖² + vᵀ(s₊ − s₋)/(2ε),   s± = s(x ± εv);  the error is O(ε²)

    Args:
        epsilon: ε; with ``times``, in units of each example's σ(t).
        projection: the distribution of v.

    Other arguments are those of `SSM`. Cost: two evaluations, no graph of gradients; in float32, whatever the precision of training.
    """

    epsilon: float = 0.01
    projection: Projection = "rademacher"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(epsilon=self.epsilon)

    def _loss(self, model: ScoreModel, x0: State, noise: Source) -> Float[Tensor, " b"]:
        x, score, weight, unit = self._noised(model, x0, noise)
        v, epsilon = _project(x0, self.projection, noise), self.epsilon * unit
        # In bfloat16 a difference of scores so near to each other would be rounding.
        with torch.autocast(x.device.type, enabled=False):
            ahead, behind = (score(x + sign * like(epsilon, x) * v) for sign in (1, -1))
        curvature = sum_event(v * (ahead - behind)) / (2 * epsilon)
        return weight * (0.5 * sum_event((0.5 * (ahead + behind)) ** 2) + curvature)


@dataclass(frozen=True)
class FisherDivergence:
    """Explicit score matching: ½ w(t) ‖D(x_t, t) − E[x_0 | x_t]‖², the truth taken from ``density``.

    With λ = σ² on the score (the default weight) it is the σ²-weighted Fisher divergence to each noised distribution; `DSM` with the same
    times and weight differs from it by a constant in the model.

    Args:
        density: the distribution of x_0, in closed form.
        times: the distribution of t.
        weight: w(t).

    Cost: one evaluation, and one of the exact score.
    """

    density: Density
    times: TimeLaw = field(default_factory=UniformTime)
    weight: Weight = sigma_weight

    def __call__(self, model: ScoreModel, x0: State, noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        x_t, t = noised(model.process, x0, self.times, noise)
        alpha, sigma = model.process.alpha_sigma(t)
        gap = model.score(x_t, t) - self.density.diffuse(alpha, sigma).score(x_t)
        return 0.5 * self.weight(model.process, t).to(gap) * sum_event((like(sigma**2 / alpha, gap) * gap) ** 2)


def _project(x: State, projection: Projection, noise: Source) -> State:
    """Return v with E vvᵀ = I."""
    z = standard_normal(x, noise)
    if projection == "gaussian":
        return z
    if projection == "rademacher":
        return torch.where(z >= 0, 1.0, -1.0).to(z)
    if projection == "sphere":
        return z * like(torch.sqrt(x[0].numel() / sum_event(z**2)), z)
    raise ValueError(f'projection must be "gaussian", "rademacher" or "sphere"; received {projection!r}')


def _curvature(score: Callable[[State], State], x: State, v: State) -> tuple[State, Float[Tensor, " b"]]:
    """Return s(x) and vᵀ∇s v, the latter differentiable."""
    value = score(x)
    (pulled,) = torch.autograd.grad(sum_event(value * v).sum(), x, create_graph=True)
    return value, sum_event(pulled * v)
