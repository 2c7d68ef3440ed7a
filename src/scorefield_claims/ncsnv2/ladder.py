"""Techniques 1, 2 and 4: the largest level, the ratio of neighbours, the step size."""

import math
from functools import partial
from typing import NamedTuple

import torch
from scipy import optimize, stats

import scorefield as sf
from scorefield.advice import largest_distance, level_ratio, remaining_variance, step_size
from scorefield.metrics import Estimate, mean
from scorefield_claims.base import exactly
from scorefield_claims.chance import generator
from scorefield_claims.ncsnv2.part import NCSNv2Techniques, Part, row

__all__ = ["CONFIGURATIONS", "PUBLISHED", "Published", "largest_level", "neighbours", "step_by_rule"]

PUBLISHED = "4: published over rule − 1, "  # then the configuration


class Published(NamedTuple):
    """A configuration of the released code: dimension, σ_1, levels, steps per level, ε (σ_L = 0.01 throughout)."""

    name: str
    dimension: int
    sigma_1: float
    levels: int
    repeats: int
    step_size: float


CONFIGURATIONS = (
    Published("CIFAR-10", 3 * 32**2, 50, 232, 5, 6.2e-6),
    Published("CelebA 64", 3 * 64**2, 90, 500, 5, 3.3e-6),
    Published("church 96", 3 * 96**2, 140, 788, 4, 4.9e-6),
    Published("bedroom 128", 3 * 128**2, 190, 1086, 3, 1.8e-6),
    Published("FFHQ 256", 3 * 256**2, 348, 2311, 3, 9e-7),
)
_NCSN_RATIO = 100 ** (1 / 9)  # ten levels from 1 to 0.01


def largest_level(recipe: NCSNv2Techniques) -> Part:
    """Technique 1: chains from N(0, σ_1²) on two modes far apart."""
    law = sf.GaussianMixture.song2019()
    draws = law.sample(1000, generator(recipe.seed, "draws"))
    found = {}
    for sigma_1 in (1.0, largest_distance(draws)):
        exact = sf.Exact(law, sf.VE(0.5, max(sigma_1, 1.0)))
        grid, sampler = sf.Ladder(sf.geometric(sigma_1, 0.5, 10)), sf.AnnealedLangevin(relative_step=0.5, repeats=40)
        x = sf.sample(exact, sampler, (recipe.n, 2), grid=grid, seed=recipe.seed, batch_size=4096).x
        share = mean(law.responsibilities(x.double())[:, 0] > 0.5)
        found[sigma_1] = Estimate(abs(share.value - 0.2), share.error)
    without, with_it = found.values()
    return Part(
        {
            "1: error of a mode's share, σ_1 = the largest distance": with_it,
            "1: error of a mode's share, σ_1 = 1": without,
        },
        [row("1", f"sigma_1 = {sigma:.4g}", "share error", e) for sigma, e in found.items()],
    )


def _overlap_beyond_half(dimension: int, ratio: float) -> float:
    """Return the left side of Technique 2's equation less its right."""
    root = math.sqrt(2 * dimension) * (ratio - 1)
    return float(stats.norm.cdf(root + 3 * ratio) - stats.norm.cdf(root - 3 * ratio)) - 0.5


def neighbours(recipe: NCSNv2Techniques) -> Part:
    """Technique 2: the closed form against the equation, and against norms of Gaussian draws."""
    gaps, rows = [], []
    for dimension in (5, 10, 64, 784, *(c.dimension for c in CONFIGURATIONS)):
        gap = partial(_overlap_beyond_half, dimension)
        root = optimize.root_scalar(gap, bracket=(1 + 1e-9, 1e3), xtol=1e-14).root
        gaps.append(abs(level_ratio(dimension) / root - 1))
        rows.append(row("2", f"D = {dimension}", "ratio by formula", exactly(level_ratio(dimension))))
    half, few = (_expected_norms(784, ratio, recipe) for ratio in (level_ratio(784), _NCSN_RATIO))
    what = "share of norms the next level expects"
    rows += [row("2", f"D = 784, ratio by {name}", what, e) for name, e in (("rule", half), ("NCSN", few))]
    return Part(
        {
            "2: largest gap of the closed form": exactly(max(gaps)),
            "2: overlap by rule": half,
            "2: overlap of NCSN": few,
        },
        rows,
    )


def _expected_norms(dimension: int, ratio: float, recipe: NCSNv2Techniques) -> Estimate:
    """Return the share of norms of N(0, I) within three standard deviations of those of N(0, γ²I), taken as N(√D γ, γ²/2)."""
    z = torch.randn(recipe.n, dimension, generator=generator(recipe.seed, "norms"))
    return mean((z.norm(dim=1) - math.sqrt(dimension) * ratio).abs() < 3 * ratio / math.sqrt(2))


def step_by_rule(recipe: NCSNv2Techniques) -> Part:
    """Technique 4: the published step sizes, and the variance that a simulated ladder leaves."""
    rows, off = [], {}
    for c in CONFIGURATIONS:
        ratio = (c.sigma_1 / 0.01) ** (1 / (c.levels - 1))
        epsilon = step_size(ratio, 0.01, c.repeats)
        off[c.name] = c.step_size / epsilon - 1
        stays = remaining_variance(c.step_size / 1e-4, ratio, c.repeats)
        rows.append(row("4", c.name, "step size by rule", exactly(epsilon)))
        rows.append(row("4", c.name, "published step size", exactly(c.step_size)))
        rows.append(row("4", c.name, "variance left at the published step size", exactly(stays)))
    ratio, repeats = level_ratio(64), 5
    epsilon = step_size(ratio, 0.01, repeats)
    left = {scale: _variance_left(scale * epsilon, ratio, repeats, recipe) for scale in (0.25, 1.0, 4.0)}
    formula = remaining_variance(epsilon / 1e-4, ratio, repeats)
    rows += [row("4", f"simulated, {scale:g} times the rule", "variance left", e) for scale, e in left.items()]
    return Part(
        {"4: variance left by the rule": left[1.0], "4: variance left by the formula": exactly(formula)}
        | {f"{PUBLISHED}{name}": exactly(gap) for name, gap in off.items()},
        rows,
    )


def _variance_left(epsilon: float, ratio: float, repeats: int, recipe: NCSNv2Techniques) -> Estimate:
    """Return the variance, in units of σ_L², after annealing around a point of data in 64 dimensions: the paper's idealisation."""
    levels, sigma_1 = 40, 0.01 * ratio**39
    point = sf.Exact(sf.Gaussian(torch.zeros(64), 1e-12), sf.VE(0.01, sigma_1))
    grid = sf.Ladder(sf.geometric(sigma_1, 0.01, levels))
    sampler = sf.AnnealedLangevin(epsilon, repeats, convention="code")
    x = sf.sample(point, sampler, (recipe.n // 10, 64), grid=grid, seed=recipe.seed, denoise=False).x
    return mean(x.double().square().mean(dim=1) / 1e-4)
