r"""Tails of what digits look like: ink, thickness, slant and size of every drawing, class by class, against those of real ones.

From the moments of an image's ink m_pq = Σ x^p y^q I(x, y), with central μ_pq, y downwards:

    ink        m_00                                      thickness   2 m_00 / Σ ‖∇I‖, twice the area over the length of the edge
    slant      −μ_11/μ_02, the shift in x per unit of y  size        √((μ_20 + μ_02)/m_00), the spread of the ink

Means may agree while tails do not: guidance, and samplers that churn too little, thin them out.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from scorefield._checks import numbers
from scorefield.metrics.estimate import Estimate, mean

STROKES = ("ink", "thickness", "slant", "size")
_TAIL = 0.025  # share of real data beyond each of the two ends


class Tails(NamedTuple):
    """One statistic of samples against that of real data.

    Attributes:
        beyond: share of samples beyond the 2.5th and 97.5th percentile of real ones of their class: .05 where the distributions agree.
        p_values: of the two-sample Kolmogorov–Smirnov test in each class; NaN where there are fewer than two of either.
    """

    beyond: Estimate
    p_values: list[float]

    @property
    def rejected(self) -> int:
        """Classes rejected at the level .05 for all of them together (Holm 1979)."""
        known = sorted(p for p in self.p_values if not math.isnan(p))
        return next((k for k, p in enumerate(known) if p > 0.05 / (len(known) - k)), len(known))


def strokes(x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, " n"]]:
    """Return the `STROKES` of images whose ink is 0 where there is none, the mean over channels; of an empty image slant and size are 0."""
    ink = numbers(x, "x").double().mean(dim=1)
    rows, columns = (torch.arange(size, dtype=torch.float64) for size in ink.shape[1:])
    total = ink.sum(dim=(1, 2)).clamp_min(1e-12)
    down = (ink.sum(dim=2) @ rows / total)[:, None, None]
    along = (ink.sum(dim=1) @ columns / total)[:, None, None]
    dy, dx = rows[None, :, None] - down, columns[None, None, :] - along
    mu_11, mu_02, mu_20 = ((ink * part).sum(dim=(1, 2)) for part in (dx * dy, dy**2, dx**2))
    steep = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    edge = torch.hypot(steep[:, 1:-1, 2:] - steep[:, 1:-1, :-2], steep[:, 2:, 1:-1] - steep[:, :-2, 1:-1]) / 2
    return {
        "ink": ink.sum(dim=(1, 2)),
        "thickness": 2 * total / edge.sum(dim=(1, 2)).clamp_min(1e-12),
        "slant": -mu_11 / mu_02.clamp_min(1e-12),
        "size": ((mu_20 + mu_02) / total).clamp_min(0).sqrt(),
    }


def stroke_tails(
    samples: Float[Tensor, "n c h w"],
    classes: Int64[Tensor, " n"],
    data: Float[Tensor, "m c h w"],
    data_classes: Int64[Tensor, " m"],
) -> dict[str, Tails]:
    """Return `Tails` of each of the `STROKES`.

    Args:
        samples: images, ink bright on a ground of 0.
        classes: of the samples, as a judge reads them.
        data: real images.
        data_classes: read by the same judge, so that its errors do not count.

    Cost: O((n + m) (D + log)).
    """
    from scipy import stats

    ours, theirs = strokes(samples), strokes(data)
    found = {}
    for name in STROKES:
        beyond, p_values = [], []
        for label in data_classes.unique().tolist():
            a, b = ours[name][classes == label], theirs[name][data_classes == label]
            enough = min(len(a), len(b)) > 1
            tested = stats.ks_2samp(a.numpy(), b.numpy()) if enough else None
            p_values.append(math.nan if tested is None else float(tested.pvalue))  # pyright: ignore[reportAttributeAccessIssue]
            if enough:
                low, high = b.quantile(torch.tensor([_TAIL, 1 - _TAIL], dtype=torch.float64)).tolist()
                beyond.append((a < low) | (a > high))
        found[name] = Tails(mean(torch.cat(beyond)) if beyond else Estimate(math.nan, math.nan), p_values)
    return found
