r"""Likelihood by the probability-flow ODE: the change of variables along the path from data to noise.

In y = x/α and u = ln ρ the ODE is dy/du = ρ ẑ (`scorefield.models.probability_flow`), and along it

    d log p(y)/du = −∇_y · (ρ ẑ)

so  log p_t(x) = log p_T(x_T) + D ln(α_T/α_t) + ∫ ∇·(ρ ẑ) du,  T = t_max      (Chen et al. 2018; Song et al. 2021, Eq. 39)

with the trace of the Jacobian taken exactly, D Jacobian-vector products, or estimated as vᵀ J v with Rademacher v (Hutchinson;
Grathwohl et al. 2019), held fixed along the path: then the estimate is of the integral, and its standard error is that over probes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, reals, require, whole
from scorefield._noise import Noise
from scorefield._ode import integrate
from scorefield._tensors import as_constant, evaluating, flatten, floating, like, recording, require_numbers, uncast
from scorefield._values import ByValue
from scorefield.densities import Density
from scorefield.errors import ConfigError
from scorefield.models import ScoreModel, State, probability_flow

_EXACT_UP_TO = 64  # coordinates; beyond, an estimate by a few probes is cheaper than D products per evaluation


@dataclass(frozen=True)
class LogLikelihood(ByValue):
    """What `log_likelihood` returns.

    Attributes:
        log_prob: log p_t(x) in nats, shape (b,).
        standard_error: of the trace estimate, per example; zero where the trace is exact, NaN with a single probe.
        latent: x at t_max, in the model's own coordinates.
        evaluations: network evaluations per example (each Jacobian product counts as one more), the mean.
    """

    log_prob: Float[Tensor, " b"]
    standard_error: Float[Tensor, " b"]
    latent: State
    evaluations: float


class FlowSettings(TypedDict, total=False):
    """Settings of `log_likelihood`."""

    t: float | None
    probes: int | None
    rtol: float
    atol: float
    seed: int
    terminal: Density | None


def log_likelihood(
    model: ScoreModel,
    x: State,
    *,
    t: float | None = None,
    probes: int | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    seed: int = 0,
    terminal: Density | None = None,
) -> LogLikelihood:
    """Return log p_t(x) under the model's probability flow.

    Args:
        model: exact or learned.
        x: states at t, in the data's units; float64 for tight tolerances.
        t: the time of x; t_min, next to the data, when absent.
        probes: Rademacher probes of the trace; None takes the exact trace for up to 64 coordinates and 4 probes beyond.
        rtol: relative tolerance of the solver.
        atol: absolute tolerance of the solver.
        seed: of the probes; those of example i depend on (seed, i).
        terminal: the distribution at t_max. `ScoreModel.prior` when absent; the true one, where it is known, separates the solver's error
            from the mismatch of the prior.

    Cost: 1 + D (exact) or 1 + probes (estimated) evaluations' worth of work per evaluation of the ODE.

    Raises:
        ValueError: a time outside of the process.
    """
    x = _asked(model, x, "x")
    if len(x) < 1:
        raise ConfigError(f"x must be one or more states of shape (b, *d); received the shape {tuple(x.shape)}")
    low, high = model.process.t_min, model.process.t_max
    start = low if t is None else as_number(t)
    if not low <= start < high:
        raise ValueError(f"t must be a number in the process's [{low:g}, {high:g}); received {t!r:.80}")
    if terminal is not None:
        require(Density, terminal, "the terminal distribution", "Gaussian(...)")
    x = model.standardise(x)
    shrunk = 0.0 if model.units is None else model.units.log_volume(tuple(x.shape[1:]))
    size = math.prod(x.shape[1:])
    exact = probes is None and size <= _EXACT_UP_TO
    count = size if exact else whole(4 if probes is None else probes, "probes", 1)
    directions = _basis(x) if exact else _rademacher(x, count, seed)
    ends = torch.tensor([start, high], dtype=torch.float64)
    rows, used, products = _integrate_with_trace(model, x, ends, directions, rtol, atol)
    (alpha_t, alpha_max), _ = model.process.alpha_sigma(ends)
    latent = rows * like(alpha_max, rows)
    top = _log_prior(model, latent) if terminal is None else terminal.log_prob(latent)
    volume = size * (math.log(alpha_max.item()) - math.log(alpha_t.item()))
    trace = products.sum(1) if exact else products.mean(1)
    spread = torch.zeros_like(trace) if exact else _standard_error(products)
    return LogLikelihood(top + volume + trace - shrunk, spread, latent, used * (1 + count) * model.evaluations)


def _standard_error(products: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """Return the standard error of the mean over probes, which is unknown from one probe."""
    count = products.shape[1]
    return products.std(1) / math.sqrt(count) if count > 1 else torch.full_like(products[:, 0], math.nan)


def encode(model: ScoreModel, x: State, *, rtol: float = 1e-5, atol: float = 1e-5) -> State:
    """Return the latent at t_max that the probability flow sends to x: the inverse of `decode`."""
    x = _asked(model, floating(x) if isinstance(x, Tensor) else x, "x")  # pyright: ignore[reportUnnecessaryIsInstance]  arrays come
    return _transport(model, model.standardise(x), model.process.t_min, model.process.t_max, rtol, atol)


def decode(model: ScoreModel, latent: State, *, rtol: float = 1e-5, atol: float = 1e-5) -> State:
    """Return the state at t_min that the probability flow makes of a latent at t_max."""
    latent = _asked(model, floating(latent) if isinstance(latent, Tensor) else latent, "latent")  # pyright: ignore[reportUnnecessaryIsInstance]  arrays come
    return model.restore(_transport(model, latent, model.process.t_max, model.process.t_min, rtol, atol))


def _asked(model: ScoreModel, x: State, name: str) -> State:
    """Return the states that a model is asked for, checked as the model is."""
    require(ScoreModel, model, "the model", "Exact or a Denoiser")
    require_numbers(model)
    x = reals(x, name)
    if x.ndim < 2:
        raise ConfigError(f"{name} must be states of shape (b, *d); received the shape {tuple(x.shape)}")
    return x


def interpolate(a: State, b: State, steps: int) -> Float[Tensor, "steps b *d"]:
    """Return ``steps`` latents from a to b along great circles (slerp), which keep the norm that Gaussian latents have."""
    dtype = torch.promote_types(floating(a).dtype, floating(b).dtype)
    x, y = (
        flatten(v.to(torch.promote_types(dtype, torch.float32))) for v in (a, b)
    )  # of half precision no angle is left
    cosine = torch.nn.functional.cosine_similarity(x, y, dim=1).clamp(-1 + 1e-7, 1 - 1e-7)
    angle = torch.acos(cosine)[:, None]
    weights = torch.linspace(0, 1, whole(steps, "steps", 1), dtype=x.dtype, device=x.device)
    rows = [(torch.sin((1 - w) * angle) * x + torch.sin(w * angle) * y) / torch.sin(angle) for w in weights]
    return torch.stack(rows).reshape(steps, *a.shape).to(dtype)


@torch.no_grad()
def _transport(model: ScoreModel, x: State, start: float, stop: float, rtol: float, atol: float) -> State:
    """Return x carried along the probability flow from one time to another."""
    ends = torch.tensor([start, stop], dtype=torch.float64)
    (alpha_0, alpha_1), _ = model.process.alpha_sigma(ends)
    log_rho = torch.log(model.process.ratio(ends)).tolist()
    with evaluating(model), uncast(x.device):
        y, _ = integrate(probability_flow(model), x / like(alpha_0, x), *log_rho, rtol=rtol, atol=atol)
    return y * like(alpha_1, y)


def _integrate_with_trace(
    model: ScoreModel,
    x: State,
    ends: Float[Tensor, " 2"],
    directions: Float[Tensor, "k b *d"],
    rtol: float,
    atol: float,
) -> tuple[State, float, Float[Tensor, "b k"]]:
    """Return y at the last time, the ODE's evaluations, and ∫ vᵀ J v du for every direction v."""
    k = len(directions)
    (alpha, _), _ = model.process.alpha_sigma(ends)
    flow = probability_flow(model)
    state = torch.cat([flatten(x / like(alpha, x)), torch.zeros(len(x), k, dtype=x.dtype, device=x.device)], dim=1)
    size = flatten(x).shape[1]

    def slope(state: Tensor, log_rho: Tensor, rows: Tensor) -> Tensor:
        y = state[:, :size].reshape(-1, *x.shape[1:])
        value, products = _value_and_products(lambda y: flow(y, log_rho, rows), y, directions[:, rows])
        return torch.cat([flatten(value), products], dim=1)

    with torch.no_grad(), evaluating(model), uncast(x.device):
        log_rho = torch.log(model.process.ratio(ends)).tolist()
        end, used = integrate(slope, state, *log_rho, rtol=rtol, atol=atol)
    return end[:, :size].reshape(x.shape), used.mean().item(), end[:, size:]


