r"""The reverse SDE with step sizes of its own for every sample (Jolicoeur-Martineau et al. 2021, Algorithm 1).

With y = x/α and κ = α²/σ², the signal-to-noise ratio, the reverse SDE of every process is, in y κ,

    d(yκ) = D dκ + dW,     W a Brownian motion in the time κ

(stochastic localisation: Montanari 2023, arXiv:2305.10690, section 4.1): there is no drift left but the denoised data. From κ to κ′, with
r = κ/κ′, h = ln κ′/κ and the increment ΔW of one path, whatever the steps are,

    y′ = r y + (1 − r) D + ΔW/κ′                                   Euler–Maruyama
    y″ = r y + (1 − r − w) D + w D(y′, κ′) + ΔW/κ′                   improved: D is a straight line in ln κ, w = 1 − (1 − r)/h

y and D are counted from the data's mean, so that no error is small beside where the data lie. The step is accepted, with y″, where
E = ‖(x′ − x″)/max(atol, rtol |x′|, rtol |x′₋|)‖ is at most one: a root mean square, of states as VP has them, x = y/√(1 + 1/κ), and x′₋
that of the last step accepted. The next h is θ h E^{−2/3}, since y′ − y″ is of the order h^{3/2}; theirs has the power 0.9, and steps in t.
It is rounded down to 4, 5, 6 or 7 times a power of 2: a path is so rough that the last digit of a step would soon decide the others.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from scorefield._brownian import BrownianTree
from scorefield._checks import positive
from scorefield._noise import Noise
from scorefield._tensors import flatten, like, precise
from scorefield.errors import DivergedError
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

_KAPPA = 1e-12, 1e12  # wherever a process begins and ends, a seed has one path
_DEPTH = 20
_SAFETY, _CHANGE = 0.9, (0.2, 5.0)
_LONGEST, _SHORTEST, _MOST = 1.0, 1e-7, 100_000
"""Of h; beyond the longest, E is blind: where noise is so small that D(y′) = y′, both steps agree on whatever D was."""


class Walk(NamedTuple):
    """What `AdaptiveSDE` remembers: the path, and of each row W, the next step's length, x′₋ and the evaluations so far."""

    path: BrownianTree
    w: Float[Tensor, "b *d"]
    h: Float[Tensor, " b"]
    last: State
    used: Float[Tensor, " b"]


