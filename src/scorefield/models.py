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
import copy
from collections.abc import Callable
from typing import ClassVar, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield._checks import require
from scorefield._tensors import as_time, like, match_rows, take_rows
from scorefield.densities import Density
from scorefield.errors import ConfigError
from scorefield.grids import Step
from scorefield.processes import Process
from scorefield.units import INSIDE, UNCHANGED, Moments, Units

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

State = Float[Tensor, "b *d"]
Labels = Int[Tensor, "*b"] | int
Time = Float[Tensor, "*b"] | float


class NoisyModel(nn.Module):
    """What looks at noisy states x_t of a `Process` at every t, and may be conditioned on a label per row.

    Attributes:
        process: the forward process, of data in the model's own coordinates.
        evaluations: network evaluations that one call costs.
        units: the map from the model's coordinates to the data's units; None where they are the same.
        classes: how many labels `condition` knows, counted from 0 (the next number means 'no label'); None where it knows none.
        labels: what `condition` set, one for all rows or one per row; None where nothing was.
        per_row: the attributes that hold one row per sample, or a single row for all.
    """

    process: Process
    evaluations: int = 1
    units: Units | None = None
    classes: int | None = None
    labels: Int[Tensor, " n"] | None = None
    per_row: ClassVar[tuple[str, ...]] = ("labels",)

    def scales(self, x: State, t: Time) -> tuple[Tensor, Tensor]:
        """Return α and σ at t, shaped against x."""
        alpha, sigma = self.process.alpha_sigma(as_time(t))
        return like(alpha, x), like(sigma, x)

    def condition(self, labels: Labels | None) -> Self:
        """Return the model conditioned on ``labels``, which shares this one's parameters; None: on nothing.

        Args:
            labels: a class for all rows, or one per row, shape (b,).

        Raises:
            ConfigError: the model knows no classes, or not these.
        """
        if labels is None:
            return self if self.labels is None else self._with(labels=None)
        if self.classes is None:
            raise ConfigError(
                f"{type(self).__name__} was not built around a network that takes labels; "
                "use one that is, such as Denoiser(UNet(..., classes=10), ...), or leave the labels out"
            )
        rows = label_rows(labels)
        if rows.max() > self.classes:
            raise ConfigError(
                f"labels must lie between 0 and {self.classes - 1}, or be {self.classes} for 'no label'; received {rows.max()}"
            )
        return self._with(labels=rows)

    def rows(self, index: Int[Tensor, " k"]) -> Self:
        """Return the model of the rows ``index`` of a batch.

        A model whose rows have conditions of their own (a label, an observation) is one model per row; code that takes a batch apart, as
        `sample` and adaptive solvers do, gets the model of a part here. Rows may repeat. All other models are their own rows.
        """
        parts = {name: part for name, part in self._modules.items() if isinstance(part, NoisyModel)}
        taken: dict[str, object] = {name: part.rows(index) for name, part in parts.items()}
        for name in self.per_row:
            value = getattr(self, name)
            taken[name] = None if value is None else take_rows(value, index)
        changed = {name: part for name, part in taken.items() if part is not getattr(self, name)}
        return self._with(**changed) if changed else self

    @property
    def ends(self) -> tuple[float, float]:
        """The data's smallest and largest value, black and white in pictures: `Units.ends` or mean ∓ 2 std; 0 and 1 without units."""
        if self.units is None:
            return 0.0, 1.0
        mean, reach = self.units.location.mean().item(), 2 * INSIDE * self.units.scale.mean().item()
        return self.units.ends or (mean - reach, mean + reach)

    def standardise(self, x: State) -> State:
        """Return data in the model's own coordinates."""
        return x if self.units is None else self.units.inside(x)

    def in_units(self, units: Units | None) -> Self:
        """Return a view of this model, of the same parameters, whose data are in other units: x = location + scale · y."""
        parts = {name: part.in_units(units) for name, part in self._modules.items() if isinstance(part, NoisyModel)}
        return self._with(units=units, **parts)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move to a device or another precision. Only weights are rounded: buffers, such as an observation, keep their precision."""
        given = {name: value for name, value in self._buffers.items() if value is not None}
        super()._apply(fn, recurse)
        self._buffers.update({name: value.to(self._buffers[name].device) for name, value in given.items()})  # pyright: ignore[reportOptionalMemberAccess]
        return self

    def _with(self, **parts: object) -> Self:
        """Return a copy of this module in which the attributes named are other objects, and all else is shared."""
        view = copy.copy(self)
        view._modules, view._buffers = self._modules.copy(), self._buffers.copy()
        for name, part in parts.items():
            setattr(view, name, part)
        return view


def network_inputs(model: NoisyModel, x: State, noise: Tensor) -> tuple[Tensor, ...]:
    """Return what a network is given: x in the dtype of its parameters, the condition of each row, and the labels where there are any."""
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), x.dtype)
    if noise.is_floating_point():
        noise = noise.to(torch.promote_types(dtype, torch.float32))
    condition = noise.to(x.device).expand(len(x))
    labels = () if model.labels is None else (match_rows(model.labels, x).expand(len(x)),)
    return x.to(dtype), condition, *labels


class ScoreModel(NoisyModel, abc.ABC):
    """A model of p_t for every t of a `Process`: one abstract method, `denoise`; the other views follow from it.

    Attributes:
        moments: mean and standard deviation of the data in the model's coordinates, where they are known.
    """

    moments: Moments | None = None

    @abc.abstractmethod
    def denoise(self, x: State, t: Time) -> State:
        """Return E[x_0 | x_t = x]; t a number, or of shape () or (b,)."""

    def certain(self, denoised: State) -> State:
        """Return E[x_0 | x_t] in which the coordinates that the model knows for certain have their values; most models know none."""
        return denoised

    def forward(self, x: State, t: Time) -> State:
        """Return `denoise` (x, t): what calling a model means."""
        return self.denoise(x, t)

    def during(self, step: Step) -> "ScoreModel":
        """Return the model with which `sample` takes a step: this one, or the part of it that is needed there."""
        return self

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
        f, g = self.process.drift_diffusion(as_time(t))
        return like(f, x) * x - 0.5 * like(g, x) ** 2 * self.score(x, t)

    def prior(self, t: Time) -> Moments:
        """Return mean and standard deviation of the Gaussian that stands for p_t where sampling starts.

        N(α m, σ² + α² s²) where the data's mean m and standard deviation s are known; N(0, r²) with r = `Process.prior_std` where not.
        """
        t = as_time(t)
        if self.moments is None:
            return Moments(torch.zeros_like(t), self.process.prior_std(t))
        return self.moments.noised(*self.process.alpha_sigma(t))

    def restore(self, x: State) -> State:
        """Return states in the data's units."""
        return x if self.units is None else self.units.outside(x)