def _value_and_products(
    function: Callable[[State], State], y: State, directions: Float[Tensor, "k b *d"]
) -> tuple[State, Float[Tensor, "b k"]]:
    """Return f(y) and vᵀ J v for every direction, by one forward and k backward passes."""
    with recording():
        y = as_constant(y).detach().requires_grad_(True)
        value = function(y)
        products = []
        for k, v in enumerate(directions):
            try:
                (pulled,) = torch.autograd.grad(value, y, v, retain_graph=k + 1 < len(directions))
            except RuntimeError as error:
                if "donated buffers" not in str(error):
                    raise
                raise ConfigError(
                    "the network was compiled for one backward pass, and a likelihood takes several: give the network itself, or set "
                    "torch._functorch.config.donated_buffer = False before it is compiled"
                ) from error
            products.append(flatten(pulled * v).sum(1))
    return value.detach(), torch.stack(products, dim=1)


def _basis(x: State) -> Float[Tensor, "k b *d"]:
    """Return the unit vectors, for every row."""
    size = math.prod(x.shape[1:])
    eye = torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, 1, *x.shape[1:])
    return eye.expand(size, *x.shape)


def _rademacher(x: State, count: int, seed: int) -> Float[Tensor, "k b *d"]:
    """Return random signs; those of row i are a function of (seed, i)."""
    noise = Noise(range(len(x)), (count, *x.shape[1:]), stream=f"probe {whole(seed, 'seed')}")
    return (1 - 2 * (noise.normal() < 0).to(x)).transpose(0, 1)


def _log_prior(model: ScoreModel, latent: State) -> Float[Tensor, " b"]:
    """Return log of the prior's density, that of the Gaussian where sampling starts."""
    prior = model.prior(model.process.t_max)
    mean, std = prior.mean.to(latent), prior.std.to(latent)
    log_normaliser = torch.log(std * math.sqrt(2 * math.pi)).expand(latent.shape[1:]).sum()
    return -0.5 * flatten((latent - mean) / std).square().sum(1) - log_normaliser
