r"""An embedded Runge–Kutta pair with separate error control for every row of a batch.

Its tableau says: stages k_i = f(y + h Σ_j a_ij k_j, u + c_i h), the step y + h Σ b_i k_i, its error estimate h Σ e_i k_i. A step is
accepted where the root mean square ε of error / (atol + rtol max(|y|, |y′|)) is at most one, and the next is longer or shorter by
0.9 ε^{−0.17} ε₋^{0.04}, within [1/5, 5], where ε₋ is that of the last accepted step: the proportional-integral control of DOPRI5
(Hairer & Wanner, Solving ODEs II, section IV.2). With ε^{−1/5} alone, a mixture's flow rejects two to three times as many trials.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import positive
from scorefield._tensors import flatten, like, precise
from scorefield.errors import DivergedError

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]


# Dormand & Prince (1980), the 5(4) pair of most solvers: six evaluations per step, of which the last is the first of the next step.
ORDER = 5
C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_FIRST = 0.02  # the first trial step, as a share of the range
_MOST = 10_000  # steps after which a row is given up


def integrate(
    slope: Slope, y: Float[Tensor, "b *d"], start: float, stop: float, *, rtol: float, atol: float
) -> tuple[Float[Tensor, "b *d"], Float[Tensor, " b"]]:
    """Return y(stop), of y at ``start`` on either side of it, and the evaluations each row used.

    ``slope`` is (y, u, rows) ↦ dy/du for the rows of the batch numbered ``rows``, all three of that length, u in float64.

    Raises:
        ConfigError: tolerances that are not positive.
        DivergedError: rows whose step size shrank below what float64 resolves, or that took too many steps.
    """
    positive(rtol=rtol, atol=atol)
    y = y.clone()
    span = stop - start
    u = torch.full((len(y),), start, dtype=precise(y.device), device=y.device)
    h = torch.full_like(u, _FIRST * span)
    used, last = torch.ones_like(u), torch.ones_like(u)
    k_first = slope(y, u, torch.arange(len(y), device=y.device)).to(y)
    for _ in range(_MOST):
        rows = torch.nonzero((stop - u) * span > 0).flatten()
        if len(rows) == 0:
            return y, used
        left = stop - u[rows]
        step = torch.where(h[rows].abs() < left.abs(), h[rows], left)
        trial, error, k_last = _step(slope, y[rows], u[rows], step, k_first[rows], rows)
        used[rows] += len(C)
        size = _size(error, y[rows], trial, rtol, atol)
        good = size <= 1  # NaN is not good
        done = rows[good]
        y[done], k_first[done] = trial[good], k_last[good]
        u[done] = torch.where(step[good] == left[good], stop, u[done] + step[good])
        size = size.clamp_min(1e-10)
        change = torch.nan_to_num(0.9 * size ** (0.03 - 1 / ORDER) * last[rows] ** 0.04, nan=0.2)
        h[rows] = step * change.clamp(0.2, 5)
        last[done] = size[good]
        _check_steps(h[rows[~good]], span, u[rows[~good]])
    raise DivergedError(f"the ODE needed more than {_MOST} steps; loosen rtol and atol, or check the model")


def _step(slope: Slope, y: Tensor, u: Tensor, h: Tensor, k: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the new point, its error estimate and the slope there."""
    stages, width = [k], like(h, y)
    point = y
    for c, row in zip(C, A, strict=True):
        point = y + width * sum(a * stage for a, stage in zip(row, stages, strict=True) if a != 0)
        stages.append(slope(point, u + c * h, rows).to(y))
    error = width * sum(e * stage for e, stage in zip(E, stages, strict=True) if e != 0)
    return point, error, stages[-1]


def _size(error: Tensor, old: Tensor, new: Tensor, rtol: float, atol: float) -> Float[Tensor, " b"]:
    """Return the error of each row in units of its tolerance."""
    scaled = error / (atol + rtol * torch.maximum(old.abs(), new.abs()))
    return flatten(scaled).to(precise(scaled.device)).square().mean(dim=1).sqrt()


def _check_steps(h: Tensor, span: float, u: Tensor) -> None:
    if (h.abs() < 1e-13 * abs(span)).any():
        at = u[h.abs().argmin()].item()
        raise DivergedError(
            f"the ODE's step size shrank to nothing at {at:.4g}: the slope there is not finite or not smooth"
        )
