r"""Does a sampler copy its training data? Nearest neighbours, with the test set as control.

    C_T = (U − nm/2) / √(nm(n + m + 1)/12)       U the Mann-Whitney count of samples farther from the training set than test examples
    T   = #{samples whose nearest example of training and test set together is a training one}

C_T (Meehan, Chaudhuri & Dasgupta 2020) is below 0 when samples lie closer to the training set than fresh data does. Copies do, and so do
samples that are merely smoother than data. T detects copying alone: does a sampler favour the examples it was trained on over
others of the same distribution? If it does not, training and test examples are exchangeable. With c_r the samples nearest to example r,
N = N_train + N_test and p = N_train/N, drawing those names anew gives

    E T = n p,        Var T = N_train N_test / (N (N − 1)) · (Σ_r c_r² − n²/N)

whatever the distribution of the samples is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from scorefield._checks import numbers, whole
from scorefield._noise import importing
from scorefield.metrics.estimate import Estimate, mean, pair


@dataclass(frozen=True)
class Memorisation:
    """How near samples are to the training set, compared with a test set.

    Attributes:
        n: samples.
        ratio: mean distance of a sample to its nearest training example, over that of a test example: 1 for fresh draws, 0 for copies.
        c_t: C_T; below −3 the samples are closer to the training set than data is.
        c_t_p_value: one-sided, that they are not.
        train_share: of samples, those nearer to a training example than to any test example; its error is that of the names drawn anew.
        expected_share: what it is without memory, p.
        p_value: one-sided, that the sampler favours no training example over a test example (normal approximation).
    """

    n: int
    ratio: Estimate
    c_t: float
    c_t_p_value: float
    train_share: Estimate
    expected_share: float
    p_value: float


def nearest_neighbours(
    x: Float[Tensor, "n *d"], reference: Float[Tensor, "m *d"], k: int = 1
) -> tuple[Float64[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """Return the Euclidean distances to the k nearest rows of ``reference``, nearest first, and which rows they are.

    Cost: O(n m D) on the processor, in memory that does not grow with n m; half a minute for 10 000 images of MNIST against its 60 000.

    Raises:
        ValueError: other events, values that are not finite, or k beyond the number of references.
    """
    with importing():
        from sklearn.neighbors import NearestNeighbors  # takes seconds

    x, reference = numbers(x, "x"), numbers(reference, "reference")
    a, b = pair(x, reference, "reference")
    if not 1 <= (k := whole(k, "k")) <= len(b):
        raise ValueError(f"k must lie between 1 and the number of references, {len(b)}; received {k}")
    # About their mean: squares of distances lose digits to squares of lengths, far from 0.
    centre = b.mean(dim=0)
    a, b = a - centre.to(a.device), b - centre
    # float32 takes half the memory of float64; distances are summed in float64 either way. Whole numbers about a mean are none.
    narrow = torch.promote_types(torch.promote_types(x.dtype, reference.dtype), torch.float32)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(b.to("cpu", narrow).numpy())
    distances, indices = search.kneighbors(a.to("cpu", narrow).numpy())
    return torch.from_numpy(distances).double(), torch.from_numpy(indices)


def memorisation(
    samples: Float[Tensor, "n *d"], train: Float[Tensor, "m *d"], test: Float[Tensor, "t *d"]
) -> Memorisation:
    """Return whether ``samples`` copy ``train``; the control is ``test``, drawn from the same distribution and never trained on.

    All three on one scale, such as images in [0, 1]; or features of them, such as a judge's, which see copies that are shifted or blurred.

    Cost: `nearest_neighbours` of samples and test set in the training set, and of samples in the test set.

    Raises:
        ValueError: samples that cannot be compared, or a test set that lies in the training set.
    """
    from scipy import stats

    ours, nearest = (v[:, 0] for v in nearest_neighbours(samples, train))
    fresh = nearest_neighbours(test, train)[0][:, 0]
    if not fresh.any():
        raise ValueError("every test example is in the training set: a control must be data that was not trained on")
    control, nearest_test = (v[:, 0] for v in nearest_neighbours(samples, test))
    c_t, c_t_p_value = _closer(ours, fresh)
    remembered = ours < control
    chosen = torch.where(remembered, nearest, nearest_test + len(train))
    n, total = len(samples), len(train) + len(test)
    expected = len(train) / total
    uneven = int(torch.bincount(chosen).square().sum()) * total - n**2  # 0 where every example is named equally often
    error = (expected * (1 - expected) / (total - 1) * uneven) ** 0.5 / n
    share = remembered.double().mean().item()
    return Memorisation(
        n=n,
        ratio=_ratio(mean(ours), mean(fresh)),
        c_t=c_t,
        c_t_p_value=c_t_p_value,
        train_share=Estimate(share, error),
        expected_share=expected,
        p_value=float(stats.norm.sf((share - expected) / error)) if uneven else 1.0,
    )


def _closer(ours: Float64[Tensor, " n"], fresh: Float64[Tensor, " m"]) -> tuple[float, float]:
    """Return C_T, and the one-sided p-value of the hypothesis that ours are as far as fresh ones."""
    from scipy import stats

    n, m = len(ours), len(fresh)
    found = stats.mannwhitneyu(ours.numpy(), fresh.numpy(), alternative="less")
    z = (float(found.statistic) - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return z, float(found.pvalue)


def _ratio(a: Estimate, b: Estimate) -> Estimate:
    """Return a/b with its error to first order."""
    value = a.value / b.value
    return Estimate(value, ((a.error / b.value) ** 2 + (value * b.error / b.value) ** 2) ** 0.5)
