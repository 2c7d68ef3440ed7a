r"""Linear inverse problems: y = A x_0 + ς z, and the posterior p(x_0 | y) as a score.

    ∇ log p(x_t | y) = ∇ log p(x_t) + ∇ log p(y | x_t)

The likelihood needs the distribution of x_0 given x_t, of which a score model knows the mean D. Taking it to be N(D, r² I),

    ΠGDM   p(y | x_t) = N(A D, r² A Aᵀ + ς² I),    r² = σ_d²ρ²/(σ_d² + ρ²)       (Song, Vahdat, Mardani & Kautz 2023, Eq. 7)
           ∇ log p(y | x_t) = (∂D/∂x)ᵀ Aᵀ (r² A Aᵀ + ς² I)⁻¹ (y − A D)

which is exact for data N(m, σ_d² I), and for all other where what A sees is such data and independent of the rest. For Gaussian data of
another variance, a smaller σ_d pulls too strongly and leaves too little variance, a larger one the opposite.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import TypeVar

from scorefield._checks import as_number, numbers, positive, require
from scorefield._noise import Noise
from scorefield._tensors import as_constant, like, match_rows, recording, sum_event
from scorefield.errors import ConfigError, DivergedError
from scorefield.grids import Step
from scorefield.guidance.guided import Guided
from scorefield.guidance.operators import LinearOperator, Measurement
from scorefield.guidance.rescaled import Rescaled
from scorefield.models import ScoreModel, State, Time
from scorefield.sampling import Sampler
from scorefield.units import UNCHANGED, Units

Memory = TypeVar("Memory", default=Any)
MEASURED = "the model, which states the measurement,", "LinearGaussian(model, A, y, noise)"
"""What is asked of the model of a sampler that reads the measurement from it."""


class Guide(NamedTuple):
    """What one evaluation says of x_t, and of the measurement given x_t."""

    denoised: State
    """D, the model's own."""
    pull: State
    """∇ log p(y | x_t)."""
    fit: Float[Tensor, " b"]
    """log p(y | x_t), up to a number that depends on t alone."""


class LinearGaussian(Guided):
    """The model of x_0 given a measurement y = A x_0 + ς z, by ΠGDM's rule.

    Any sampler can follow its score. It also states the problem: `DPS` and `Particles` read A, y and ς from it.

    Args:
        model: the unconditional score model of the data.
        A: the operator.
        y: shape (1, *m), one measurement for all samples, or (n, *m), one per sample.
        noise: ς, the standard deviation of the measurement's noise; 0 where A Aᵀ is invertible.
        sigma_data: σ_d, the standard deviation of the data in the model's own coordinates; 1 gives the r² = σ²/(σ² + 1) of the paper.

    The guidance enters the score as Bayes' rule has it, without the paper's further weights for coarse grids.

    Cost: two evaluations, the second a product with the transposed Jacobian.

    Raises:
        ConfigError: y does not fit A, or is not finite; the adjoint is not A's; noise is negative, or 0 with A Aᵀ singular.
    """

    per_row: ClassVar[tuple[str, ...]] = ("y",)
    calls = 2  # the second is the product with the Jacobian
    y: Float[Tensor, "n *m"]

    def __init__(
        self,
        model: ScoreModel,
        A: LinearOperator,
        y: Float[Tensor, "n *m"],
        noise: float,
        sigma_data: float = 1.0,
    ) -> None:
        super().__init__(model)
        require(LinearOperator, A, "A", "Mask(known) or Project(matrix)")
        y = numbers(y, "y")
        if not (0 <= as_number(noise) < math.inf and 0 < as_number(sigma_data) < math.inf):
            raise ConfigError(
                f"noise must be a standard deviation ≥ 0 and sigma_data one > 0; received {noise} and {sigma_data}"
            )
        _check_problem(A, y, noise)
        self.A = A
        self.inside = Rescaled(A, model.units or UNCHANGED, y)
        self.register_buffer("y", y, persistent=False)
        self.variance = noise**2
        self.sigma_data = sigma_data

    def in_units(self, units: Units | None) -> Self:
        """Return a view of this model whose data, which A measures, are in other units."""
        return super().in_units(units)._with(inside=Rescaled(self.A, units or UNCHANGED, self.y))

    def denoise(self, x: State, t: Time) -> State:
        """Return D + (σ²/α) ∇ log p(y | x)."""
        alpha, sigma = self.process.alpha_sigma(self.process.at(t))
        guide = self.guide(x, t)
        return self.certain(guide.denoised + like(sigma**2 / alpha, x) * guide.pull)

    def spread(self, t: Time) -> Float[Tensor, "*b"]:
        """Return r², the variance of x_0 given x_t."""
        ratio = self.process.ratio(self.process.at(t))
        return (self.sigma_data * ratio) ** 2 / (self.sigma_data**2 + ratio**2)

    def guide(self, x: State, t: Time) -> Guide:
        """Return D, ∇ log p(y | x_t) and log p(y | x_t)."""
        onwards = torch.is_grad_enabled()
        with recording():
            x = x if x.requires_grad else as_constant(x).detach().requires_grad_(True)
            denoised = self.model.denoise(x, t)
            found = denoised if onwards else denoised.detach()
            misfit = self.misfit(found)
            weighted = self.inside.solve(misfit, self.spread(t), self.variance)
            (pull,) = torch.autograd.grad(denoised, x, self.inside.adjoint(weighted), create_graph=onwards)
        return Guide(found, pull, -0.5 * sum_event(misfit * weighted))

    def misfit(self, x0: State) -> Measurement:
        """Return y − A x_0, x_0 in the model's own coordinates."""
        image = self.inside.apply(x0)
        if image.shape[1:] != self.y.shape[1:]:
            raise ConfigError(
                f"A makes measurements of shape {tuple(image.shape[1:])} of these samples; y has {tuple(self.y.shape[1:])}"
            )
        # Centred before it is rounded: of 300.001 ± 0.001 float32 keeps too little.
        return (match_rows(self.y, x0).double() - self.inside.offset.to(x0.device)).to(x0) - image


