r"""One transition of a grid, from t to s ≤ t: what a sampler is given.

For s < t the forward process is a Gaussian chain:

x_t | x_s      ~ N(a x_s, G² I)        a = α_t/α_s,  G² = σ_t² − a²σ_s²
x_s | x_t, x_0 has variance            v = σ_s² G²/σ_t²
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._values import ByValue
from scorefield.processes import Process


@dataclass(frozen=True)
class Step(ByValue):
    """One transition of a grid: what a sampler is given.

    Attributes:
        t: the time it goes from, float64 of shape ().
        s: the time it goes to, s ≤ t, likewise.
        alpha_t: signal scale at t; this and the next three are computed in float64.
        sigma_t: noise scale at t.
        alpha_s: signal scale at s.
        sigma_s: noise scale at s.
        number: which transition of the grid it is, from 1.
        count: how many transitions the grid has.
        sigma_end: the noise scale at the grid's last time, to which annealed Langevin dynamics relates its step sizes.
    """

    t: Float[Tensor, ""]
    s: Float[Tensor, ""]
    alpha_t: float
    sigma_t: float
    alpha_s: float
    sigma_s: float
    number: int
    count: int
    sigma_end: float

    @property
    def rho_t(self) -> float:
        """ρ_t = σ_t/α_t."""
        return self.sigma_t / self.alpha_t

    @property
    def rho_s(self) -> float:
        """ρ_s = σ_s/α_s."""
        return self.sigma_s / self.alpha_s

    @property
    def shrink(self) -> float:
        """a, by which the forward chain multiplies the state."""
        return self.alpha_t / self.alpha_s

    @property
    def variance(self) -> float:
        """G², which the forward chain adds."""
        return max(0.0, self.sigma_t**2 - (self.shrink * self.sigma_s) ** 2)

    @property
    def posterior_variance(self) -> float:
        """The variance v of x_s given x_t and x_0."""
        return self.variance * (self.sigma_s / self.sigma_t) ** 2

    @property
    def stay(self) -> "Step":
        """The transition from t to t itself, which a corrector is given."""
        return replace(self, s=self.t, alpha_s=self.alpha_t, sigma_s=self.sigma_t)

    @property
    def arrived(self) -> "Step":
        """The transition from s to s itself, where the closing denoising happens."""
        return replace(self, t=self.s, alpha_t=self.alpha_s, sigma_t=self.sigma_s)

    def starting_at(self, process: Process, rho: float) -> "Step":
        """Return the transition to the same s from where σ/α is ``rho``."""
        t = process.time(torch.tensor(rho, dtype=torch.float64))
        alpha, sigma = (scale.item() for scale in process.alpha_sigma(t))
        return replace(self, t=t, alpha_t=alpha, sigma_t=sigma)


def steps_of(times: Float[Tensor, " n"], process: Process) -> list[Step]:
    """Return the transitions between consecutive times."""
    alpha, sigma = (scale.tolist() for scale in process.alpha_sigma(times))
    return [
        Step(times[k], times[k + 1], alpha[k], sigma[k], alpha[k + 1], sigma[k + 1], k + 1, len(times) - 1, sigma[-1])
        for k in range(len(times) - 1)
    ]
