r"""How far samples are from a mixture whose characteristic function is known, so that no second sample adds noise.

    MMD² = E_w |φ_x(w) − φ(w)|²,   w ~ N(0, I/h²),   φ(w) = Σ_k w_k exp(i wᵀαμ_k − ½ wᵀ(α²Σ_k + σ²I) w)

is the maximum mean discrepancy under the Gaussian kernel of bandwidth h (Bochner's theorem; Rahimi & Recht 2007), over a fixed set of
frequencies. |φ_x|² of n samples is too large by (1 − |φ_x|²)/n on average, which is taken off: the estimate is unbiased.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate

__all__ = ["mmd_to"]

_FREQUENCIES = 200
_BLOCKS = 20


def mmd_to(law: sf.GaussianMixture, x: Float[Tensor, "n *d"], bandwidth: float, *, seed: int = 0) -> Estimate:
    """Return MMD² between samples x and a mixture, with the standard error over twenty blocks of samples.

    Args:
        law: the mixture, with diagonal covariances.
        x: at least forty samples.
        bandwidth: h, the length at which differences count.
        seed: of the frequencies.
    """
    rows = x.flatten(1).double()
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(_FREQUENCIES, rows.shape[1], generator=generator, dtype=torch.float64) / bandwidth
    truth = _characteristic(law, w)
    phases = rows @ w.T
    waves = torch.complex(phases.cos(), phases.sin())
    # The jackknife over blocks: the square of a mean is not a mean of squares.
    total = waves.sum(dim=0)
    whole = _unbiased(total, len(rows), truth)
    parts = waves[: len(rows) // _BLOCKS * _BLOCKS].reshape(_BLOCKS, -1, _FREQUENCIES).sum(dim=1)
    size = len(rows) // _BLOCKS
    left_out = torch.stack([_unbiased(total - part, len(rows) - size, truth) for part in parts])
    error = ((_BLOCKS - 1) / _BLOCKS * (left_out - left_out.mean()).square().sum()).sqrt()
    return Estimate(whole.item(), error.item())


def _unbiased(total: Complex[Tensor, " f"], n: int, truth: Complex[Tensor, " f"]) -> Float[Tensor, ""]:
    """Return the mean over frequencies of |φ_x − φ|², less what n samples add to it by chance."""
    mean = total / n
    return ((mean - truth).abs() ** 2 - (1 - mean.abs() ** 2) / (n - 1)).mean()


def _characteristic(law: sf.GaussianMixture, w: Float[Tensor, "f D"]) -> Complex[Tensor, " f"]:
    """Return φ at frequencies w."""
    means = law.alpha * law.components.means
    variances = law.alpha**2 * law.components.variances + law.sigma**2
    phase, damping = w @ means.T, 0.5 * w**2 @ variances.T
    return (law.weights * torch.exp(-damping) * torch.complex(phase.cos(), phase.sin())).sum(dim=1)
