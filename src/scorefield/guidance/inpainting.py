r"""Inpainting by replacement: the known part of x_t is the observation, noised to the level of t.

    x_t^known ~ N(α_t observed, σ_t² I)              (Song & Ermon 2019, Algorithm 2; Song et al. 2021, appendix I.2)

The unknown part follows the unconditional model given this noised context. That is not the posterior: at time t the model sees the
observation through the noise of t, without the detail that later steps will reveal (Trippe et al. 2023, section 3). Resampling lessens the
bias and `scorefield.Particles` removes it; ``docs/guidance_bias.md`` has it measured.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import TypeVar

from scorefield._checks import as_tensor, booleans, require, whole
from scorefield._noise import Noise
from scorefield._tensors import match_rows
from scorefield.errors import ConfigError
from scorefield.grids import Step
from scorefield.guidance.guided import Guided
from scorefield.models import ScoreModel, State, Time
from scorefield.sampling import Sampler

Memory = TypeVar("Memory", default=Any)


class Inpaint(Guided):
    """Replacement as a score: the known coordinates have the score of N(α_t observed, σ_t² I), the others the model's.

    D = observed where known. So every sampler draws the known coordinates as the observation noised to the level where it stands: a
    stochastic one renews that noise, an ODE keeps one draw of it. The closing denoising of `sample` returns the observation itself, bit for
    bit in the dtype of the state. `RePaint` draws the noise afresh at each step instead.

    Args:
        model: the unconditional score model of the data.
        observed: shape (1, *d), one observation for all samples, or (n, *d), one per sample; what stands outside the mask is ignored.
        mask: true where the observation is known; broadcast against ``observed``.

    Raises:
        ConfigError: nothing is known, or everything; known values that are not finite; shapes that do not fit.
    """

    per_row: ClassVar[tuple[str, ...]] = ("observed", "mask")
    observed: Float[Tensor, "n *d"]
    mask: Bool[Tensor, "n *d"]

    def __init__(self, model: ScoreModel, observed: Float[Tensor, "n *d"], mask: Bool[Tensor, "..."]) -> None:
        super().__init__(model)
        observed, mask = _checked(observed, mask)
        self.register_buffer("observed", observed, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def denoise(self, x: State, t: Time) -> State:
        """Return the observation where it is known, D(x, t) elsewhere; in the model's own coordinates, as x."""
        return self.certain(self.model.denoise(x, t))

    def certain(self, denoised: State) -> State:
        """Return the observation where it is known, and where a model inside of this one knows it."""
        return self.replace(super().certain(denoised), self.known)

    def restore(self, x: State) -> State:
        """Return states in the data's units, with the observation itself, bit for bit, where x is what the model makes of it."""
        outside = super().restore(x)
        if self.units is None:
            return outside
        known = match_rows(self.mask, x) & (x == match_rows(self.known, x).to(x))
        return torch.where(known, match_rows(self.observed, x).to(x), outside)

    @property
    def known(self) -> Float[Tensor, "n *d"]:
        """The observation in the model's own coordinates."""
        return self.standardise(self.observed)

    def renoise(self, x: State, t: Time, z: State) -> State:
        """Return x with its known coordinates replaced by α_t observed + σ_t z."""
        return self.replace(x, self.process.perturb(match_rows(self.known, x).to(x), self.process.at(t), z))

    def replace(self, x: State, known: State) -> State:
        """Return ``known`` where the mask is true, x elsewhere."""
        if x.shape[1:] != self.observed.shape[1:]:
            raise ConfigError(
                f"the observation has shape {tuple(self.observed.shape[1:])}, the samples {tuple(x.shape[1:])}: they must be the same"
            )
        return torch.where(match_rows(self.mask, x), match_rows(known, x).to(x), x)


@dataclass(frozen=True)
class RePaint(Sampler[Memory]):
    """Replacement with fresh noise at every step, each step taken several times (Lugmayr et al. 2022, Algorithm 1).

        repeat U times:
            x ← step(x, t, s);   x^known ← α_s observed + σ_s z
            unless it was the last time:   x ← a x + G z                    back up from s to t

    Going up and down again lets the unknown part adapt to the known one. U = 1 is the replacement of Song et al. (2021).

    Args:
        sampler: any that carries x from t to s; its model must be an `Inpaint`.
        resample: U, their "r" at jump length 1.

    Cost: U times the sampler's.
    """

    sampler: Sampler[Memory]
    resample: int = 10

    def __post_init__(self) -> None:
        require(Sampler, self.sampler, "the sampler that RePaint repeats", "Heun()")
        whole(self.resample, "resample", 1)

    @property
    def evaluations(self) -> float:
        """U times the sampler's."""
        return self.resample * self.sampler.evaluations

    def counted(self, memory: Memory, steps: int) -> float:
        """Return U times the sampler's."""
        return self.resample * self.sampler.spent(memory, steps)

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: Memory | None, noise: Noise
    ) -> tuple[State, Memory]:
        """Return x at s; what the sampler remembers is of its last attempt.

        Raises:
            ConfigError: a model that observes nothing.
        """
        model = require(
            Inpaint, model, "the model of RePaint, which replaces what is known,", "Inpaint(model, observed, mask)"
        )

        def attempt(x: State) -> tuple[State, Memory]:
            x, after = self.sampler.step(model, x, step, memory, noise)
            return model.renoise(x, step.s, noise.normal()), after

        x, after = attempt(x)
        for _ in range(self.resample - 1):
            x, after = attempt(step.shrink * x + step.variance**0.5 * noise.normal())
        return x, after


def _checked(given: object, where: object) -> tuple[Tensor, Tensor]:
    """Return an observation and its mask in one shape, zero where nothing is known."""
    mask, observed = booleans(where, "mask", "where the observation is known"), as_tensor(given)
    if observed is None or observed.ndim < 2 or not observed.is_floating_point():
        received = type(given).__name__ if observed is None else f"{observed.dtype} of shape {tuple(observed.shape)}"
        raise ConfigError(
            "observed must be floating-point of shape (1, *d), for all samples, or (n, *d), one per sample; "
            f"received {received}"
        )
    try:
        observed, mask = torch.broadcast_tensors(observed, mask)
    except RuntimeError:
        raise ConfigError(
            f"mask must have the shape of the observation, {tuple(observed.shape)}, or broadcast to it; received {tuple(mask.shape)}"
        ) from None
    known = mask.flatten(1)
    if not known.any(dim=1).all():
        raise ConfigError("a mask is empty: true marks what is known, and nothing is; invert it, or sample without it")
    if known.all(dim=1).any():
        raise ConfigError("a mask is full: true marks what is known, and there is nothing to restore; invert it")
    if not torch.isfinite(observed[mask]).all():
        raise ConfigError(
            f"known values must be finite; received {int((~torch.isfinite(observed[mask])).sum())} NaN or infinite ones under the mask"
        )
    return torch.where(mask, observed, 0), mask
