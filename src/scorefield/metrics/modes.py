r"""Does a sample have every mode of a mixture in its right share, and does a chain go from one to another?

Sample x belongs to the mode of largest responsibility, so the shares to expect are those the regions have under the mixture, estimated by
its own draws where modes overlap.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from scorefield._tensors import flatten
from scorefield.densities import GaussianMixture

__all__ = ["ModeWeights", "mode_jumps", "mode_weights"]

_REFERENCE = 200_000  # draws behind the expected shares


@dataclass(frozen=True)
class ModeWeights:
    """Shares of the modes of a mixture among samples.

    Attributes:
        n: samples counted.
        shares: of each mode, with the ends ``low`` and ``high`` of the 95 % Wilson interval.
        expected: share of each mode's region under the mixture.
        p_value: of the χ² test that counts follow ``expected``.
    """

    n: int
    shares: list[float]
    low: list[float]
    high: list[float]
    expected: list[float]
    p_value: float


def mode_weights(x: Float[Tensor, "n *d"], mixture: GaussianMixture, *, seed: int = 0) -> ModeWeights:
    """Return the shares of the modes of ``mixture`` among samples x.

    Args:
        x: samples; rows that are not finite are refused.
        mixture: whose modes.
        seed: of the draws that tell which share each region should have.
    """
    counts = _counts(x, mixture)
    n = int(counts.sum())
    generator = torch.Generator().manual_seed(seed)
    reference = _counts(mixture.sample(_REFERENCE, generator), mixture).double() / _REFERENCE
    intervals = [stats.binomtest(int(k), n).proportion_ci(method="wilson") for k in counts]
    return ModeWeights(
        n=n,
        shares=(counts / n).tolist(),
        low=[i.low for i in intervals],
        high=[i.high for i in intervals],
        expected=reference.tolist(),
        p_value=_homogeneity_p(counts, (reference * _REFERENCE).round()),
    )


def mode_jumps(trajectory: Float[Tensor, "frames n *d"], mixture: GaussianMixture) -> float:
    """Return how often a chain changes its mode: jumps per transition, over all chains of `Samples.trajectory`."""
    frames, n = trajectory.shape[:2]
    if frames < 2:
        raise ValueError(f"jumps need a trajectory of at least two frames; received {frames}")
    mode = _modes(trajectory.flatten(0, 1), mixture).reshape(frames, n)
    return (mode.diff(dim=0) != 0).double().mean().item()


def _modes(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """Return the index of the mode each row belongs to."""
    if not torch.isfinite(flatten(x)).all():
        raise ValueError("samples hold values that are not finite: no mode can claim them")
    return torch.cat([mixture.responsibilities(part.double()).argmax(dim=1) for part in x.split(16_384)])


def _counts(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """Return how many rows belong to each mode."""
    return torch.bincount(_modes(x, mixture), minlength=len(mixture.weights))


def _homogeneity_p(counts: Tensor, reference: Tensor) -> float:
    """Return the χ² p-value that two tables of counts come from the same shares; cells empty in both are left out."""
    table = torch.stack([counts.double(), reference.double()])
    table = table[:, table.sum(dim=0) > 0]
    return float(stats.chi2_contingency(table.numpy())[1]) if table.shape[1] > 1 else 1.0  # pyright: ignore[reportArgumentType]
