r"""Score models: anything that knows the posterior mean of the data given a noisy state.

    D(x_t, t) = E[x_0 | x_t]

is the one estimand; Tweedie's formula turns it into every other view of the same knowledge (Efron 2011; Karras et al. 2022, Eq. 3):

    score     s = ∇ log p_t(x_t) = (α D − x_t) / σ²
    noise     ẑ = E[z | x_t]     = (x_t − α D) / σ  =  −σ s
    velocity  v = dx_t/dt of the probability-flow ODE  =  f x_t − ½ g² s

A closed-form score (`Exact`), somebody else's function (`FromScore`) and a trained network are one type, so that whatever runs on a
network can first be run on the truth.
"""

import abc
import copy
from collections.abc import Callable
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield._errors import ConfigError
from scorefield._tensors import like
from scorefield.densities import Density
from scorefield.processes import Process

__all__ = ["Exact", "FromScore", "Labels", "ScoreModel", "label_rows", "probability_flow"]

State = Float[Tensor, "b *d"]
Labels = Int[Tensor, "*b"] | int
Time = Float[Tensor, "*b"]


class ScoreModel(nn.Module, abc.ABC):
    """A model of p_t for every t of a `Process`: one abstract method, `denoise`; the other views follow from it.

    Attributes:
        process: the forward process whose marginals are modelled.
        evaluations: network evaluations that one call of any view costs.
    """

    process: Process
    evaluations: int = 1

    @property
    def classes(self) -> int | None:
        """How many labels `condition` knows, counted from 0 (the next number means 'no label'); None where it knows none."""
        return None

    @abc.abstractmethod
    def denoise(self, x: State, t: Time) -> State:
        """Return E[x_0 | x_t = x]; t of shape () or (b,)."""

    def score(self, x: State, t: Time) -> State:
        """Return ∇ log p_t(x) = (α D − x) / σ²."""
        alpha, sigma = self.process.alpha_sigma(t)
        return (like(alpha, x) * self.denoise(x, t) - x) / like(sigma, x) ** 2

    def noise(self, x: State, t: Time) -> State:
        """Return E[z | x_t = x] = −σ s."""
        _, sigma = self.process.alpha_sigma(t)
        return -like(sigma, x) * self.score(x, t)

    def velocity(self, x: State, t: Time) -> State:
        """Return the probability-flow velocity f x − ½ g² s (Song et al. 2021, Eq. 13)."""
        f, g = self.process.drift_diffusion(t)
        return like(f, x) * x - 0.5 * like(g, x) ** 2 * self.score(x, t)

    def condition(self, labels: Labels | None) -> "ScoreModel":
        """Return the model of p_t(x | label) that shares this one's parameters; None asks for p_t(x), whatever the label.

        Args:
            labels: a class for all rows, or one per row, shape (b,).

        Raises:
            ConfigError: the model knows no classes, or not these.
        """
        if labels is None:
            return self
        raise ConfigError(
            f"{type(self).__name__} was not built around a network that takes labels; "
            "use one that is, such as Denoiser(UNet(..., classes=10), ...), or leave the labels out"
        )

    def rows(self, index: Int[Tensor, " k"]) -> "ScoreModel":
        """Return the model of the rows ``index`` of a batch.

        A model whose rows have conditions of their own (a label, an observation) is one model per row; whoever takes a batch apart, as
        `sample` and adaptive solvers do, asks here for the model of a part. Rows may repeat. All other models are their own rows.
        """
        return self

    def _with(self, **parts: Any) -> Self:  # noqa: ANN401 whatever the parts are
        """Return a copy of this module in which the attributes named are other objects, and all else is shared."""
        view = copy.copy(self)
        view._modules, view._buffers = self._modules.copy(), self._buffers.copy()
        for name, part in parts.items():
            setattr(view, name, part)
        return view


class FromScore(ScoreModel):
    """A score model from any function (x, t) ↦ ∇ log p_t(x): one you wrote, or another package's network."""

    def __init__(self, function: Callable[[State, Time], State], process: Process) -> None:
        super().__init__()
        self.function = function
        self.process = process

    def denoise(self, x: State, t: Time) -> State:
        """Return (x + σ² s) / α: Tweedie's formula."""
        alpha, sigma = self.process.alpha_sigma(t)
        return (x + like(sigma, x) ** 2 * self.score(x, t)) / like(alpha, x)

    def score(self, x: State, t: Time) -> State:
        """Return the function's value: the score it was built from, not rounded through `denoise`."""
        return self.function(x, t)


class Exact(FromScore):
    """The true score of ``density`` under ``process`` at every noise level: no network, nothing to train.

    Cost: one call of the noised density's score; counted as one evaluation so that budgets compare with a network's.
    """

    def __init__(self, density: Density, process: Process) -> None:
        super().__init__(self._score, process)
        self.density = density

    def _score(self, x: State, t: Time) -> State:
        return self.marginal(t).score(x)

    def marginal(self, t: Time) -> Density:
        """Return p_t, the exact law of x_t."""
        return self.density.diffuse(*self.process.alpha_sigma(torch.as_tensor(t, dtype=torch.float64)))


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


def label_rows(labels: Labels) -> Int[Tensor, " n"]:
    """Return ``labels`` as a vector of one integer, or one per row.

    Raises:
        ConfigError: they are not integers, or not a number or a vector.
    """
    rows = torch.as_tensor(labels)
    if rows.is_floating_point() or rows.dtype == torch.bool or rows.ndim > 1 or rows.numel() == 0 or rows.min() < 0:
        raise ConfigError(
            f"labels must be classes counted from 0: an integer for all samples, or a vector of one per sample; received {labels}"
        )
    return rows.reshape(-1).long()
