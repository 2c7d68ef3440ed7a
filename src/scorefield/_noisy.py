"""What all models of noisy data share: their process, their units, and the labels that each row is conditioned on."""

import copy
from collections.abc import Callable
from typing import ClassVar, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield._checks import require
from scorefield._tensors import like, match_rows, take_rows, there
from scorefield.errors import ConfigError
from scorefield.processes import Process
from scorefield.units import INSIDE, UNCHANGED, Units

State = Float[Tensor, "b *d"]
Labels = Int[Tensor, "*b"] | int
Time = Float[Tensor, "*b"] | float


class NoisyModel(nn.Module):
    """A model that is evaluated at noisy states x_t of a `Process`, at every t, and may be conditioned on a label per row.

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
        alpha, sigma = self.process.alpha_sigma(self.process.at(t))
        return like(alpha, x), like(sigma, x)

    def condition(self, labels: Labels | None) -> Self:
        """Return the model conditioned on ``labels``, which shares this one's parameters; None removes the condition.

        Args:
            labels: a class for all rows, or one per row, shape (b,).

        Raises:
            ConfigError: the model takes no labels, or not these.
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
        `sample` and adaptive solvers do, gets the model of a part here. Rows may repeat. All other models return themselves.
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
        """The data's smallest and largest value, black and white in pictures (`Units.ends` or mean ∓ 2 std; 0 and 1 without units)."""
        if self.units is None:
            return 0.0, 1.0
        mean, reach = self.units.location.mean().item(), 2 * INSIDE * self.units.scale.mean().item()
        return self.units.ends or (mean - reach, mean + reach)

    def standardise(self, x: State) -> State:
        """Return data in the model's own coordinates."""
        return x if self.units is None else self.units.inside(x)

    def in_units(self, units: Units | None) -> Self:
        """Return a view of this model, of the same parameters, whose data are in other units: x = location + scale · y."""
        if units is not None:
            require(Units, units, "units", "Units.of(data)")
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
    condition = there(noise, x, noise.dtype).expand(len(x))
    labels = () if model.labels is None else (match_rows(model.labels, x).expand(len(x)),)
    return x.to(dtype), condition, *labels


def require_same_units(model: NoisyModel, what: str, other: NoisyModel) -> None:
    """Refuse two models whose coordinates mean different things: models of different processes, or of data in different units.

    Raises:
        ConfigError: naming both.
    """
    process = model.process
    times = torch.linspace(process.t_min, process.t_max, 5, dtype=torch.float64)
    ours, theirs = (torch.stack(one.process.alpha_sigma(times)) for one in (model, other))
    if not torch.allclose(ours, theirs, rtol=1e-6, atol=1e-12):
        raise ConfigError(
            f"{what} must be of the model's process, {process}; received one of {other.process}, to which the same state at "
            "the same time is another noise level. Train both under one process"
        )
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
