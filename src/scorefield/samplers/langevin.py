r"""Langevin dynamics: chains that leave p_t (nearly) invariant, and NCSN's annealing of them.

    x ← x + (α/2) ∇ log p(x) + √α z          α the step size                      (Song & Ermon 2019, Eq. 4)

The released NCSN image code writes x ← x + η s + √(2η) z instead: η = α/2. Both are offered by name; a ``step_size`` means the paper's
α unless ``convention="code"`` says it is η. All samplers here act at time t and leave the level unchanged; each remembers the α it took.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, called, positive, whole
from scorefield._noise import Noise
from scorefield._tensors import same_state, sum_event
from scorefield.errors import ConfigError
from scorefield.grids import Step
from scorefield.models import KnowsDensity, ScoreModel, State
from scorefield.sampling import Sampler

Convention = Literal["paper", "code"]


class Chain(NamedTuple):
    """The memory of a Langevin sampler: the step size α of its last step."""

    step_size: float


def _alpha(step_size: float, convention: Convention) -> float:
    """Return the paper's α."""
    positive(step_size=step_size)
    if convention not in ("paper", "code"):
        raise ValueError(
            f'convention must be "paper" (x + α/2 s + √α z) or "code" (x + η s + √2η z); received {convention!r}'
        )
    return step_size if convention == "paper" else 2 * step_size


def _langevin(model: ScoreModel, x: State, step: Step, alpha: float, noise: Noise, repeats: int = 1) -> State:
    """Return x after ``repeats`` times x ← x + (α/2) s + √α z at the time of t."""
    for _ in range(repeats):
        x = x + 0.5 * alpha * model.score(x, step.t) + alpha**0.5 * noise.normal()
    return x


@dataclass(frozen=True)
class Langevin(Sampler[Chain]):
    """Unadjusted Langevin dynamics at a fixed noise level (a `scorefield.Constant` grid).

    Its stationary distribution differs from p_t by O(α): for N(0, σ²) the variance is σ² / (1 − α/4σ²).

    Args:
        step_size: α of x ← x + (α/2) s + √α z (Song & Ermon 2019, Algorithm 1); with the convention of their code, η = α/2.
        convention: whose step size it is, that of the "paper" or of the "code".

    Cost: one evaluation per step.
    """

    step_size: float
    convention: Convention = "paper"

    def __post_init__(self) -> None:
        _alpha(self.step_size, self.convention)

    def step(self, model: ScoreModel, x: State, step: Step, memory: Chain | None, noise: Noise) -> tuple[State, Chain]:
        """Return one Langevin step on p_t."""
        alpha = _alpha(self.step_size, self.convention)
        return _langevin(model, x, step, alpha, noise), Chain(alpha)


class MetropolisChain(NamedTuple):
    """The memory of `MALA`: the state x of each chain at time t, and the model's values there."""

    step_size: float
    x: State
    t: Float[Tensor, ""]
    score: State
    log_prob: Float[Tensor, " b"]
    accepted: Float[Tensor, " b"]
    """Proposals accepted so far."""
    steps: int
    evaluations: int
    """Of the model, so far."""

    @property
    def acceptance(self) -> float:
        """Share of the proposals accepted so far, over all chains."""
        return self.accepted.mean().item() / max(1, self.steps)


@dataclass(frozen=True)
class MALA(Sampler[MetropolisChain]):
    r"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996): `Langevin` steps, accepted or not.

    A proposal x′ is accepted with probability

        min(1, p(x′) q(x | x′) / (p(x) q(x′ | x))),   q(· | x) = N(x + (α/2) s(x), α I)

    so that p_t is invariant exactly. It needs log p_t, which a score alone does not give.

    Args:
        step_size: α, of the proposal x + (α/2) s + √α z.
        log_prob: (x, t) ↦ log p_t(x) up to a constant; by default that of the model, which `scorefield.Exact` and `scorefield.Energy` know.

    Memory is a `MetropolisChain`: one evaluation per step, and one more for the first and wherever the time or, as under a
    `scorefield.PredictorCorrector`, the state is not the one that it remembers.
    """

    first: ClassVar[float] = 1
    step_size: float
    log_prob: Callable[[State, Float[Tensor, ""]], Float[Tensor, " b"]] | None = None

    def __post_init__(self) -> None:
        _alpha(self.step_size, "paper")
        if self.log_prob is not None:
            called(self.log_prob, "log_prob", "lambda x, t: -0.5 * x.square().sum(1)")

    def step(
        self, model: ScoreModel, x: State, step: Step, memory: MetropolisChain | None, noise: Noise
    ) -> tuple[State, MetropolisChain]:
        """Return the next state of the chain."""
        alpha, log_prob, t = self.step_size, self.log_prob or _log_prob(model), step.t
        here = memory
        if here is None or here.t != t or not same_state(here.x, x):
            none = torch.zeros(len(x), dtype=torch.float32, device=x.device)
            accepted, steps, spent = (none, 0, 0) if here is None else here[-3:]
            here = MetropolisChain(alpha, x, t, model.score(x, t), log_prob(x, t), accepted, steps, spent + 1)
        proposal = x + 0.5 * alpha * here.score + alpha**0.5 * noise.normal()
        score, log_there = model.score(proposal, t), log_prob(proposal, t)
        forward = sum_event((proposal - x - 0.5 * alpha * here.score) ** 2)
        backward = sum_event((x - proposal - 0.5 * alpha * score) ** 2)
        log_ratio = log_there - here.log_prob + (forward - backward) / (2 * alpha)
        accept = torch.log(noise.uniform().to(log_ratio)) < log_ratio
        x = _where(accept, proposal, x)
        return x, here._replace(
            x=x,
            score=_where(accept, score, here.score),
            log_prob=_where(accept, log_there, here.log_prob),
            accepted=_where(accept, here.accepted + 1, here.accepted),
            steps=here.steps + 1,
            evaluations=here.evaluations + 1,
        )

    def counted(self, memory: MetropolisChain, steps: int) -> float:
        """Return the evaluations that were made."""
        return memory.evaluations


def _where(accept: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return rows of a where accepted, of b elsewhere."""
    return torch.where(accept.reshape(-1, *[1] * (a.ndim - 1)), a, b)


