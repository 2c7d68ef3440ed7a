r"""Do samples lie where data lie, and everywhere data lie? Balls out to the k-th neighbour stand for the support of a distribution.

    B(x_i; X) = {z : ‖z − x_i‖ ≤ distance from x_i to its k-th nearest neighbour in X}

    precision = share of samples y_j in some B(x_i; X)         recall   = share of data x_i in some B(y_j; Y)
    density   = 1/(k m) Σ_j Σ_i 1[y_j ∈ B(x_i; X)]             coverage = share of data x_i whose B(x_i; X) holds some y_j

for n data X and m samples Y (Kynkäänniemi et al. 2019, Eq. 1-2; Naeem et al. 2020, Eq. 3-4). Samples that miss modes of the data lose
recall and coverage, samples outside of the data lose precision and density. When the distributions agree E density = 1 exactly, and
E coverage = 1 − Π_{l=1…k} (n − l)/(m + n − l), which is 1 − 2^{−k} nearly when m = n; precision and recall are equal, but not 1.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield._checks import whole
from scorefield.metrics.estimate import Estimate
from scorefield.metrics.resampling import half_sampling
from scorefield.metrics.two_sample import near_zero

_ROWS = 1024  # rows of a matrix of distances held at a time
_ROUNDING = 2e-14  # of squared distances, in units of the squared lengths they are differences of


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]."""

    precision: Estimate
    recall: Estimate


class DensityCoverage(NamedTuple):
    """Density may exceed 1, where samples crowd; coverage is a share."""

    density: Estimate
    coverage: Estimate


def precision_recall(
    samples: Float[Tensor, "m *d"], data: Float[Tensor, "n *d"], *, k: int = 3, replicates: int = 20, seed: int = 0
) -> PrecisionRecall:
    """Return improved precision and recall, with the errors of `half_sampling` both sides.

    Args:
        samples: compared as flat vectors; of images, features are what one wants.
        data: of the same event; as many as samples, if precision and recall are to be compared with each other.
        k: the neighbour that bounds a ball.
        replicates: halves behind the errors.
        seed: of the halves.

    Cost: O((m + n)² D), in bounded memory, and a quarter of that for each replicate.

    Raises:
        ValueError: samples that cannot be compared, or halves of fewer than k + 1.
    """
    y, x = _pair(samples, data, k)

    def both(y: Tensor, x: Tensor) -> tuple[float, float]:
        return _held(y, x, _radii(x, k)), _held(x, y, _radii(y, k))

    return PrecisionRecall(*half_sampling(both, y, x, replicates=replicates, seed=seed))


def density_coverage(
    samples: Float[Tensor, "m *d"], data: Float[Tensor, "n *d"], *, k: int = 5, replicates: int = 20, seed: int = 0
) -> DensityCoverage:
    """Return density and coverage; arguments, cost, errors are those of `precision_recall`."""
    y, x = _pair(samples, data, k)

    def both(y: Tensor, x: Tensor) -> tuple[float, float]:
        pairs, reached = 0, torch.zeros(len(x), dtype=torch.bool)
        for inside in _inside(y, x, _radii(x, k)):
            pairs += int(inside.sum())
            reached |= inside.any(dim=0)
        return pairs / (k * len(y)), reached.double().mean().item()

    return DensityCoverage(*half_sampling(both, y, x, replicates=replicates, seed=seed))


def _pair(samples: Tensor, data: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return both as rows on the processor, if they have that many neighbours."""
    y, x = near_zero(samples, data)
    if whole(k, "k") < 1 or min(len(y), len(x)) < 2 * (k + 1):
        raise ValueError(f"k = {k} neighbours need k ≥ 1 and 2 (k + 1) rows of each; received {len(y)} and {len(x)}")
    return y.cpu(), x.cpu()


def _radii(x: Float[Tensor, "n D"], k: int) -> Float[Tensor, " n"]:
    """Return the distance of each row to its k-th nearest neighbour among the others."""
    nearest = [torch.cdist(part, x).topk(k + 1, largest=False).values for part in x.split(_ROWS)]
    return torch.cat(nearest)[:, k]  # the nearest of all, at column 0, is the row itself


def _inside(
    points: Float[Tensor, "m D"], centres: Float[Tensor, "n D"], radii: Float[Tensor, " n"]
) -> Iterator[Bool[Tensor, "part n"]]:
    """Yield which balls hold which points, some points at a time; one at the radius but for rounding is held, as equal values often are."""
    reach = radii.square() + _ROUNDING * centres.square().sum(dim=1)
    for part in points.split(_ROWS):
        yield torch.cdist(part, centres).square() <= reach + _ROUNDING * part.square().sum(dim=1, keepdim=True)


def _held(points: Float[Tensor, "m D"], centres: Float[Tensor, "n D"], radii: Float[Tensor, " n"]) -> float:
    """Return the share of the points that some ball holds."""
    return torch.cat([inside.any(dim=1) for inside in _inside(points, centres, radii)]).double().mean().item()
