r"""Plug-and-play restoration: what the model makes of x_t is moved towards what was measured before it is used.

    x̂_0 = argmin_x ‖y − A x‖²/(2ς²) + ‖x − D(x_t)‖²/(2r²),   r² = ρ²/λ            (DiffPIR: Zhu et al. 2023, Eq. 12a and 13)
        = D + r² Aᵀ (r² A Aᵀ + ς²)⁻¹ (y − A D)

No gradient of the network is taken: x̂_0 is E[x_0 | x_t, y] if x_0 given x_t is N(D, r² I), as where ρ is small and λ = 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._errors import ConfigError
from scorefield._tensors import as_time, like
from scorefield.guidance.measurement import LinearGaussian
from scorefield.guidance.operators import LinearOperator
from scorefield.models import ScoreModel, State, Time

__all__ = ["DiffPIR"]


class DiffPIR(ScoreModel):
    """The model of x_0 given a measurement y = A x_0 + ς z, by a proximal step on its denoiser's output; for any sampler.

    Args:
        model: of the data, unconditional.
        A: the operator.
        y: shape (1, *m), one measurement for all samples, or (n, *m), one per sample.
        noise: ς, the standard deviation of the measurement's noise; 0 where A Aᵀ is invertible.
        trust: λ, of the denoiser against the measurement; 1 as where noise is small, 1 to 25 in the paper.

    Cost: one evaluation, and one solution with A Aᵀ.

    Raises:
        ConfigError: what `LinearGaussian` refuses; a λ that is not positive.
    """

    def __init__(
        self, model: ScoreModel, A: LinearOperator, y: Float[Tensor, "n *m"], noise: float, trust: float = 1.0
    ) -> None:
        super().__init__()
        if not (math.isfinite(trust) and trust > 0):
            raise ConfigError(f"trust must be a finite positive number; received {trust}")
        self.problem = LinearGaussian(model, A, y, noise)
        self.process, self.units, self.moments = model.process, model.units, model.moments
        self.evaluations = model.evaluations
        self.trust = trust

    def denoise(self, x: State, t: Time) -> State:
        """Return x̂_0."""
        problem, denoised = self.problem, self.problem.model.denoise(x, t)
        variance = self.process.ratio(as_time(t).to(torch.float64)) ** 2 / self.trust
        pull = problem.inside.adjoint(problem.inside.solve(problem.misfit(denoised), variance, problem.variance))
        return denoised + like(variance, x) * pull
