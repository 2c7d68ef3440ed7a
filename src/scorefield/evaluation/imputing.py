r"""Rows with gaps: what is missing is drawn from the model's distribution conditioned on what is known.

Rows with the same gaps are one measurement, y = their known coordinates, whose posterior `Particles` draw; a row without anything known is
a draw of the model itself. In the model's own coordinates the known are taken to be measured with noise of a hundredth of the data's
standard deviation, so that what a network errs near the data does not decide which particle is kept.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield._checks import broadcasts, numbers, require, whole
from scorefield._tensors import as_time, home
from scorefield.errors import ConfigError
from scorefield.grids import Grid, Karras
from scorefield.guidance import LinearGaussian, Mask, Particles
from scorefield.models import ScoreModel
from scorefield.samplers import Ancestral
from scorefield.sampling import Sampler, Transition, sample
from scorefield.units import INSIDE

_NOISE = 0.01  # of the known, in standard deviations of the data
_USUAL = Karras(100)


def impute(
    model: ScoreModel,
    x: Float[Tensor, "n *d"],
    *,
    grid: Grid | Float[Tensor, " t"] = _USUAL,
    particles: int = 16,
    seed: int = 0,
    batch_size: int = 256,
    on_step: Callable[[Transition], object] | None = None,
) -> Float[Tensor, "n *d"]:
    """Return rows in which every NaN is replaced by a draw from p(missing | known); all else stays as it was, bit for bit.

    What is drawn for row i depends on the seed, i, and the row alone. Other seeds give other imputations, whose spread is what the known
    leave open.

    Args:
        model: exact or learned, of the data whose rows they are.
        x: in the data's units.
        grid: as for `sample`; the steps should be many, since they are guided. Where the known leave a fifth of a column's deviation
            open, draws of 100 steps vary 11 % too much (variance, n = 2500, ± 3 %), of 300 steps 2 %.
        particles: how many for each row; with more, draws come nearer to the distribution.
        seed: of all draws.
        batch_size: rows drawn at a time.
        on_step: as for `sample`.

    Cost: two evaluations of the model for each row with gaps, particle and step.

    Raises:
        ConfigError: rows that hold infinite numbers, or have not the model's shape.

    >>> from scorefield.evaluation import impute
    >>> plane = sf.Exact(sf.Gaussian([3.0, 0.0]), sf.VE(0.01, 10.0))
    >>> impute(plane, torch.tensor([[torch.nan, 0.25]]))[0, 1]
    tensor(0.2500)
    """
    require(ScoreModel, model, "the model that fills gaps", "Exact or a Denoiser")
    x, seed = numbers(x, "x"), whole(seed, "seed", 0, 2**31 - 1)
    if x.ndim < 2 or x.isinf().any():
        raise ConfigError(
            f"x must be rows of shape (n, *d), NaN where a number is missing; received {tuple(x.shape)} with {int(x.isinf().sum())} "
            "infinite numbers"
        )
    event = model.prior(as_time(model.process.t_max)).mean.shape
    if not broadcasts(event, x.shape[1:]):
        raise ConfigError(f"x must be rows of the model's events, of shape {tuple(event)}; received {tuple(x.shape)}")
    given = x.to(home(model))
    drawn, missing, own = model.standardise(given).to(torch.float32, copy=True), given.isnan(), model.in_units(None)
    spread = INSIDE if model.moments is None else model.moments.std.square().mean().sqrt().item()
    for gaps in missing.unique(dim=0):
        rows, known = (missing == gaps).flatten(1).all(1).nonzero().flatten(), ~gaps
        if known.all():
            continue
        drawn[rows] = sample(
            *_steered(own.rows(rows), known, drawn[rows][:, known], spread, particles),
            (len(rows), *x.shape[1:]),
            grid=grid,
            seeds=[(seed << 32) + row for row in rows.tolist()],
            batch_size=batch_size,
            on_step=on_step,
        ).x
    return torch.where(x.isnan(), model.restore(drawn).to(x), x)


def _steered(
    model: ScoreModel, known: Bool[Tensor, "*d"], y: Float[Tensor, "n k"], spread: float, particles: int
) -> tuple[ScoreModel, Sampler]:
    """Return the model conditioned on the known coordinates, if there are some, and what draws from it."""
    if not known.any():
        return model, Ancestral()
    return LinearGaussian(model, Mask(known), y, _NOISE * spread, spread), Particles(particles)
