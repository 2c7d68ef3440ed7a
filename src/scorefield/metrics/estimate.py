r"""A number with its standard error, and the U-statistics most of them are.

    U = 1/(n(n−1)) Σ_{i≠j} h(x_i, x_j)          unbiased for E h(X, X′)                (Hoeffding 1948)

The standard error is that of the mean of the n projections, 2 std(h₁)/√n with h₁(x) = E h(x, X′). Where U is degenerate, as for two
samples of one distribution, U's own spread is of the smaller order 1/n: then a value of a few such errors is no evidence of a difference.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import numbers
from scorefield._tensors import flatten

Kernel = Callable[[Float[Tensor, "n D"], Float[Tensor, "m D"]], Float[Tensor, "n m"]]

_ROWS = 1024  # rows of a kernel matrix held at a time
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_LAST = 1e-15  # of a number, what its last digit tells
_LEAST = 1e-300  # powers of ten below have few digits, or none
_MANY = 100  # values from which 1.96 is Student's factor to 2 %


class Estimate(NamedTuple):
    """An estimated number and its standard error; the ends of its 95 % interval where they are not value ± 1.96 errors."""

    value: float
    error: float
    ends: tuple[float, float] | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % interval."""
        return self.ends or (self.value - 1.96 * self.error, self.value + 1.96 * self.error)

    def __str__(self) -> str:
        return " ± ".join(self.rounded(self.value, self.error))

    def rounded(self, *numbers: float) -> list[str]:
        """Return numbers with two digits of the standard error; far below one, with a power of ten that all share.

        Beside an error below their last digit, which is none that can be told, they are given to that digit.
        """
        if not (self.error and all(map(math.isfinite, (self.error, *numbers)))):
            return [f"{number:.4g}" for number in numbers]
        if abs(self.error) < max(_LAST * max(map(abs, (self.error, *numbers))), _LEAST):
            return [f"{number:.15g}" for number in numbers]
        decimals = max(0, 1 - math.floor(math.log10(abs(self.error))))
        power = math.floor(math.log10(max(map(abs, (self.error, *numbers))))) if decimals > 6 else 0
        digits = max(2, decimals + power) if power else decimals
        raised = f"·10{str(power).translate(_RAISED)}" if power else ""
        return [f"{number / 10**power:.{digits}f}{raised}" for number in numbers]


def mean(values: Tensor) -> Estimate:
    """Return the mean of independent values, with Student's interval (1908) where they are few; of booleans the share that is true."""
    values = numbers(values, "values")
    if not values.numel():
        raise ValueError("values must be one or more; received none")
    if values.dtype == torch.bool:
        return share(int(values.sum()), len(values))
    values, n = values.double(), len(values)
    value, error = values.mean().item(), values.std().item() / n**0.5 if n > 1 else math.nan
    if n >= _MANY:
        return Estimate(value, error)
    from scipy.special import stdtrit

    reach = float(stdtrit(n - 1, 0.975)) * error
    return Estimate(value, error, (value - reach, value + reach))


def share(count: int, n: int) -> Estimate:
    """Return the share k/n of n independent draws, with Wilson's interval (1927), which stays within 0 and 1."""
    from scipy import stats  # half as long to import as torch

    found = stats.binomtest(count, n).proportion_ci(method="wilson")
    return Estimate(count / n, (count / n * (1 - count / n) / n) ** 0.5, (float(found.low), float(found.high)))


def rows(x: Tensor, name: str) -> Float[Tensor, "n D"]:
    """Return samples as float64 rows."""
    x = numbers(x, name)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"{name} must be at least two samples of shape (n, *d); received shape {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} holds values that are not finite: drop those samples, and say that you did")
    return flatten(x.detach()).double()


def pair(x: Tensor, y: Tensor, other: str = "y") -> tuple[Float[Tensor, "n D"], Float[Tensor, "m D"]]:
    """Return x and another sample, of that name, as `rows`."""
    a, b = rows(x, "x"), rows(y, other)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"x and {other} must be of one event; received {a.shape[1]} and {b.shape[1]} numbers each")
    return a, b


def row_means(kernel: Kernel, x: Float[Tensor, "n D"], y: Float[Tensor, "m D"] | None = None) -> Float[Tensor, " n"]:
    """Return the mean of kernel(x_i, y_j) over j, for each i; without ``y`` over the other rows of x."""
    others = x if y is None else y
    sums = torch.cat([kernel(part, others).sum(dim=1) for part in x.split(_ROWS)])
    if y is not None:
        return sums / len(y)
    diagonal = torch.cat([kernel(part, part).diagonal() for part in x.split(_ROWS)])
    return (sums - diagonal) / (len(x) - 1)


def u_statistic(kernel: Kernel, x: Float[Tensor, "n D"]) -> Estimate:
    """Return the estimate of E kernel(X, X′)."""
    projections = row_means(kernel, x)
    value, error, _ = mean(projections)
    return Estimate(value, 2 * error if len(x) > 2 else math.nan)  # of two samples both projections are one number
