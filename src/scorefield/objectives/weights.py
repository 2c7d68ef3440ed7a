r"""How much each noise level counts: weights w(t) of ½ w ‖D − x_0‖², ρ = σ/α.

A weight λ on the score's error is w = λ (α/σ²)² on the denoiser's, since s − ∇ log p(x_t | x_0) = (α/σ²)(D − x_0).
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from scorefield.processes import Process

__all__ = ["Weight", "edm_weight", "likelihood_weight", "min_snr_weight", "sigma_weight", "unit_weight"]

Weight = Callable[[Process, Float[Tensor, " b"]], Float[Tensor, " b"]]


def sigma_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = σ², the weight of NCSN and DDPM: 1/ρ², so the loss is ½‖ẑ − z‖²."""
    return process.ratio(t) ** -2


def edm_weight(sigma_data: float) -> Weight:
    """Return w = (ρ² + σ_d²) / (ρ σ_d)²: unit weight on the output of an EDM network (Karras et al. 2022, Table 1)."""

    def weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        ratio = process.ratio(t)
        return (ratio**2 + sigma_data**2) / (ratio * sigma_data) ** 2

    return weight


def min_snr_weight(sigma_data: float, gamma: float = 5.0) -> Weight:
    """Return w = min(SNR, γ) / σ_d², SNR = (σ_d/ρ)²: `sigma_weight`, but low noise counts no more than SNR = γ (Hang et al. 2023)."""

    def weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return sigma_weight(process, t).clamp(max=gamma / sigma_data**2)

    return weight


def unit_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = 1, the plain J_DSM of Vincent (2011): (α/σ²)²."""
    alpha, sigma = process.alpha_sigma(t)
    return (alpha / sigma**2) ** 2


def likelihood_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = g², under which the loss bounds −log p (Song, Durkan et al. 2021, Theorem 1)."""
    _, g = process.drift_diffusion(t)
    return g**2 * unit_weight(process, t)
