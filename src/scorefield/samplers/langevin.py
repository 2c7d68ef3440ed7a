r"""Langevin dynamics: chains that leave p_t (nearly) invariant, and NCSN's annealing of them.

    x ← x + (α/2) ∇ log p(x) + √α z          α the step size                      (Song & Ermon 2019, Eq. 4)

The released NCSN image code writes x ← x + η s + √(2η) z instead: η = α/2. Both are offered by name; a ``step_size`` means the paper's
α unless ``convention="code"`` says it is η. All samplers here act at time t and leave the level unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import Noise, sum_event
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

__all__ = ["MALA", "AnnealedLangevin", "Langevin", "LangevinCorrector"]

Convention = Literal["paper", "code"]


def _alpha(step_size: float, convention: Convention) -> float:
    """Return the paper's α."""
    if not step_size > 0:
        raise ValueError(f"step_size must be positive; received {step_size}")
    if convention not in ("paper", "code"):
        raise ValueError(
            f'convention must be "paper" (x + α/2 s + √α z) or "code" (x + η s + √2η z); received {convention!r}'
        )
    return step_size if convention == "paper" else 2 * step_size


def _langevin(model: ScoreModel, x: State, t: Tensor, alpha: Tensor | float, noise: Noise) -> State:
    """Return x + (α/2) s + √α z."""
    return x + 0.5 * alpha * model.score(x, t) + alpha**0.5 * noise.normal()


@dataclass(frozen=True)
class Langevin(Sampler):
    """Unadjusted Langevin dynamics at a fixed noise level (a `scorefield.constant` grid).

    Its stationary law differs from p_t by O(α): for N(0, σ²) the variance is σ² / (1 − α/4σ²).

    Cost: one evaluation per step.
    """

    step_size: float
    convention: Convention = "paper"

    def __post_init__(self) -> None:
        _alpha(self.step_size, self.convention)

    def stride(self, model: ScoreModel, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None) -> float:
        """Return α."""
        return _alpha(self.step_size, self.convention)

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None, noise: Noise
    ) -> tuple[State, None]:
        """Return one Langevin step on p_t."""
        return _langevin(model, x, t, self.stride(model, t, s, memory), noise), None


@dataclass(frozen=True)
class MALA(Sampler):
    r"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996): `Langevin` steps, accepted or not.

    A proposal x′ is accepted with probability

        min(1, p(x′) q(x | x′) / (p(x) q(x′ | x))),   q(· | x) = N(x + (α/2) s(x), α I)

    so that p_t is invariant exactly. It needs log p_t, which a score alone does not give.

    Args:
        log_prob: (x, t) ↦ log p_t(x) up to a constant; for an exact model, ``lambda x, t: model.marginal(t).log_prob(x)``.
        step_size: α.

    Memory is (score, log-probability, accepted so far): one evaluation per step after the first, which makes two.
    """

    log_prob: Callable[[State, Float[Tensor, ""]], Float[Tensor, " b"]]
    step_size: float

    def __post_init__(self) -> None:
        _alpha(self.step_size, "paper")

    def stride(self, model: ScoreModel, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: "_Chain | None") -> float:
        """Return α."""
        return self.step_size

    def spent(self, memory: "_Chain", steps: int) -> float:
        """Return one call per proposal, and one for the first state."""
        return steps + 1

    def step(
        self,
        model: ScoreModel,
        x: State,
        t: Float[Tensor, ""],
        s: Float[Tensor, ""],
        memory: "_Chain | None",
        noise: Noise,
    ) -> tuple[State, "_Chain"]:
        """Return the next state of the chain."""
        alpha = self.step_size
        here = memory or _Chain(model.score(x, t), self.log_prob(x, t), torch.zeros(len(x), device=x.device), 0)
        proposal = x + 0.5 * alpha * here.score + alpha**0.5 * noise.normal()
        there = _Chain(model.score(proposal, t), self.log_prob(proposal, t), here.accepted + 1, here.steps + 1)
        forward = sum_event((proposal - x - 0.5 * alpha * here.score) ** 2)
        backward = sum_event((x - proposal - 0.5 * alpha * there.score) ** 2)
        log_ratio = there.log_prob - here.log_prob + (forward - backward) / (2 * alpha)
        accept = torch.log(noise.uniform().to(log_ratio)) < log_ratio
        chosen = _Chain(
            _where(accept, there.score, here.score),
            _where(accept, there.log_prob, here.log_prob),
            _where(accept, there.accepted, here.accepted),
            there.steps,
        )
        return _where(accept, proposal, x), chosen


class _Chain(NamedTuple):
    """What MALA remembers of where each chain stands."""

    score: State
    log_prob: Float[Tensor, " b"]
    accepted: Float[Tensor, " b"]
    steps: int

    @property
    def acceptance(self) -> float:
        """Share of the proposals accepted so far, over all chains; ``on_step`` is told this memory."""
        return self.accepted.mean().item() / max(1, self.steps)


def _where(accept: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return rows of a where accepted, of b elsewhere."""
    return torch.where(accept.reshape(-1, *[1] * (a.ndim - 1)), a, b)


