r"""Distances between two distributions of features, such as a judge's of images.

Fréchet    ‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)                   W₂² between Gaussians of these moments
kernel     E k(A, A′) + E k(B, B′) − 2 E k(A, B),   k(u, v) = (u·v/d + 1)³   MMD², which sees third moments too

With features of Inception these are FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018). With other features they are other numbers:
print them under other names, and compare them at equal n, for the Fréchet distance of two samples of one distribution is about C/n, not 0.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.metrics.estimate import Estimate, pair
from scorefield.metrics.resampling import half_sampling
from scorefield.metrics.two_sample import kernel_mmd


def frechet_distance(
    features_a: Float[Tensor, "n f"], features_b: Float[Tensor, "m f"], *, replicates: int = 20, seed: int = 0
) -> Estimate:
    """Return the Fréchet distance in float64, with sample means and unbiased sample covariances.

    Covariances need not be of full rank, so n may be smaller than f; the distance is then dominated by its bias. The error is that of
    `half_sampling` both sides, and excludes the bias: compare with the distance of two samples of data at the same n. Where the
    distributions agree, the distance is all bias and the error some two times too large.

    Args:
        features_a: one row per sample.
        features_b: of the same features, not necessarily as many.
        replicates: halves behind the error.
        seed: of the halves.

    Cost: O((n + m) f² + f³) for the value and each replicate.
    """
    a, b = pair(features_a, features_b)
    (found,) = half_sampling(_frechet, a.cpu(), b.cpu(), replicates=replicates, seed=seed)
    return found


def kernel_distance(features_a: Float[Tensor, "n f"], features_b: Float[Tensor, "m f"]) -> Estimate:
    """Return MMD² under the cubic kernel: unbiased at any n, so negative at times when the distributions agree.

    All pairs are used. KID as published averages the same estimate over random subsets of 1000, which has the same expectation, a larger
    spread, and quotes the spread over subsets where this gives a standard error.

    Cost: O((n + m)² f), in bounded memory.
    """
    a, b = pair(features_a, features_b)
    return kernel_mmd(lambda u, v: (u @ v.T / u.shape[1] + 1) ** 3, a, b)


def _frechet(a: Float[Tensor, "n f"], b: Float[Tensor, "m f"]) -> tuple[float]:
    """Return the distance; what rounding leaves below zero is zero. The trace of a root is the sum of the roots of the eigenvalues."""
    a, b = a.double(), b.double()
    cov_a, cov_b = (torch.atleast_2d(torch.cov(x.T)) for x in (a, b))
    shared = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
    return (max(0.0, ((a.mean(0) - b.mean(0)).square().sum() + (cov_a + cov_b).trace() - 2 * shared).item()),)
