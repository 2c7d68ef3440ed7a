r"""Score models: anything that knows the posterior mean of the data given a noisy state.

    D(x_t, t) = E[x_0 | x_t]

is the one estimand; Tweedie's formula turns it into every other view of the same knowledge (Efron 2011; Karras et al. 2022, Eq. 3):

    score     s = ∇ log p_t(x_t) = (α D − x_t) / σ²        and back:  D = (x_t + σ² s) / α
    noise     ẑ = E[z | x_t]     = (x_t − α D) / σ  =  −σ s
    velocity  v = dx_t/dt of the probability-flow ODE  =  f x_t − ½ g² s

A closed-form score (`Exact`), any other function (`FromScore`) and a trained network are one type, so that whatever runs on a
network can first be run on the truth.
"""

import abc
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._checks import called, require
from scorefield._noisy import Labels, NoisyModel, State, Time, label_rows, network_inputs, require_same_units
from scorefield._tensors import floating, like
from scorefield.densities import Density
from scorefield.errors import ConfigError
from scorefield.grids import Step
from scorefield.processes import Process
from scorefield.units import Moments

__all__ = [
    "Exact",
    "FromScore",
    "KnowsDensity",
    "Labels",
    "NoisyModel",
    "ScoreModel",
    "Scored",
    "label_rows",
    "network_inputs",
    "probability_flow",
    "require_same_units",
    "same_shape",
]


class ScoreModel(NoisyModel, abc.ABC):
    """A model of p_t for every t of a `Process`: one abstract method, `denoise`; the other views follow from it.

    Attributes:
        moments: mean and standard deviation of the data in the model's coordinates, where they are known.
    """

    moments: Moments | None = None

    def extra_repr(self) -> str:
        """Return what its parts do not show: the process, and the distribution of which it is the exact score."""
        return ", ".join(repr(part) for part in vars(self).values() if isinstance(part, Density | Process))

    @abc.abstractmethod
    def denoise(self, x: State, t: Time) -> State:
        """Return E[x_0 | x_t = x]; t a number, checked to be a time of the process, or a tensor of shape () or (b,), taken as it is."""

    def certain(self, denoised: State) -> State:
        """Return E[x_0 | x_t], with the values of those coordinates that the model knows for certain; most models know none."""
        return denoised

    def forward(self, x: State, t: Time) -> State:
        """Return `denoise` (x, t): what calling a model means."""
        return self.denoise(x, t)

    def during(self, step: Step) -> "ScoreModel":
        """Return the model with which `sample` takes a step: this one, unless a model inside it changes with the step."""
        parts = {name: part.during(step) for name, part in self._modules.items() if isinstance(part, ScoreModel)}
        changed = {name: part for name, part in parts.items() if part is not getattr(self, name)}
        return self._with(**changed) if changed else self

    def score(self, x: State, t: Time) -> State:
        """Return ∇ log p_t(x) = (α D − x) / σ²."""
        alpha, sigma = self.scales(x, t)
        return (alpha * self.denoise(x, t) - x) / sigma**2

    def noise(self, x: State, t: Time) -> State:
        """Return E[z | x_t = x] = −σ s."""
        _, sigma = self.scales(x, t)
        return -sigma * self.score(x, t)

    def velocity(self, x: State, t: Time) -> State:
        """Return the probability-flow velocity f x − ½ g² s (Song et al. 2021, Eq. 13)."""
        f, g = self.process.drift_diffusion(self.process.at(t))
        return like(f, x) * x - 0.5 * like(g, x) ** 2 * self.score(x, t)

    def prior(self, t: Time) -> Moments:
        """Return mean and standard deviation of the Gaussian that stands for p_t where sampling starts.

        N(α m, σ² + α² s²) where the data's mean m and standard deviation s are known; N(0, r²) with r = `Process.prior_std` where not.
        """
        t = self.process.at(t)
        if self.moments is None:
            return Moments(torch.zeros_like(t), self.process.prior_std(t))
        return self.moments.noised(*self.process.alpha_sigma(t))

    def restore(self, x: State) -> State:
        """Return states in the data's units."""
        return x if self.units is None else self.units.outside(x)


class Scored(ScoreModel):
    """A model that computes its score directly; the posterior mean follows from it, so that scores lose no digits by way of `denoise`."""

    @abc.abstractmethod
    def score(self, x: State, t: Time) -> State:
        """Return ∇ log p_t(x)."""

    def denoise(self, x: State, t: Time) -> State:
        """Return (x + σ² s) / α: Tweedie's formula."""
        alpha, sigma = self.scales(x, t)
        return (x + sigma**2 * self.score(x, t)) / alpha


@runtime_checkable
class KnowsDensity(Protocol):
    """A model that knows log p_t, up to a number that depends on t alone."""

    def log_prob(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return log p_t(x)."""
        ...


class FromScore(Scored):
    """A score model from any function (x, t) ↦ ∇ log p_t(x): one you wrote, or another package's network."""

    def __init__(self, function: Callable[[State, Tensor], State], process: Process) -> None:
        super().__init__()
        called(function, "function", "lambda x, t: -x, or the score of a model")
        if isinstance(function, ScoreModel):  # whose value is D
            raise ConfigError(
                f"function must return the score; received {type(function).__name__}, a model: give its .score"
            )
        require(Process, process, "the process", "VP() or EDM()")
        self.function = function
        self.process = process

    def score(self, x: State, t: Time) -> State:
        """Return the function's value."""
        return same_shape(self.function(x, self.process.at(t)), x, self.function)


class Exact(Scored):
    """The true score of ``density`` under ``process`` at every noise level: no network, nothing to train.

    Cost: one call of the noised density's score; counted as one evaluation so that budgets compare with a network's.
    """

    def __init__(self, density: Density, process: Process) -> None:
        super().__init__()
        require(Density, density, "the density", "GaussianMixture(...)")
        require(Process, process, "the process", "VP() or EDM()")
        self.density = density
        self.process = process
        self.moments = density.moments

    def score(self, x: State, t: Time) -> State:
        """Return the score of p_t."""
        return self.marginal(t).score(floating(x, self.density.event))

    def log_prob(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return log p_t(x)."""
        return self.marginal(t).log_prob(floating(x, self.density.event))

    def marginal(self, t: Time) -> Density:
        """Return p_t, the exact distribution of x_t."""
        return self.density.diffuse(*self.process.alpha_sigma(self.process.at(t).double()))


def probability_flow(model: ScoreModel) -> Callable[[State, Float[Tensor, " b"], Int[Tensor, " b"]], State]:
    """Return the slope dy/d ln ρ = ρ ẑ of the probability flow in y = x/α, as a function of (y, ln ρ, rows).

    ln ρ has shape (b,), and so have ``rows``: which rows of the model's batch the b rows of y are.
    """

    def slope(y: State, log_rho: Float[Tensor, " b"], rows: Int[Tensor, " b"]) -> State:
        rho = torch.exp(log_rho)
        t = model.process.time(rho)
        alpha, _ = model.process.alpha_sigma(t)
        return like(rho, y) * model.rows(rows).noise(like(alpha, y) * y, t)

    return slope


def same_shape(value: object, x: State, what: object) -> State:
    """Return what a network, a function or a sampler makes of x if it has the shape of x; another would broadcast, and mean something else.

    Raises:
        ConfigError: it has not.
    """
    if isinstance(value, Tensor) and value.shape == x.shape:
        return value
    name = getattr(what, "__name__", type(what).__name__)
    got = tuple(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
    raise ConfigError(f"expected a tensor of the shape of the states, {tuple(x.shape)}; {name} returned {got}")