class Scored(ScoreModel):
    """A model that knows its score first, and the posterior mean from it: nothing is rounded through `denoise` on the way to a score."""

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
        self.function = function
        self.process = process

    def score(self, x: State, t: Time) -> State:
        """Return the function's value."""
        return same_shape(self.function(x, as_time(t)), x, self.function)


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
        return self.marginal(t).score(self._checked(x))

    def log_prob(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return log p_t(x)."""
        return self.marginal(t).log_prob(self._checked(x))

    def _checked(self, x: State) -> State:
        if not (isinstance(x, Tensor) and x.is_floating_point() and x.shape[1:] == self.density.event and x.ndim):  # pyright: ignore[reportUnnecessaryIsInstance]
            found = f"{x.dtype} of shape {tuple(x.shape)}" if hasattr(x, "shape") else type(x).__name__
            raise ConfigError(
                f"states must be a floating tensor of shape {('b', *self.density.event)}, as the density's events; received {found}"
            )
        return x

    def marginal(self, t: Time) -> Density:
        """Return p_t, the exact distribution of x_t."""
        return self.density.diffuse(*self.process.alpha_sigma(as_time(t).double()))


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


def same_shape(value: object, x: State, what: nn.Module | Callable[..., State]) -> State:
    """Return what a network or a function made of x, if it is a tensor of the shape of x: another would broadcast, and mean something else.

    Raises:
        ConfigError: it has not.
    """
    if isinstance(value, Tensor) and value.shape == x.shape:
        return value
    name = type(what).__name__ if isinstance(what, nn.Module) else getattr(what, "__name__", repr(what))
    got = tuple(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
    raise ConfigError(
        f"the network must return a tensor of the shape it is given, {tuple(x.shape)}; {name} returned {got}"
    )


def require_same_units(model: NoisyModel, what: str, other: NoisyModel) -> None:
    """Refuse two models whose coordinates mean different things.

    Raises:
        ConfigError: naming both units.
    """
    mine, theirs = (UNCHANGED if m.units is None else m.units for m in (model, other))
    if not mine.agrees(theirs):
        raise ConfigError(
            f"{what} must work in the units of the model it guides, {mine.described}; received one in {theirs.described}. "
            "Train both on the same data, or give both the same units: other.in_units(model.units)"
        )


def label_rows(labels: Labels) -> Int[Tensor, " n"]:
    """Return ``labels`` as a vector of one integer, or one per row.

    Raises:
        ConfigError: they are not integers, or not a number or a vector.
    """
    try:
        rows = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        rows = torch.empty(0)
    if rows.is_floating_point() or rows.dtype == torch.bool or rows.ndim > 1 or rows.numel() == 0 or rows.min() < 0:
        raise ConfigError(
            f"labels must be classes counted from 0: an integer for all samples, or a vector of one per sample; received {labels}"
        )
    return rows.reshape(-1).long()
