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
from scorefield._tensors import like, take_rows
from scorefield.densities import Density
from scorefield.processes import Process

__all__ = ["Exact", "FromScore", "Labelled", "Labels", "NoisyModel", "ScoreModel", "label_rows", "probability_flow"]

State = Float[Tensor, "b *d"]
Labels = Int[Tensor, "*b"] | int
Time = Float[Tensor, "*b"]


class NoisyModel(nn.Module):
    """What looks at noisy states x_t of a `Process` at every t, and may be told a label per row.

    Attributes:
        process: the forward process.
        evaluations: network evaluations that one call costs.
    """

    process: Process
    evaluations: int = 1

    @property
    def classes(self) -> int | None:
        """How many labels `condition` knows, counted from 0 (the next number means 'no label'); None where it knows none."""
        return None

    def condition(self, labels: Labels | None) -> Self:
        """Return the model that is told ``labels`` and shares this one's parameters; None: told nothing.

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

    def rows(self, index: Int[Tensor, " k"]) -> Self:
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


class Labelled(NoisyModel):
    """A model around a network with an attribute ``classes``, which may be told a class per row.

    Attributes:
        net: the network.
        labels: what `condition` told; the label ``classes`` in a row means 'no label'.
    """

    net: nn.Module
    labels: Int[Tensor, "*b"] | None = None

    @property
    def classes(self) -> int | None:
        """How many labels the network takes."""
        return getattr(self.net, "classes", None)

    def condition(self, labels: Labels | None) -> Self:
        """Return a view of this model, of the same parameters, that is told ``labels``; None: told nothing."""
        return self._with(labels=None if labels is None else self._checked(labels))

    def rows(self, index: Int[Tensor, " k"]) -> Self:
        """Return the view whose labels are those of the rows ``index``."""
        return self if self.labels is None else self._with(labels=take_rows(self.labels, index))

    def _checked(self, labels: Labels) -> Int[Tensor, " n"]:
        """Return ``labels`` as a vector of one or n integers; refuse what the network was not built for."""
        if self.classes is None:
            raise ConfigError(
                f"labels came to a model whose network, {type(self.net).__name__}, takes none: build it with classes=<how many>, "
                "or leave them out"
            )
        rows = label_rows(labels)
        if rows.max() > self.classes:
            raise ConfigError(
                f"labels must lie between 0 and {self.classes - 1}, or be {self.classes} for 'no label'; received {rows.max()}"
            )
        return rows


class ScoreModel(NoisyModel, abc.ABC):
    """A model of p_t for every t of a `Process`: one abstract method, `denoise`; the other views follow from it."""

    @abc.abstractmethod
    def denoise(self, x: State, t: Time) -> State:
        """Return E[x_0 | x_t = x]; t of shape () or (b,)."""

    def during(self, t: Float[Tensor, ""], s: Float[Tensor, ""]) -> "ScoreModel":
        """Return the model with which `sample` goes from t to s: this one, or a part of it where that is all that counts."""
        return self

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