def _log_prob(model: ScoreModel) -> Callable[[State, Float[Tensor, ""]], Float[Tensor, " b"]]:
    """Return the model's own log p_t."""
    if not isinstance(model, KnowsDensity):
        raise ConfigError(
            f"MALA accepts or rejects by log p_t, which a {type(model).__name__} does not know; give log_prob=, or use Langevin"
        )
    return model.log_prob


@dataclass(frozen=True)
class AnnealedLangevin(Sampler[Chain]):
    """Annealed Langevin dynamics (Song & Ermon 2019, Algorithm 1), on a `scorefield.Ladder`.

        for each level i:                      one transition of the grid
            α_i = ε σ_i² / σ_L²                σ_L the noise of the grid's last time
            repeat T times:  x ← x + (α_i/2) s(x, σ_i) + √α_i z

    Around a point of data at level i the stationary variance is σ_i² / (1 − α_i/4σ_i²), and α_i ≥ 4σ_i², which is ε ≥ 4σ_L²,
    diverges; such a step size is refused.

    Args:
        step_size: ε, the α of the last level.
        repeats: T, Langevin steps on each level.
        convention: what ``step_size`` means.
        relative_step: α_i/σ_i², the same at every level; instead of step_size, whatever the ladder's last level is.

    Cost: T evaluations per level.
    """

    step_size: float = 2e-5
    repeats: int = 100
    convention: Convention = "paper"
    relative_step: float | None = None

    def __post_init__(self) -> None:
        _alpha(self.step_size, self.convention)
        if self.relative_step is not None and self.step_size != AnnealedLangevin.step_size:
            raise ValueError(
                f"step_size and relative_step say the same; received {self.step_size} and {self.relative_step}: leave out one, or make "
                "relative_step None"
            )
        if self.relative_step is not None and not 0 < as_number(self.relative_step) < 4:
            raise ValueError(
                f"relative_step must lie between 0 and 4 (annealed Langevin dynamics diverges when α ≥ 4σ²); received {self.relative_step}"
            )
        whole(self.repeats, "repeats", 1)

    @property
    def evaluations(self) -> float:
        """T."""
        return self.repeats

    def step(self, model: ScoreModel, x: State, step: Step, memory: Chain | None, noise: Noise) -> tuple[State, Chain]:
        """Return T Langevin steps at the level of t.

        Raises:
            ValueError: a step size that cannot be stable.
        """
        relative = self.relative_step or _alpha(self.step_size, self.convention) / step.sigma_end**2
        if relative >= 4:
            raise ValueError(
                f"annealed Langevin dynamics diverges when α ≥ 4σ²: step_size={self.step_size:g} ({self.convention} convention) gives "
                f"α/σ² = {relative:.3g} at every level, with last level σ_L = {step.sigma_end:.3g}. "
                f"Use a paper-convention step_size well below {4 * step.sigma_end**2:.3g}, such as {0.1 * step.sigma_end**2:.3g}."
            )
        alpha = relative * step.sigma_t**2
        return _langevin(model, x, step, alpha, noise, self.repeats), Chain(alpha)


@dataclass(frozen=True)
class LangevinCorrector(Sampler[Chain]):
    """Langevin steps scaled to the noise level: x ← x + η s + √(2η) z with η = 2 (r σ_t)².

    r is the signal-to-noise ratio ("snr") of Song et al. (2021), Algorithm 4 with ‖z‖/‖s‖ replaced by its value σ_t on data without
    extent, the "ald" rule of their code: a step that depends on the state would bias the chain, and one that depends on the batch would tie
    samples together. An NCSN step ε at last level σ_L is r = √(ε/4)/σ_L (paper's ε).

    Args:
        snr: r, the signal-to-noise ratio of a step.
        repeats: Langevin steps at each time.

    Cost: ``repeats`` evaluations.
    """

    snr: float = 0.16
    repeats: int = 1

    def __post_init__(self) -> None:
        # α = 2η = 4 (r σ)² ≥ 4 σ² is where Langevin dynamics diverges.
        if not 0 < as_number(self.snr) < 1:
            raise ValueError(f"snr must lie between 0 and 1 (at 1 Langevin dynamics diverges); received {self.snr}")
        whole(self.repeats, "repeats", 1)

    @property
    def evaluations(self) -> float:
        """Langevin steps at each time."""
        return self.repeats

    def step(self, model: ScoreModel, x: State, step: Step, memory: Chain | None, noise: Noise) -> tuple[State, Chain]:
        """Return ``repeats`` Langevin steps on p_t, of α = 2η = 4 (r σ_t)²."""
        alpha = 4 * (self.snr * step.sigma_t) ** 2
        return _langevin(model, x, step, alpha, noise, self.repeats), Chain(alpha)
