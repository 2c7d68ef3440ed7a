r"""Likelihoods by the probability flow (Song et al. 2021, section 4.3 and appendix D.2), against the truth.

With the exact score and the exact distribution of the end of the path, log p by the change of variables must be log p, for VE, VP and
sub-VP alike: what remains is the solver's tolerance. ``exact`` = 1e-3 bits per dimension is what tables of likelihoods print. With the
Gaussian prior that sampling uses in place of the exact distribution, the difference is the mismatch of that prior, reported beside. A
network trained on the same mixture gives the distribution its flow makes: the mean of log p − log p_θ is a Kullback–Leibler divergence,
and below ``trained`` = 0.05 bits per dimension (a gap as between neighbours in such tables) it counts as learned.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate, mean
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule
from scorefield_claims.chance import generator
from scorefield_claims.drawing import COLOURS, canvas, label, legend, save
from scorefield_claims.learning import learned

__all__ = ["CLAIM", "Likelihoods"]

_LAW = sf.GaussianMixture(sf.GaussianMixture.ring(4, 1.4, 0.2).components.means, 0.2**2, [0.1, 0.2, 0.3, 0.4])
_PROCESSES: dict[str, sf.Process] = {"VE": sf.VE(0.02, 50.0), "VP": sf.VP(t_min=2e-3), "sub-VP": sf.SubVP(t_min=2e-2)}
_LARGEST, _DIVERGENCE = "largest error", "divergence of the trained flow"  # then the process
_BITS = 1 / (2 * math.log(2))  # per nat and dimension of the plane


@dataclass(frozen=True, kw_only=True)
class Likelihoods(Recipe):
    """Points, the solver's tolerance, training steps."""

    n: int
    tolerance: float = 1e-6
    steps: int
    trained_n: int
    exact: float = 1e-3
    trained: float = 0.05


@dataclass(frozen=True)
class _Found:
    """Of one process: the differences in bits per dimension of every point, and log-densities true and learned, in nats."""

    gap: Float[Tensor, " n"]
    prior_gap: Float[Tensor, " n"]
    truth: Float[Tensor, " m"]
    model: Float[Tensor, " m"]

    @property
    def divergence(self) -> Estimate:
        """The mean of log p − log p_θ in bits per dimension."""
        return mean((self.truth - self.model) * _BITS)


def _one(process: sf.Process, recipe: Likelihoods) -> _Found:
    """Return what is found under one process."""
    exact = sf.Exact(_LAW, process)
    ends = [torch.tensor(t, dtype=torch.float64) for t in (process.t_min, process.t_max)]
    start, end = (exact.marginal(t) for t in ends)
    x = start.sample(recipe.n, generator(recipe.seed, "x")).double()
    true = start.log_prob(x)
    likelihood = partial(sf.log_likelihood, exact, x, rtol=recipe.tolerance, atol=recipe.tolerance)
    gap = likelihood(terminal=end).log_prob - true
    prior_gap = likelihood().log_prob - true
    # Sigma from 0.02 to 20, the middle most often: where the flow bends.
    objective = sf.DSM(sf.LogNormal(mean=-1.0, std=1.6), sf.edm_weight(1.0))
    model = learned(lambda: sf.Denoiser(sf.MLP(2), process, 1.0), _LAW, objective, steps=recipe.steps, seed=recipe.seed)
    points = x[: recipe.trained_n]
    by_model = sf.log_likelihood(model, points.float(), rtol=1e-4, atol=1e-4).log_prob.double()
    return _Found(gap * _BITS, prior_gap * _BITS, true[: recipe.trained_n], by_model)


def measure(recipe: Likelihoods) -> Finding:
    """Return how far the flow's likelihoods are from the truth."""
    found = {name: _one(process, recipe) for name, process in _PROCESSES.items()}
    worst = {name: f.gap.abs().max().item() for name, f in found.items()}
    measures = {f"{_LARGEST}, {name} (bits/dim)": exactly(gap) for name, gap in worst.items()} | {
        f"{_DIVERGENCE}, {name} (bits/dim)": f.divergence for name, f in found.items()
    }
    rows: list[Row] = [
        {"process": name, "points": recipe.n, "largest_error": worst[name], "mean_error": f.gap.mean().item(),
         "largest_error_with_prior": f.prior_gap.abs().max().item(), "trained_divergence": f.divergence.value,
         "standard_error": f.divergence.error}
        for name, f in found.items()
    ]  # fmt: skip
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, found))


def judge(recipe: Likelihoods, measures: Mapping[str, Estimate], _rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: are likelihoods by the exact score exact, and is the trained flow near the data?"""
    exact = {name: measures[f"{_LARGEST}, {name} (bits/dim)"].value for name in _PROCESSES}
    trained = {name: measures[f"{_DIVERGENCE}, {name} (bits/dim)"] for name in _PROCESSES}
    return rule(
        {
            f"{name}: off by at most {gap:.1e} bits per dimension (below {recipe.exact:g})": gap < recipe.exact
            for name, gap in exact.items()
        }
        | {
            f"{name}, trained: {found} bits per dimension from the truth (below {recipe.trained:g})": found.value
            < recipe.trained
            for name, found in trained.items()
        }
    )


def _draw(path: Path, found: dict[str, _Found]) -> None:
    """Draw how errors of log p are distributed for exact scores, and log p by each trained flow against the true log p.

    Solid, with the exact distribution at the end of the flow; dotted, with the Gaussian prior; dashed, the threshold.
    """
    figure, panels = canvas(1, 1 + len(found), width=3.8)
    left, *others = panels[0]
    for k, (name, f) in enumerate(found.items()):
        for gap, style, said in ((f.gap, "-", name), (f.prior_gap, ":", None)):
            error, _ = gap.abs().clamp_min(1e-12).sort()
            left.semilogx(error, torch.linspace(0, 1, len(error)), style, color=COLOURS[k], label=said)
    left.axvline(1e-3, color="black", linewidth=1, linestyle="--")
    legend(left)
    label(left, "exact scores", "error of log p (bits per dimension)", "share of the points below")
    lowest = min(f.truth.min().item() for f in found.values())
    for k, (axes, (name, f)) in enumerate(zip(others, found.items(), strict=True)):
        axes.plot(f.truth, f.model, ".", color=COLOURS[k], markersize=4, alpha=0.5)
        axes.axline((0, 0), (1, 1), color="black", linewidth=1)
        axes.set(xlim=(lowest - 0.5, 1.5), ylim=(lowest - 0.5, 1.5), aspect="equal")
        label(axes, f"{name}: trained network", "true log p (nats)", "log p by the flow (nats)")
    save(figure, path)


CLAIM = Claim(
    name="likelihoods",
    statement="The probability flow computes the density it samples exactly, whatever the process; trained, it comes close to the data's.",
    source="Song et al. (2021), section 4.3, Eq. 39 and Table 2",
    measure=measure,
    judge=judge,
    tiny=Likelihoods(n=20, steps=3, trained_n=10),
    small=Likelihoods(n=500, steps=1200, trained_n=300),
    full=Likelihoods(seed=1, n=5000, steps=8000, trained_n=3000),
)