@dataclass(frozen=True)
class DPS(Sampler[Memory]):
    r"""Diffusion posterior sampling (Chung et al. 2023, Algorithm 1): an unconditional step, then one down the misfit.

        x ← step(x_t, t, s) − (ζ/‖r‖) ∇‖r‖²,    r = (y − A D(x_t, t))/u,   the gradient by x_t

    The paper's rule: the misfit's weight 1/ς² is replaced by ζ over each sample's own misfit. Each measurement counts in its own unit u,
    that of the model's coordinates (`Rescaled`), so that ζ means the same for data in any units.
    The result depends on the number of steps, each of which pulls as much; it is not exact for any data.

    Args:
        sampler: of the unconditional steps; the model given to `sample` must be a `LinearGaussian`, which closes with its own denoising.
        zeta: ζ, 0.1 to 1 in the paper, at 1000 steps.

    Cost: the sampler's and two evaluations of the unconditional model.
    """

    sampler: Sampler[Memory]
    zeta: float = 1.0

    def __post_init__(self) -> None:
        require(Sampler, self.sampler, "the sampler that DPS corrects", "Ancestral()")
        positive(zeta=self.zeta)

    @property
    def evaluations(self) -> float:
        """Evaluations per step in units of the guided model's, which are two of the network's."""
        return 1 + self.sampler.evaluations / 2

    def counted(self, memory: Memory, steps: int) -> float:
        """Return one per step, and the sampler's, of which two make one of the guided model's."""
        return steps + self.sampler.spent(memory, steps) / 2

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: Memory | None, noise: Noise
    ) -> tuple[State, Memory]:
        """Return x at s.

        Raises:
            ConfigError: a model without a measurement.
        """
        problem = require(LinearGaussian, model, *MEASURED)
        with recording():
            here = as_constant(x).detach().requires_grad_(True)
            denoised = problem.model.denoise(here, step.t)
            measures = problem.inside.measures.to(x)
            misfit = problem.misfit(denoised.detach()) / measures
            (uphill,) = torch.autograd.grad(denoised, here, -2 * problem.inside.adjoint(misfit / measures))
        size = sum_event(misfit**2).sqrt().clamp_min(torch.finfo(x.dtype).tiny)
        x, after = self.sampler.step(problem.model, x, step, memory, noise)
        return x - like(self.zeta / size, x) * uphill, after


def _check_problem(A: LinearOperator, y: Tensor, noise: float) -> None:
    """Refuse a measurement that A cannot have made, an adjoint that is not A's, and a covariance that cannot be inverted."""
    if y.ndim < 2 or not y.is_floating_point() or not torch.isfinite(y).all():
        raise ConfigError(
            "y must be finite numbers of shape (1, *m), for all samples, or (n, *m), one measurement per sample; "
            f"received {y.dtype} of shape {tuple(y.shape)} with {int((~torch.isfinite(y)).sum())} NaN or infinite"
        )
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(y[:1].shape, generator=generator, dtype=y.dtype).to(y.device)
    try:
        x = A.adjoint(v)
        x = x + torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        image = A.apply(x)
    except RuntimeError as error:
        raise ConfigError(f"y of shape {tuple(y.shape[1:])} per sample does not fit A: {error}") from error
    if image.shape != v.shape:
        raise ConfigError(
            f"y must have the shape A makes of an event, {tuple(image.shape[1:])} per sample; received {tuple(y.shape[1:])}"
        )
    forth, back = sum_event(image * v), sum_event(x * A.adjoint(v))
    if (forth - back).abs() > 1e-3 * (sum_event(image**2) * sum_event(v**2)).sqrt():
        raise ConfigError(
            f"the adjoint is not A's: ⟨A x, v⟩ = {forth.item():.6g} but ⟨x, Aᵀ v⟩ = {back.item():.6g} for random x and v"
        )
    if not _solvable(A, v, noise):
        raise ConfigError(
            f"A Aᵀ + noise² I cannot be inverted with noise = {noise:g}: some measurements follow from others. Give noise > 0, that of y."
        )


def _solvable(A: LinearOperator, v: Measurement, noise: float) -> bool:
    """Return whether (A Aᵀ + noise² I)⁻¹ v, put back, is v."""
    try:
        found = A.solve(v, torch.ones((), dtype=torch.float64), noise**2)
    except DivergedError:
        return False
    return torch.allclose(A.apply(A.adjoint(found)) + noise**2 * found, v, rtol=1e-2, atol=1e-2)
