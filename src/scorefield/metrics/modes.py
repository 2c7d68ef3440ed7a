r"""Does a sample have every mode of a mixture, or every class, in its right share, and does a chain go from one mode to another?

Sample x belongs to the mode of largest responsibility, so the shares to expect are those the regions have under the mixture, estimated by
its own draws where modes overlap. Classes are read by a classifier; its mistakes are part of the shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scorefield._checks import numbers, require
from scorefield._noise import generator_at
from scorefield.densities import GaussianMixture
from scorefield.metrics.estimate import Estimate, share
from scorefield.models import label_rows

_REFERENCE = 200_000  # draws behind the expected shares


@dataclass(frozen=True)
class ModeWeights:
    """Shares of the modes of a mixture, or of classes, among samples.

    Attributes:
        n: samples counted.
        shares: of each mode, with the ends ``low`` and ``high`` of the 95 % Wilson interval.
        expected: share of each mode's region under the mixture, or of each class as given.
        p_value: of the χ² test that counts follow ``expected``.
    """

    n: int
    shares: list[float]
    low: list[float]
    high: list[float]
    expected: list[float]
    p_value: float

    def share(self, k: int) -> Estimate:
        """Return the share of the k-th."""
        return share(round(self.shares[k] * self.n), self.n)


def mode_weights(x: Float[Tensor, "n *d"], mixture: GaussianMixture, *, seed: int = 0) -> ModeWeights:
    """Return the shares of the modes of ``mixture`` among samples x.

    Args:
        x: samples; rows that are not finite are refused.
        mixture: whose modes.
        seed: of the draws that tell which share each region should have.
    """
    counts = _counts(x, mixture)
    reference = _counts(mixture.sample(_REFERENCE, generator_at(seed)), mixture)
    return _weights(counts, reference.double() / _REFERENCE, _homogeneity_p(counts, reference))


def class_shares(labels: Int[Tensor, " n"], expected: Sequence[float]) -> ModeWeights:
    """Return the shares of the classes 0 … k − 1 among ``labels``, tested against the k shares they should have.

    Args:
        labels: one class number per sample, such as a classifier's.
        expected: shares that sum to 1, such as those of the training set (``torch.bincount(labels) / n``).

    Raises:
        ValueError: no labels, a label beyond the classes, or shares that are negative or do not sum to 1.
    """
    labels, shares = label_rows(numbers(labels, "labels")), numbers(expected, "expected").double()
    if shares.ndim != 1 or (shares < 0).any() or abs(shares.sum().item() - 1) > 1e-6:
        raise ValueError(f"expected shares must be positive numbers, one per class, that sum to 1; received {expected}")
    if labels.max() >= len(shares):
        raise ValueError(
            f"labels must be class numbers from 0 to {len(shares) - 1}; received {len(labels)}, the largest {labels.max().item()}"
        )
    counts = torch.bincount(labels.cpu(), minlength=len(shares))
    return _weights(counts, shares, _fit_p(counts, shares))


def _weights(counts: Tensor, expected: Tensor, p_value: float) -> ModeWeights:
    """Return shares with their intervals."""
    n = int(counts.sum())
    intervals = [share(int(k), n).interval for k in counts]
    return ModeWeights(
        n=n,
        shares=(counts.double() / n).tolist(),
        low=[low for low, _ in intervals],
        high=[high for _, high in intervals],
        expected=expected.tolist(),
        p_value=p_value,
    )


def mode_jumps(trajectory: Float[Tensor, "frames n *d"], mixture: GaussianMixture) -> float:
    """Return how often a chain changes its mode: jumps per transition, over all chains of `Samples.trajectory`."""
    trajectory = numbers(trajectory, "trajectory")
    frames, n = (*trajectory.shape, 0, 0)[:2]
    if frames < 2 or trajectory.ndim < 3:
        raise ValueError(
            f"jumps need a trajectory of at least two frames, (frames, n, *d); received the shape {tuple(trajectory.shape)}"
        )
    mode = _modes(trajectory.flatten(0, 1), mixture).reshape(frames, n)
    return (mode.diff(dim=0) != 0).double().mean().item()


def _modes(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """Return the index of the mode each row belongs to."""
    require(GaussianMixture, mixture, "the mixture whose modes are counted", "GaussianMixture.ring()")
    x = numbers(x, "x")
    if not len(x):
        raise ValueError(f"samples must be one or more; received the shape {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(
            "samples hold values that are not finite, which belong to no mode: drop those samples, and say that you did"
        )
    return torch.cat([mixture.responsibilities(part.double()).argmax(dim=1) for part in x.split(16_384)])


def _counts(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """Return how many rows belong to each mode."""
    return torch.bincount(_modes(x, mixture), minlength=len(mixture.weights))


def _homogeneity_p(counts: Tensor, reference: Tensor) -> float:
    """Return the χ² p-value that two tables of counts come from the same shares; cells empty in both are left out."""
    from scipy import stats

    table = torch.stack([counts.double(), reference.double()])
    table = table[:, table.sum(dim=0) > 0]
    return float(stats.chi2_contingency(table.numpy())[1]) if table.shape[1] > 1 else 1.0  # pyright: ignore[reportArgumentType]


def _fit_p(counts: Tensor, expected: Tensor) -> float:
    """Return the χ² p-value that counts follow known shares; one count where the share is 0 refutes them."""
    from scipy import stats

    possible = expected > 0
    if counts[~possible].any():
        return 0.0
    if possible.sum() == 1:
        return 1.0
    shares = expected[possible] / expected.sum()
    return float(stats.chisquare(counts[possible].numpy(), (shares * counts.sum()).numpy()).pvalue)
