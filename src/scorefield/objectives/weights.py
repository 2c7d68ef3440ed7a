r"""How much each noise level counts: weights w(t) of ½ w ‖D − x_0‖², ρ = σ/α.

A weight λ on the score's error is w = λ (α/σ²)² on the denoiser's, since s − ∇ log p(x_t | x_0) = (α/σ²)(D − x_0).
"""

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from scorefield._checks import positive
from scorefield.processes import Process


class Weight(Protocol):
    """A function (process, t) ↦ w(t), one number per example."""

    def __call__(self, process: Process, t: Float[Tensor, " b"], /) -> Float[Tensor, " b"]:
        """Return the weights."""
        ...


def sigma_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = σ², the weight of NCSN and DDPM: 1/ρ², so the loss is ½‖ẑ − z‖²."""
    return process.ratio(t) ** -2


@dataclass(frozen=True)
class EDMWeight:
    """w = (ρ² + σ_d²) / (ρ σ_d)²: unit weight on the output of an EDM network (Karras et al. 2022, Table 1).

    Args:
        sigma_data: σ_d, the standard deviation of the data; in a run, that of the model.
    """

    sigma_data: float

    def __post_init__(self) -> None:
        positive(sigma_data=self.sigma_data)

    def __call__(self, process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return w(t)."""
        ratio = process.ratio(t)
        return (ratio**2 + self.sigma_data**2) / (ratio * self.sigma_data) ** 2


@dataclass(frozen=True)
class MinSNRWeight:
    """w = min(SNR, γ) / σ_d², SNR = (σ_d/ρ)²: `sigma_weight`, but low noise counts no more than SNR = γ (Hang et al. 2023).

    Args:
        sigma_data: σ_d, the standard deviation of the data; in a run, that of the model.
        gamma: γ (Hang et al. 2023: 5).
    """

    sigma_data: float
    gamma: float = 5.0

    def __post_init__(self) -> None:
        positive(sigma_data=self.sigma_data, gamma=self.gamma)

    def __call__(self, process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return w(t)."""
        return sigma_weight(process, t).clamp(max=self.gamma / self.sigma_data**2)


def edm_weight(sigma_data: float) -> Weight:
    """Return `EDMWeight`."""
    return EDMWeight(sigma_data)


def min_snr_weight(sigma_data: float, gamma: float = 5.0) -> Weight:
    """Return `MinSNRWeight`."""
    return MinSNRWeight(sigma_data, gamma)


def unit_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = 1, the plain J_DSM of Vincent (2011): (α/σ²)²."""
    alpha, sigma = process.alpha_sigma(t)
    return (alpha / sigma**2) ** 2


def likelihood_weight(process: Process, t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return w for λ = g², under which the loss bounds −log p (Song, Durkan et al. 2021, Theorem 1)."""
    _, g = process.drift_diffusion(t)
    return g**2 * unit_weight(process, t)
