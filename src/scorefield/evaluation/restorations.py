"""Restorations of a measured image: how they are drawn by each method, and their errors beside the truth."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield._noise import derive_seed
from scorefield.config import RunConfig
from scorefield.guidance import DPS, Inpaint, LinearGaussian, LinearOperator, Particles, RePaint
from scorefield.metrics import ImageJudge
from scorefield.models import ScoreModel
from scorefield.sampling import Sampler

_SIGMA_DATA = 0.5  # where the model states none: no values in [0, 1] have a larger standard deviation


def measured(x: Float[Tensor, "1 *d"], A: LinearOperator, noise: float, seed: int) -> Float[Tensor, "1 *m"]:
    """Return y = A x + noise z, where z is standard normal, drawn by the seed."""
    y = A.apply(x)
    generator = torch.Generator().manual_seed(derive_seed(seed, "measurement"))
    return y + noise * torch.randn(y.shape, generator=generator)


def deviation(config: RunConfig) -> float:
    """Return the standard deviation of the data in the model's coordinates, or 0.5 if the configuration does not state it."""
    return getattr(config.model, "sigma_data", None) or _SIGMA_DATA


def conditioned(
    method: str,
    model: ScoreModel,
    sampler: Sampler,
    truth: Float[Tensor, "1 *d"],
    A: LinearOperator,
    y: Float[Tensor, "1 *m"],
    hidden: Bool[Tensor, "..."] | None,
    *,
    sigma_data: float,
    noise: float,
    resample: int = 10,
    zeta: float = 1.0,
    particles: int = 16,
) -> tuple[ScoreModel, Sampler]:
    """Return the model and the sampler that restore a measured example by ``method``; settings are those of the methods' classes.

    "replace" and "repaint" keep the part of the truth that is not ``hidden``; "pigdm", "dps" and "particles" use y. ``truth``, ``A``,
    ``y`` and ``hidden`` are those of `compared`; ``sigma_data`` is `deviation` of the model's configuration.
    """
    if hidden is not None and method in ("replace", "repaint"):
        model = Inpaint(model, truth, ~hidden)
        return model, RePaint(sampler, resample) if method == "repaint" else sampler
    model = LinearGaussian(model, A, y, noise, sigma_data)
    if method == "dps":
        return model, DPS(sampler, zeta)
    return model, Particles(particles) if method == "particles" else sampler


def compared(
    x: Float[Tensor, "n *d"],
    truth: Float[Tensor, "1 *d"],
    A: LinearOperator,
    y: Float[Tensor, "1 *m"],
    *,
    hidden: Bool[Tensor, "..."] | None = None,
    judge: ImageJudge | None = None,
) -> dict[str, Any]:
    """Return how far restorations are from the truth, from each other and from the measurement, as JSON values.

    Errors and diversity, the root mean square difference of two restorations, are taken over the hidden part if there is one; the misfit is
    the root mean square of y − A x. ``agreement`` is the share of restorations that the judge reads as it reads the truth.

    Args:
        x: restorations.
        truth: the example that was measured.
        A: the measurement's operator.
        y: the measurement.
        hidden: true for pixels, or coordinates, that were not measured.
        judge: a classifier of images.
    """
    where = torch.ones_like(truth[0], dtype=torch.bool)
    where = where if hidden is None else hidden.expand_as(where)
    name = "mse" if hidden is None else "masked_mse"
    seen = x[:, where].double()
    errors = (seen - truth[:, where]).square().mean(1)
    read = None if judge is None else judge.probabilities(torch.cat([truth, x])).argmax(1)
    return {
        "hidden": round(where.double().mean().item(), 4) if hidden is not None else None,
        name: [round(error, 6) for error in errors.tolist()],
        f"{name}_mean": round(errors.mean().item(), 6),
        "diversity": round((torch.pdist(seen) / seen.shape[1] ** 0.5).mean().item(), 6) if len(x) > 1 else None,
        "misfit": (A.apply(x) - y).double().square().mean().sqrt().item(),
        "digit": None if read is None else int(read[0]),
        "agreement": None if read is None else (read[1:] == read[0]).double().mean().item(),
    }
