"""MALA leaves its target invariant exactly, at step sizes where unadjusted Langevin visibly does not."""

import torch

from scorefield import MALA, VE, Constant, Exact, GaussianMixture, Langevin, Transition, sample

from .cases import seeded
from .statistics import ks_p

TARGET = GaussianMixture([[-1.0], [1.2]], 0.3, [0.4, 0.6])
PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
MODEL = Exact(TARGET, PROCESS)
T = PROCESS.time(torch.tensor(0.3, dtype=torch.float64))
LAW = MODEL.marginal(T)
STEP = 0.5
N = 20_000


def law_cdf(x):
    """The mixture's distribution function at the noise level of T."""
    from scipy import stats

    std = (0.3 + 0.3**2) ** 0.5
    return 0.4 * stats.norm.cdf((x + 1.0) / std) + 0.6 * stats.norm.cdf((x - 1.2) / std)


def chain(sampler) -> torch.Tensor:
    """Return states after 30 steps that began with the exact law."""
    init = LAW.sample(N, seeded(1)).double()
    return sample(MODEL, sampler, init=init, grid=Constant(T.item(), 30), seed=2, denoise=False).x.flatten()


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
        return torch.where(accept[:, None], proposal, x), (0, 0, torch.zeros(1), 1)


def test_D6_mala_is_invariant_and_its_mutants_are_not() -> None:
    """KS against the exact law, n = 20 000: accepted at level 1e-4, where unadjusted steps and a forgotten q-ratio are rejected."""
    assert ks_p(chain(MALA(STEP, exact_log_prob)), law_cdf) > 1e-4
    assert ks_p(chain(Langevin(STEP)), law_cdf) < 1e-4
    assert ks_p(chain(Forgetful(STEP, exact_log_prob)), law_cdf) < 1e-4


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