@dataclass(frozen=True)
class AnnealedLangevin(Sampler):
    """Annealed Langevin dynamics (Song & Ermon 2019, Algorithm 1), on a `scorefield.ladder` grid.

        for each level i:                      one transition of the grid
            α_i = ε σ_i² / σ_L²                σ_L the noise of the grid's last time
            repeat T times:  x ← x + (α_i/2) s(x, σ_i) + √α_i z

    Around a point of data at level i the stationary variance is σ_i² / (1 − α_i/4σ_i²), and α_i ≥ 4σ_i², which is ε ≥ 4σ_L²,
    diverges; `start` refuses it.

    Args:
        step_size: ε, the α of the last level.
        steps: T, steps per level.
        convention: what ``step_size`` means.

    Cost: T evaluations per level.
    """

    step_size: float = 2e-5
    steps: int = 100
    convention: Convention = "paper"

    def __post_init__(self) -> None:
        _alpha(self.step_size, self.convention)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1 per level; received {self.steps}")

    @property
    def evaluations(self) -> int:
        """T."""
        return self.steps

    def start(self, model: ScoreModel, times: Float[Tensor, " n"]) -> float:
        """Return α/σ², the same at every level; refuse a step size that cannot be stable."""
        _, sigma_L = model.process.alpha_sigma(times[-1])
        relative = _alpha(self.step_size, self.convention) / sigma_L.item() ** 2
        if relative >= 4:
            raise ValueError(
                f"annealed Langevin dynamics diverges when α ≥ 4σ²: step_size={self.step_size:g} ({self.convention} convention) gives "
                f"α/σ² = {relative:.3g} at every level, with last level σ_L = {sigma_L.item():.3g}. "
                f"Use a paper-convention step_size well below {4 * sigma_L.item() ** 2:.3g}, such as {0.1 * sigma_L.item() ** 2:.3g}."
            )
        return relative

    def stride(self, model: ScoreModel, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: float) -> float:
        """Return α_i."""
        _, sigma = model.process.alpha_sigma(t)
        return (memory * sigma**2).item()

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: float, noise: Noise
    ) -> tuple[State, float]:
        """Return T Langevin steps at the level of t."""
        alpha_i = self.stride(model, t, s, memory)
        for _ in range(self.steps):
            x = _langevin(model, x, t, alpha_i, noise)
        return x, memory


@dataclass(frozen=True)
class LangevinCorrector(Sampler):
    """Langevin steps scaled to the noise level: x ← x + η s + √(2η) z with η = 2 (r σ_t)².

    r is the signal-to-noise ratio ("snr") of Song et al. (2021), Algorithm 4 with ‖z‖/‖s‖ replaced by its value σ_t on data without
    extent, the "ald" rule of their code: a step that depends on the state would bias the chain, and one that depends on the batch would tie
    samples together. An NCSN step ε at last level σ_L is r = √(ε/4)/σ_L (paper's ε).

    Cost: ``steps`` evaluations.
    """

    snr: float = 0.16
    steps: int = 1

    def __post_init__(self) -> None:
        # α = 2η = 4 (r σ)² ≥ 4 σ² is where Langevin dynamics diverges.
        if not 0 < self.snr < 1:
            raise ValueError(f"snr must lie between 0 and 1 (at 1 Langevin dynamics diverges); received {self.snr}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; received {self.steps}")

    @property
    def evaluations(self) -> int:
        """Steps per transition."""
        return self.steps

    def stride(self, model: ScoreModel, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None) -> float:
        """Return 2η = 4 (r σ_t)²."""
        _, sigma = model.process.alpha_sigma(t)
        return 4 * (self.snr * sigma.item()) ** 2

    def step(
        self, model: ScoreModel, x: State, t: Float[Tensor, ""], s: Float[Tensor, ""], memory: None, noise: Noise
    ) -> tuple[State, None]:
        """Return ``steps`` Langevin steps on p_t."""
        alpha = self.stride(model, t, s, memory)
        for _ in range(self.steps):
            x = _langevin(model, x, t, alpha, noise)
        return x, None
