"""MALA leaves its target invariant exactly, at step sizes where unadjusted Langevin visibly does not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from scorefield import (
    MALA,
    VE,
    Constant,
    Exact,
    FromScore,
    GaussianMixture,
    Langevin,
    Noise,
    Sampler,
    Transition,
    sample,
)
from scorefield.grids import steps_of
from scorefield.samplers.langevin import MetropolisChain

from .cases import seeded
from .statistics import LEVEL, accept, chi_square_p, ks_p

TARGET = GaussianMixture([[-1.0], [1.2]], 0.3, [0.4, 0.6])
PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
MODEL = Exact(TARGET, PROCESS)
T = PROCESS.time(torch.tensor(0.3, dtype=torch.float64))
LAW = MODEL.marginal(T)
STEP = 0.5
N = 20_000


def law_cdf(x):
    """The mixture's distribution function at the noise level of T."""
    std = (0.3 + 0.3**2) ** 0.5
    return 0.4 * stats.norm.cdf((x + 1.0) / std) + 0.6 * stats.norm.cdf((x - 1.2) / std)


def exact_log_prob(x, t):
    return MODEL.marginal(t).log_prob(x)


class Forgetful(MALA):
    """The commonest slip: no ratio of proposals, since the target's own is kept and the step looks symmetric."""

    def step(self, model, x, step, memory, noise):
        t = step.t
        alpha = self.step_size
        proposal = x + 0.5 * alpha * model.score(x, t) + alpha**0.5 * noise.normal()
        log_ratio = self.log_prob(proposal, t) - self.log_prob(x, t)
        accept = torch.log(noise.uniform().to(log_ratio)) < log_ratio
        return torch.where(accept[:, None], proposal, x), MetropolisChain(alpha, x, t, x, x, x, 1, 1)


class Smaller:
    """Noise that lacks √2."""

    def __init__(self, noise: Noise) -> None:
        self.noise, self.uniform = noise, noise.uniform

    def normal(self) -> Tensor:
        return self.noise.normal() / 2**0.5


class Timid(MALA):
    """Proposals with noise √h, weighed as though it were √(2h)."""

    def step(self, model, x, step, memory, noise):
        return super().step(model, x, step, memory, Smaller(noise))  # pyright: ignore[reportArgumentType]


CORRECT = MALA(STEP, exact_log_prob)
MUTANTS: dict[str, Sampler] = {
    "forgets the q-ratio": Forgetful(STEP, exact_log_prob),
    "√h, not √(2h)": Timid(STEP, exact_log_prob),
    "no accept step": Langevin(STEP),
}


def moved(sampler: Sampler, x: Tensor, steps: int, stream: str) -> Tensor:
    """Return every state of chains of so many steps that begin at x, shape (steps + 1, n, 1)."""
    noise, memory, states = Noise(range(len(x)), (1,), stream=stream, dtype=torch.float64), None, [x]
    for step in steps_of(Constant(T.item(), steps).times(PROCESS), PROCESS):
        x, memory = sampler.step(MODEL, states[-1], step, memory, noise)
        states.append(x)
    return torch.stack(states)


# --- D6: three laws, p-values of a sampler that begins in its target ------------------------------------------------------------------


def stationary(sampler: Sampler) -> float:
    """KS test of n = 20 000 chains after 30 steps that began with the exact law."""
    init = LAW.sample(N, seeded(1)).double()
    x = sample(MODEL, sampler, init=init, grid=Constant(T.item(), 30), seed=2, denoise=False).x
    return ks_p(x.flatten(), law_cdf)


def ranked(sampler: Sampler, length: int = 4) -> float:
    """The exact rank test (Gandy & Scott 2020), n = 20 000: a draw of the law at a random place of a chain has a uniform rank in it.

    A reversible chain is the same chain backwards, so it is run both ways from that place. Equal states, which rejection leaves, are told
    apart by lot.
    """
    x, generator = LAW.sample(N, seeded(3)).double(), seeded(4)
    place = torch.randint(length + 1, (N,), generator=generator)
    onwards, back = (moved(sampler, x, length, stream)[1:, :, 0] for stream in ("onwards", "back"))
    steps = torch.arange(1, length + 1)[:, None]
    others = torch.cat(
        [onwards.masked_fill(steps > length - place, torch.nan), back.masked_fill(steps > place, torch.nan)]
    )
    lot = torch.rand(len(others) + 1, N, generator=generator)
    first = (others < x.T) | ((others == x.T) & (lot[1:] < lot[0]))
    counts = torch.bincount(first.sum(0), minlength=length + 1)
    return chi_square_p(counts, torch.full((length + 1,), 1 / (length + 1), dtype=torch.float64))


def symmetric(sampler: Sampler, cells: int = 12) -> float:
    """Bowker's test of detailed balance, n = 20 000: from the law, one step from cell i to cell j is as likely as one from j to i."""
    x = LAW.sample(N, seeded(5)).double()
    edges = torch.quantile(x[:, 0], torch.linspace(0, 1, cells + 1, dtype=torch.float64)[1:-1])
    before, after = (torch.bucketize(state[:, 0].contiguous(), edges) for state in moved(sampler, x, 1, "once"))
    counts = torch.bincount(before * cells + after, minlength=cells**2).reshape(cells, cells).double()
    upper = torch.triu(torch.ones(cells, cells, dtype=torch.bool), 1)
    there, back = counts[upper], counts.T[upper]
    seen = there + back >= 10
    statistic = ((there - back)[seen] ** 2 / (there + back)[seen]).sum().item()
    return float(stats.chi2.sf(statistic, int(seen.sum())))


