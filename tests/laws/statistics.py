r"""Tests at a stated level.

A check of several hypotheses at level ℓ rejects when the smallest of k p-values is below ℓ/k (Bonferroni), so a correct
implementation fails it with probability at most ℓ over the choice of seeds. Seeds are fixed: the level is what a new seed would risk.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats

LEVEL = 1e-3  # of a whole parametrised test: each of its k cases gets LEVEL / k


def accept(p_values: Any, level: float) -> None:
    """Fail if any of the p-values is below level / how many there are; NaN fails."""
    p = np.atleast_1d(np.asarray(p_values, dtype=float))
    assert p.size > 0
    smallest = p.min()
    assert smallest * p.size >= level, f"rejected at level {level:.1e}: smallest of {p.size} p-values is {smallest:.3e}"


def mean_p(samples: torch.Tensor, expected: torch.Tensor | float = 0.0) -> np.ndarray:
    """Return the p-value, per column, that the mean of the rows is ``expected`` (z-test, standard error from the sample)."""
    rows = samples.double().reshape(len(samples), -1)
    error = rows.mean(0) - torch.as_tensor(expected, dtype=torch.float64).reshape(-1)
    return 2 * stats.norm.sf((error / (rows.std(0) / len(rows) ** 0.5)).abs().numpy())


def variance_p(samples: torch.Tensor, expected: float) -> float:
    """Return the p-value that Gaussian ``samples`` have variance ``expected`` (χ² test, two-sided)."""
    n = samples.numel()
    statistic = (n - 1) * samples.double().var().item() / expected
    return 2 * min(float(stats.chi2.cdf(statistic, n - 1)), float(stats.chi2.sf(statistic, n - 1)))


def ks_p(samples: torch.Tensor, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the Kolmogorov-Smirnov p-value of one-dimensional samples against a distribution function."""
    return float(stats.kstest(samples.double().numpy().ravel(), cdf).pvalue)


def count_p(hits: int, n: int, probability: float) -> float:
    """Return the exact binomial p-value of ``hits`` out of ``n``."""
    return float(stats.binomtest(hits, n, probability).pvalue)


def chi_square_p(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """Return the χ² p-value of counts against cell probabilities; cells expecting fewer than 10 are pooled."""
    n = counts.sum().item()
    small = n * probabilities < 10
    pool = [probabilities[small].sum() + (1 - probabilities.sum()), counts[small].sum()]
    expected = n * torch.cat([probabilities[~small], pool[0][None].clamp_min(1e-12)])
    observed = torch.cat([counts[~small], pool[1][None]]).double()
    if expected[-1] < 10:  # what remains of the pool joins the largest cell
        top = expected.argmax()
        expected[top] += expected[-1]
        observed[top] += observed[-1]
        expected, observed = expected[:-1], observed[:-1]
    statistic = ((observed - expected) ** 2 / expected).sum().item()
    return float(stats.chi2.sf(statistic, len(expected) - 1))


def fitted_order(steps: Sequence[int], errors: Sequence[float]) -> float:
    """Return the p of error = C steps^{−p}, by least squares in logarithms."""
    slope, _ = np.polyfit(np.log(steps), np.log(errors), 1)
    return -float(slope)
