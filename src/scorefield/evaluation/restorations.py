"""Restorations of a measured image beside the truth: their errors, how they differ, whether they agree with the measurement."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield.guidance import LinearOperator
from scorefield.metrics import ImageJudge

__all__ = ["compared"]


def compared(
    x: Float[Tensor, "n *d"],
    truth: Float[Tensor, "1 *d"],
    A: LinearOperator,
    y: Float[Tensor, "1 *m"],
    *,
    hidden: Bool[Tensor, "..."] | None = None,
    judge: ImageJudge | None = None,
) -> dict[str, Any]:
    """Return how far restorations are from the truth, from each other and from the measurement, as JSON has it.

    Errors and diversity, the root mean square difference of two restorations, are over what is hidden if anything is; the misfit is the
    root mean square of y − A x. ``agreement`` is the share of restorations that the judge reads as it reads the truth.

    Args:
        x: restorations.
        truth: what was measured.
        A: how.
        y: with what result.
        hidden: pixels, or coordinates, of which y says nothing.
        judge: reads images.
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