@dataclass(frozen=True)
class AdaptiveSDE(Sampler[Walk]):
    """The reverse SDE, every sample with step sizes of its own along a Brownian path of its own.

    A step that is refused is tried again on the same path: fresh noise would favour increments that pass, and bias the distribution.
    Tighter tolerances refine the path of the same seed. Finished samples drop out of the batch. The grid's times are only where the state
    is recorded; two are enough. No order is declared: it is the tolerance that is met. Tolerances bound the error of a step: at these, a
    Gaussian's variance comes out some 7 % too small after 55 evaluations, at a fifth of them 1 % after 150.

    In a batch of another size the last digit of a network in float32 differs. That turns a step taken into one refused, or its length into
    the next, in less than one sample of a hundred, which then ends elsewhere by as much as the tolerance allows.

    Args:
        rtol, atol: tolerances of a step, relative and absolute.

    Cost: two evaluations per trial; `Samples.evaluations` reports the mean over samples.

    Raises:
        ValueError: noise levels σ/α below 1e-6 or above 1e6, where the path is not known.
        DivergedError: a step size that shrinks to nothing.
    """

    rtol: float = 0.1
    atol: float = 0.02

    def __post_init__(self) -> None:
        positive(rtol=self.rtol, atol=self.atol)

    def step(self, model: ScoreModel, x: State, step: Step, memory: Walk | None, noise: Noise) -> tuple[State, Walk]:
        """Return x at s, and how far each row has come."""
        if not step.rho_s**-2 <= _KAPPA[1] or not step.rho_t**-2 >= _KAPPA[0]:
            raise ValueError(
                f"AdaptiveSDE follows noise levels σ/α from {_KAPPA[1] ** -0.5:g} to {_KAPPA[0] ** -0.5:g}; received {step.rho_t:g} to "
                f"{step.rho_s:g}: bring the data to another scale, or take another sampler"
            )
        centre = (model.prior(step.t).mean / step.alpha_t).to(x)
        y, start, stop = x / step.alpha_t - centre, -2 * math.log(step.rho_t), -2 * math.log(step.rho_s)
        path, w, h, last, used = memory or _begun(y, start, noise)
        if path.walked > start:  # a transition is taken once more, with other noise
            path, w, *_ = _begun(y, start, noise)
        path.walked = stop
        w, h, last, used = w.clone(), h.clone(), last.clone(), used.clone()
        at = torch.full_like(h, start)
        for _ in range(_MOST):
            rows = torch.nonzero(at < stop).flatten()
            if len(rows) == 0:
                return step.alpha_s * (y + centre), Walk(path, w, h, last, used)
            left = stop - at[rows]
            length = torch.minimum(h[rows], left)
            end = torch.where(length == left, stop, at[rows] + length)
            ahead = path(torch.exp(end), rows)
            rough, fine = _trial(model, centre, y[rows], at[rows], end, (ahead - w[rows]).to(y), rows)
            scale = like((1 + torch.exp(-end)).rsqrt(), rough)
            bound = self.rtol * torch.maximum((scale * rough).abs(), last[rows].abs())
            error = _size(scale * (rough - fine) / bound.clamp_min(self.atol))
            used[rows] += 2
            good = error <= 1  # NaN is not good
            done = rows[good]
            y[done], w[done], last[done], at[done] = fine[good], ahead[good], (scale * rough)[good], end[good]
            change = torch.nan_to_num(_SAFETY * error.clamp_min(1e-10) ** (-2 / 3), nan=_CHANGE[0]).clamp(*_CHANGE)
            # A step cut short by the end of the transition says nothing against the longer one that was planned.
            planned = torch.where(good & (length < h[rows]), h[rows], 0.0)
            h[rows] = _even(torch.maximum(planned, length * change).clamp(max=_LONGEST))
            if (h[rows[~good]] < _SHORTEST).any():
                break
        raise DivergedError(
            "the SDE's step size shrank to nothing, or it took too many steps; loosen rtol and atol, or check the model"
        )

    def counted(self, memory: Walk, steps: int) -> float:
        """Return the mean over samples."""
        return memory.used.mean().item()


def _begun(y: State, start: float, noise: Noise) -> Walk:
    """Return the walk before its first step."""
    zeros = torch.zeros(len(y), dtype=precise(y.device), device=y.device)
    path = BrownianTree(noise, *_KAPPA, _DEPTH)
    w = path(zeros + math.exp(start), torch.arange(len(y), device=y.device))
    return Walk(path, w, zeros + 0.5 * _LONGEST, y / math.sqrt(1 + math.exp(-start)), zeros)


def _trial(
    model: ScoreModel, centre: Tensor, y: State, at: Tensor, end: Tensor, rise: State, rows: Int64[Tensor, " k"]
) -> tuple[State, State]:
    """Return y′ and y″ of the rows of the batch numbered ``rows``, from ln κ = ``at`` to ``end``, where W rises by ``rise``."""
    h = end - at
    r = torch.exp(-h)
    keep, rest, part = (like(weight, y) for weight in (r, 1 - r, 1 - (1 - r) / h))
    first, noise = _denoised(model, centre, y, at, rows), rise / like(torch.exp(end), y)
    rough = keep * y + rest * first + noise
    return rough, rough + part * (_denoised(model, centre, rough, end, rows) - first)


def _denoised(model: ScoreModel, centre: Tensor, y: State, log_kappa: Tensor, rows: Int64[Tensor, " k"]) -> State:
    """Return D of some rows of the batch, where y and D are counted from the data's mean."""
    t = model.process.time(torch.exp(-0.5 * log_kappa))
    alpha, _ = model.process.alpha_sigma(t)
    return model.rows(rows).denoise(like(alpha, y) * (y + centre), t).to(y) - centre


def _even(h: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Return lengths rounded down to 4, 5, 6 or 7 times a power of 2, exactly; then the last digit of a length seldom matters."""
    mantissa, exponent = torch.frexp(h)
    return torch.ldexp(torch.floor(8 * mantissa) / 8, exponent)


def _size(error: State) -> Float[Tensor, " b"]:
    """Return the root mean square of each row."""
    return flatten(error).to(precise(error.device)).square().mean(dim=1).sqrt()