LAWS: dict[str, Callable[[Sampler], float]] = {"stationary": stationary, "ranked": ranked, "symmetric": symmetric}
SEEN = [(law, mutant) for law in LAWS for mutant in MUTANTS]


@pytest.mark.promise("D6")
@pytest.mark.parametrize("law", LAWS)
def test_mala_is_stationary_reversible_and_in_detailed_balance(law: str) -> None:
    """D6, family level 1e-3 over the three laws."""
    accept(LAWS[law](CORRECT), LEVEL / len(LAWS))


@pytest.mark.promise("D6")
@pytest.mark.parametrize(("law", "mutant"), SEEN)
def test_its_three_mutants_are_not(law: str, mutant: str) -> None:
    with pytest.raises(AssertionError):
        accept(LAWS[law](MUTANTS[mutant]), LEVEL / len(LAWS))


# --- D15: a joint test --------------------------------------------------------------------------------------------------------------

NOISE = 0.6
ROUNDS = 40


def measured(x: Tensor, noise: Noise) -> Tensor:
    """Draw y given x, about its square."""
    return x**2 + NOISE * noise.normal()


def geweke(make: Callable[[Callable[[Tensor, Tensor], Tensor]], Sampler], spread: float = NOISE) -> np.ndarray:
    """Geweke's joint test (2004), n = 20 000: p-values of the prior and of six moments.

    If a step from x leaves p(x | y) invariant, then x ← step(x; y), y ~ p(y | x) over and over leaves the joint law invariant, of which
    x ~ p(x), y ~ p(y | x) is a draw. All chains begin with such draws; what they end with is compared with others. The sampler is told a
    standard deviation ``spread`` of y.
    """
    noise, fresh = (Noise(range(N), (1,), stream=name, dtype=torch.float64) for name in ("joint", "fresh"))
    x, other = (LAW.sample(N, seeded(seed)).double() for seed in (6, 7))
    y, other_y = measured(x, noise), measured(other, fresh)
    (step,) = steps_of(Constant(T.item(), 1).times(PROCESS), PROCESS)
    for _ in range(ROUNDS):
        posterior = FromScore(lambda x, t, y=y: LAW.score(x) + 2 * x * (y - x**2) / spread**2, PROCESS)
        sampler = make(lambda x, t, y=y: LAW.log_prob(x) - 0.5 * ((y - x**2) / spread).square().sum(1))
        x, _ = sampler.step(posterior, x, step, None, noise)
        y = measured(x, noise)
    sides = [torch.cat([a, a**2, b, b**2, a * b, a**2 * b], dim=1) for a, b in ((x, y), (other, other_y))]
    gap = sides[0].mean(0) - sides[1].mean(0)
    error = ((sides[0].var(0) + sides[1].var(0)) / N).sqrt()
    return np.array([ks_p(x, law_cdf), *(2 * stats.norm.sf((gap / error).abs()))])


@pytest.mark.promise("D15")
def test_mala_within_a_model_leaves_the_joint_law_invariant() -> None:
    """D15, level 1e-3."""
    accept(geweke(lambda log_prob: MALA(0.1, log_prob)), LEVEL)


@pytest.mark.promise("D15")
@pytest.mark.parametrize(
    ("make", "spread"),
    [
        (lambda log_prob: Forgetful(0.1, log_prob), NOISE),
        (lambda log_prob: Timid(0.1, log_prob), NOISE),
        (lambda log_prob: Langevin(0.1), NOISE),
        (lambda log_prob: MALA(0.1, log_prob), NOISE**2),
    ],
    ids=[*MUTANTS, "ς² for ς"],
)
def test_rejects(make: Callable[..., Sampler], spread: float) -> None:
    with pytest.raises(AssertionError):
        accept(geweke(make, spread), LEVEL)


# --- what it says of itself -----------------------------------------------------------------------------------------------------------


def test_a_tiny_step_is_always_accepted_and_a_huge_one_seldom() -> None:
    def acceptance(step_size: float) -> float:
        told: list[Transition] = []
        times, init = Constant(T.item(), 20), LAW.sample(500, seeded(1)).double()
        sample(MODEL, MALA(step_size, exact_log_prob), init=init, grid=times, denoise=False, on_step=told.append)
        return told[-1].memory.acceptance

    assert acceptance(1e-4) > 0.99
    assert acceptance(20.0) < 0.5


def test_one_evaluation_per_proposal_and_one_for_the_start() -> None:
    drawn = sample(MODEL, MALA(STEP, exact_log_prob), (5, 1), grid=Constant(T.item(), 7), denoise=False)
    assert drawn.evaluations == 8


@pytest.mark.parametrize(("ratio", "shift"), [(2.0, 0.0), (0.3, 1.0)], ids=["another time", "another state"])
def test_what_it_remembers_is_of_one_state_at_one_time(ratio: float, shift: float) -> None:
    """A grid that goes on to the next level, and a predictor that moves the state, leave a score and a log p that hold no more."""
    there = PROCESS.time(torch.tensor(ratio, dtype=torch.float64))
    before, after = (steps_of(Constant(t.item(), 1).times(PROCESS), PROCESS)[0] for t in (T, there))
    sampler, noise = MALA(STEP), Noise(range(N), (1,), dtype=torch.float64)
    x, memory = sampler.step(MODEL, LAW.sample(N, seeded(1)).double(), before, None, noise)
    (remembering, chain), (afresh, _) = (
        sampler.step(MODEL, x + shift, after, held, Noise(range(N), (1,), stream="next", dtype=torch.float64))
        for held in (memory, None)
    )
    torch.testing.assert_close(remembering, afresh, rtol=0, atol=0)
    assert (chain.steps, chain.evaluations) == (2, 4)
