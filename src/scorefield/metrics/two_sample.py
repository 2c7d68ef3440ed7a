r"""How far apart two distributions are, from samples of each; any event shape, compared as flat vectors.

MMD²(k)   = E k(X, X′) + E k(Y, Y′) − 2 E k(X, Y)           Gretton et al. (2012), Lemma 6, unbiased
energy    = 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖              the same with k = −‖·‖ (Sejdinovic et al. 2013)
W₂²       = min over couplings of E‖X − Y‖²
C2ST      = accuracy of the best classifier at telling X from Y: ½ when the distributions agree (Lopez-Paz & Oquab 2017)
"""

from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import positive, whole
from scorefield._noise import generator_at, importing
from scorefield.errors import needing
from scorefield.metrics.estimate import Estimate, Kernel, pair, row_means, share

_SHORT = 2**32  # NumPy's seeds are below it
Rows = Float[Tensor, "n *d"]


def mmd(x: Rows, y: Rows, *, bandwidth: float | None = None) -> Estimate:
    """Return MMD² under the Gaussian kernel exp(−‖x − y‖²/2h²), unbiased, so negative at times.

    Args:
        x: samples.
        y: samples of the same event shape, not necessarily as many.
        bandwidth: h; the median distance between samples when absent (of the first 1000 of each; of those that differ,
            where most are equal).

    Cost: O((n + m)² D), in bounded memory.
    """
    a, b = near_zero(x, y)
    h = _median_distance(a, b) if bandwidth is None else bandwidth
    positive(bandwidth=h)
    return kernel_mmd(lambda u, v: torch.exp(-(torch.cdist(u, v) ** 2) / (2 * h**2)), a, b)


def energy_distance(x: Rows, y: Rows) -> Estimate:
    """Return the energy distance, unbiased: 0 in expectation exactly when the distributions agree; no bandwidth to choose.

    Cost: O((n + m)² D), in bounded memory.
    """
    return kernel_mmd(lambda u, v: -torch.cdist(u, v), *near_zero(x, y))


def wasserstein(x: Rows, y: Rows) -> float:
    """Return the exact W₂ between the two empirical distributions (not between the distributions: it does not vanish at finite n).

    Cost: O(n³) at worst, O(n m) memory; seconds at n = 5000. Needs the ``metrics`` extra.
    """
    ot = _ot()
    a, b = near_zero(x, y)
    cost = torch.cdist(a, b).square().numpy()
    return float(ot.emd2([], [], cost, numItermax=10_000_000)) ** 0.5


def sliced_wasserstein(x: Rows, y: Rows, *, projections: int = 200, seed: int = 0) -> float:
    """Return W₂ averaged (in squares) over random directions: cheap in high dimensions (Bonneel et al. 2015).

    Cost: O(projections · n log n). Needs the ``metrics`` extra.
    """
    a, b = pair(x, y)
    short, projections = whole(seed, "seed") % _SHORT, whole(projections, "projections", 1)
    return float(_ot().sliced_wasserstein_distance(a.numpy(), b.numpy(), n_projections=projections, seed=short))


def c2st(x: Rows, y: Rows, *, seed: int = 0) -> tuple[Estimate, float]:
    """Return the held-out accuracy of a small network at telling x from y, and the p-value that it only guesses.

    Half of each sample trains, the other half tests; both are cut to the size of the smaller. The p-value is the one-sided binomial one.
    """
    from scipy import stats

    with importing():
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    a, b = pair(x, y)
    half = min(len(a), len(b)) // 2
    if half < 6:  # a tenth of what trains, by which it knows when to stop, is one of each
        raise ValueError(
            f"a classifier needs twelve or more samples of each to learn from; received {len(a)} and {len(b)}"
        )
    shuffle = generator_at(seed)
    a, b = (v[torch.randperm(len(v), generator=shuffle)] for v in (a, b))
    label = torch.arange(2).repeat_interleave(half).numpy()
    judge = make_pipeline(
        StandardScaler(), MLPClassifier((64, 64), early_stopping=True, random_state=whole(seed, "seed") % _SHORT)
    )
    judge.fit(torch.cat([a[:half], b[:half]]).numpy(), label)
    test = torch.cat([a[half : 2 * half], b[half : 2 * half]]).numpy()
    hits = int((judge.predict(test) == label).sum())
    return share(hits, len(label)), float(stats.binomtest(hits, len(label), alternative="greater").pvalue)


def near_zero(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return both samples as rows about their common mean: squares of distances lose digits to squares of lengths, far from 0."""
    a, b = pair(x, y)
    centre = torch.cat([a, b.to(a.device)]).mean(dim=0)
    return a - centre, b - centre.to(b.device)


def kernel_mmd(kernel: Kernel, a: Float[Tensor, "n D"], b: Float[Tensor, "m D"]) -> Estimate:
    """Return E k(X, X′) + E k(Y, Y′) − 2 E k(X, Y), with the error of its projections."""
    ours = row_means(kernel, a) - row_means(kernel, a, b)
    theirs = row_means(kernel, b) - row_means(kernel, b, a)
    error = 2 * (ours.var() / len(a) + theirs.var() / len(b)).sqrt()
    return Estimate((ours.mean() + theirs.mean()).item(), error.item())


def _median_distance(a: Tensor, b: Tensor) -> float:
    """Return the median distance between pooled samples; where it is 0, that between those that differ; 1 where all are equal."""
    distances = torch.pdist(torch.cat([a[:1000], b[:1000]]))
    median = distances.median().item()
    apart = distances[distances > 0]
    return median or (apart.median().item() if len(apart) else 1.0)


def _ot() -> ModuleType:
    """Return POT, imported when first asked for."""
    with needing("Wasserstein distances", "POT"):
        import ot
    return ot
