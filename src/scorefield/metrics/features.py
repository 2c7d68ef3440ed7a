r"""Distances between two laws of features, such as a judge's of images.

Fréchet    ‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)                   W₂² between Gaussians of these moments
kernel     E k(A, A′) + E k(B, B′) − 2 E k(A, B),   k(u, v) = (u·v/d + 1)³   MMD², which sees third moments too

With features of Inception these are FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018). With other features they are other numbers:
print them under other names, and compare them at equal n, for the Fréchet distance of two samples of one law is about C/n, not 0.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from scorefield._errors import needing
from scorefield.metrics.estimate import Estimate
from scorefield.metrics.resampling import half_sampling
from scorefield.metrics.two_sample import kernel_mmd, pair

__all__ = ["frechet_distance", "kernel_distance", "require_fid"]


def frechet_distance(
    features_a: Float[Tensor, "n f"], features_b: Float[Tensor, "m f"], *, replicates: int = 20, seed: int = 0
) -> Estimate:
    """Return the Fréchet distance by torchmetrics, in float64, with sample means and unbiased sample covariances.

    Covariances need not be of full rank, so n may be smaller than f; the distance is then dominated by its bias. The error is that of
    `half_sampling` both sides, and excludes the bias: lay the distance of two samples of data, at the same n, beside it. Where the laws
    agree, the distance is all bias and the error some two times too large.

    Args:
        features_a: one row per sample.
        features_b: of the same features, not necessarily as many.
        replicates: halves behind the error.
        seed: of the halves.

    Cost: O((n + m) f² + f³) for the value and each replicate. Needs the ``metrics`` extra.
    """
    a, b = pair(features_a, features_b)
    (found,) = half_sampling(_frechet, a.cpu(), b.cpu(), replicates=replicates, seed=seed)
    return found


def kernel_distance(features_a: Float[Tensor, "n f"], features_b: Float[Tensor, "m f"]) -> Estimate:
    """Return MMD² under the cubic kernel: unbiased at any n, so negative at times when the laws agree.

    All pairs are used. KID as published averages the same estimate over random subsets of 1000, which has the same expectation, a larger
    spread, and quotes the spread over subsets where this gives a standard error.

    Cost: O((n + m)² f), in bounded memory.
    """
    a, b = pair(features_a, features_b)
    return kernel_mmd(lambda u, v: (u @ v.T / u.shape[1] + 1) ** 3, a, b)


def require_fid() -> None:
    """Refuse to begin what will need Fréchet distances where they cannot be computed.

    Raises:
        MissingExtraError: torchmetrics is missing or broken.
    """
    _torchmetrics_fid()


def _frechet(a: Float[Tensor, "n f"], b: Float[Tensor, "m f"]) -> tuple[float]:
    """Return the distance; what rounding leaves below zero is zero."""
    metric = _torchmetrics_fid()(feature=_Given(a.shape[1]))
    metric.update(a, real=False)
    metric.update(b, real=True)
    return (max(0.0, metric.compute().item()),)


class _Given(nn.Identity):
    """The extractor of features that are there already; torchmetrics asks how many."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features


def _torchmetrics_fid() -> Any:  # noqa: ANN401 the class
    """Return torchmetrics' class, imported when first asked for: that takes seconds."""
    with needing("Fréchet distances", "torchmetrics"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    return FrechetInceptionDistance
