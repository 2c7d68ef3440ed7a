r"""How far a score is from the truth, and how far samples are from a score.

    noise error    E_t E ‖ẑ_θ(x_t, t) − ẑ(x_t, t)‖² / D  =  E_t σ_t² E ‖s_θ − ∇ log p_t‖² / D       t log-uniform in σ/α
    KSD²           E u(X, X′),   u = sₓ·s_y k + sₓ·∇_y k + s_y·∇ₓ k + ∇ₓ·∇_y k

with s the score and u its Stein kernel over k(x, y) = (c² + ‖x − y‖²)^{−½} (Gorham & Mackey 2017).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, called, numbers, positive, require, whole
from scorefield._noise import generator_at, standard_normal
from scorefield._tensors import evaluating, flatten, sum_event
from scorefield.densities import Density, Similarity
from scorefield.grids import LogSNR
from scorefield.metrics.estimate import Estimate, mean, rows, u_statistic
from scorefield.models import Exact, ScoreModel, same_shape
from scorefield.units import Units


@torch.no_grad()
def fisher_divergence(
    model: ScoreModel, target: Density, *, t: float | None = None, n: int = 10_000, seed: int = 0
) -> Estimate:
    """Return the σ²-weighted Fisher divergence of a model to a known distribution, per coordinate.

    It is the mean squared error of the model's noise estimate: 0 for the exact score, about 1 for a model that knows nothing.

    Args:
        model: exact or learned, under any process.
        target: the distribution of x_0.
        t: the one time to look at; every noise level of the process counts alike when absent.
        n: draws of (x_0, t, z).
        seed: of the draws.

    Cost: n evaluations of the model and of the exact score.
    """
    require(ScoreModel, model, "the model", "Exact or a Denoiser")
    require(Density, target, "the target", "GaussianMixture.ring()")
    whole(n, "n", 2)
    process, generator = model.process, generator_at(seed)
    if t is not None and not process.t_min <= as_number(t) <= process.t_max:
        raise ValueError(f"t must lie in the process's [{process.t_min:g}, {process.t_max:g}]; received {t!r:.80}")
    x0 = target.sample(n, generator)
    times = (
        LogSNR(n - 1).times(process)[torch.randperm(n, generator=generator)]
        if t is None
        else torch.full((n,), float(t)).double()
    )
    x_t = process.perturb(model.standardise(x0), times, standard_normal(x0, generator))
    with evaluating(model):
        gap = model.noise(x_t, times)
    gap = gap - Exact(_standardised(target, model.units), process).noise(x_t, times)
    return mean(sum_event(gap**2) / gap[0].numel())


def _standardised(target: Density, units: Units | None) -> Density:
    """Return the distribution of (X − m)/c."""
    if units is None:
        return target
    if units.scale.numel() > 1:
        raise ValueError(
            "the target is known in closed form under one scale for all coordinates; the model has one for each"
        )
    c = units.scale.item()
    return Similarity(target, 1 / c, shift=-units.location / c)


def kernel_stein_discrepancy(
    x: Float[Tensor, "n *d"], score: Callable[[Tensor], Tensor], *, scale: float = 1.0
) -> Estimate:
    """Return KSD² of samples to the distribution whose score is given: no samples of that distribution and no normaliser are needed.

    Args:
        x: samples.
        score: x ↦ ∇ log p(x), a density's ``score`` or ``lambda x: model.score(x, t)``.
        scale: c of the kernel, in the units of x. The score sees a mode's shape and is blind to the weights of modes far
            apart compared with it: check those with `mode_weights`.

    Cost: n evaluations of the score and O(n² D), in bounded memory.
    """
    positive(scale=scale)
    called(score, "score", "a density's .score or lambda x: model.score(x, t)")
    x = numbers(x, "x")
    points = rows(x, "x")
    with torch.no_grad():
        gradient = flatten(same_shape(score(x), x, score)).double()
    points, d = points - points.mean(dim=0), points.shape[1]  # near 0, where squares of distances keep their digits

    def stein(u: Tensor, v: Tensor) -> Tensor:
        (x, s), (y, r) = u.split(d, dim=1), v.split(d, dim=1)
        square = torch.cdist(x, y).square()
        q = scale**2 + square
        # s·(x − y) and r·(x − y) for all pairs, without the (n, m, D) differences.
        along_s = (s * x).sum(1)[:, None] - s @ y.T
        along_r = x @ r.T - (r * y).sum(1)[None, :]
        return (s @ r.T) * q**-0.5 + (along_s - along_r + d) * q**-1.5 - 3 * square * q**-2.5

    return u_statistic(stein, torch.cat([points, gradient], dim=1))
