r"""Samplers built on the exact transitions of the forward process.

With the a and G² of `scorefield.grids.Step`, Bayes gives for s < t

    x_s | x_t, x_0 ~ N(α_s x_0 + √(σ_s² − v) z(x_t, x_0), v I),   v = σ_s² G²/σ_t²      (Ho et al. 2020, Eq. 6 and 7)

Samplers put D(x_t, t) for x_0.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from scorefield._checks import as_number, one_of
from scorefield._noise import Noise
from scorefield.grids import Step
from scorefield.grids.local_errors import Held
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler


@dataclass(frozen=True)
class ReverseDiffusion(Sampler[None]):
    """The reverse SDE discretised as its forward chain is (Song et al. 2021, Eq. 46): x ← (2 − a) x + G² s + G z.

    Weak order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        mean = (2 - step.shrink) * x + step.variance * model.score(x, step.t)
        return mean + step.variance**0.5 * noise.normal(), None


@dataclass(frozen=True)
class Ancestral(Sampler[None]):
    """Ancestral sampling (Ho et al. 2020, Algorithm 2; Song et al. 2021, appendix F): x ← (x + G² s)/a + √v z.

    Args:
        variance: "posterior" takes v = σ_s² G²/σ_t² (SMLD, and DDPM's smaller choice), "forward" v = G² (DDPM's larger one, the choice of
            the score-SDE code for VP).

    Weak order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1
    variance: Literal["posterior", "forward"] = "posterior"

    def __post_init__(self) -> None:
        one_of(("posterior", "forward"), self.variance, "variance")

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        v = step.posterior_variance if self.variance == "posterior" else step.variance
        mean = (x + step.variance * model.score(x, step.t)) / step.shrink
        return mean + v**0.5 * noise.normal(), None


@dataclass(frozen=True)
class DDIM(Sampler[None]):
    """Denoising diffusion implicit models (Song, Meng & Ermon 2021, Eq. 12): x ← α_s D + √(σ_s² − η²v) ẑ + η√v z.

    η = 0 is `scorefield.Euler` on the probability-flow ODE; η = 1 is `Ancestral`.

    Args:
        eta: η in [0, 1].

    Order 1. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 1
    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= as_number(self.eta) <= 1:
            raise ValueError(f"eta must lie in [0, 1]; received {self.eta!r:.80}")

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        """Return x at s."""
        v = self.eta**2 * step.posterior_variance
        denoised = model.denoise(x, step.t)
        z_hat = (x - step.alpha_t * denoised) / step.sigma_t
        mean = step.alpha_s * denoised + max(0.0, step.sigma_s**2 - v) ** 0.5 * z_hat
        return (mean if self.eta == 0 else mean + v**0.5 * noise.normal()), None


class Former(NamedTuple):
    """What `DPMpp2M` remembers of the step before: D_t, and h = λ_s − λ_t."""

    denoised: State
    h: float


@dataclass(frozen=True)
class DPMpp2M(Sampler[Former]):
    r"""DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2): a two-step method in λ = −ln(σ/α).

        D̄ = D_t + (D_t − D_prev) h / (2 h_prev),   h = λ_s − λ_t
        x ← (σ_s/σ_t) x + α_s (1 − e^{−h}) D̄

    the first step without D_prev. Exact when D is constant.

    Order 2. Cost: one evaluation per step.
    """

    order: ClassVar[int | None] = 2
    extrapolates: ClassVar[Held] = "data"

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: Former | None, noise: Noise
    ) -> tuple[State, Former]:
        """Return x at s, and (D_t, h) for the next step."""
        contraction = step.rho_s / step.rho_t  # e^{−h}
        h = -math.log(contraction)
        denoised = model.denoise(x, step.t)
        extrapolated = denoised
        if memory is not None and memory.h > 0:
            extrapolated = denoised + (h / (2 * memory.h)) * (denoised - memory.denoised)
        x = (step.sigma_s / step.sigma_t) * x + step.alpha_s * (1 - contraction) * extrapolated
        return x, Former(denoised, h)
