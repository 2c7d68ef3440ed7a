r"""Settings from data: Song & Ermon (2020), "Improved techniques for training score-based generative models", Techniques 1 to 4.

    1   σ_1 = max ‖x_i − x_j‖                                          chains can cross the data
    2   Φ(√(2D)(γ − 1) + 3γ) − Φ(√(2D)(γ − 1) − 3γ) = ½                neighbouring levels overlap
        For D ≥ 5 the second term is all of it, √(2D)(γ − 1) = 3γ:     γ = √(2D) / (√(2D) − 3)
        For D ≤ 4 the levels always overlap by more, and there is no solution: ten levels are taken, as NCSN has.
    4   ε minimises  r(ε) = (1 − ε/σ_L²)^{2T} (γ² − c) + c,  c = 2 / (2 − ε/σ_L²)    the variance T steps leave, in units of the level's

with ε in the convention of their code, x ← x + ε s + √(2ε) z at the last level. r never falls below 1.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from scipy import optimize
from torch import Tensor

from scorefield._checks import whole
from scorefield._noise import generator_at
from scorefield._tensors import flatten
from scorefield.units import UNCHANGED, Units

__all__ = ["Advice", "largest_distance", "level_ratio", "remaining_variance", "step_size", "suggest", "taken"]

_FEW = 10  # levels where Technique 2 asks for none
_OVERLAPPING = 4  # dimensions in which neighbours overlap by more than half at any ratio
_COLUMNS = 1024  # coordinates in float64 at a time
_SAMPLED = 4096  # examples among which distances are taken: 17 million pairs, a second


@dataclass(frozen=True)
class Advice:
    """Suggested settings, and the numbers they follow from.

    Attributes:
        dimension: D, numbers per example.
        sigma_1: largest noise level, by Technique 1.
        sigma_L: smallest noise level, as asked.
        ratio: γ of neighbouring levels; at most that of Technique 2.
        levels: L, how many.
        repeats: T, as asked.
        step_size: ε, by Technique 4, in the convention of the code.
        variance: r(ε), which should be close to one.
        snr: of a Langevin corrector with the same relative step, √(ε/2)/σ_L.
        sigma_data: standard deviation of the data over all coordinates.
        mean_data: mean of the data over all coordinates.
        sampled: examples among which σ_1 was sought.
    """

    dimension: int
    sigma_1: float
    sigma_L: float
    ratio: float
    levels: int
    repeats: int
    step_size: float
    variance: float
    snr: float
    sigma_data: float
    mean_data: float
    sampled: int

    def explained(self, name: str, n: int, units: Units = UNCHANGED) -> str:
        """Return the settings with their reasons, as text; the data are n examples of ``name``, the settings of a model in ``units``."""
        steps = f"{self.step_size:.3g}   in the convention of the NCSN code ({2 * self.step_size:.3g} in the paper's)"
        among = f"all {n}" if self.sampled == n else f"{self.sampled} of {n}"
        inside = "" if units.agrees(UNCHANGED) else f"\nThe model, and all that follows, is of y: {units.described}.\n"
        overlap = (
            "so that neighbours overlap by half"
            if self.dimension > _OVERLAPPING
            else "ten, as NCSN has: neighbours overlap by far more than half"
        )
        return f"""{name}: {n} examples of {self.dimension} numbers, mean {self.mean_data:.4g}, standard deviation {self.sigma_data:.4g}
{inside}
sigma_1   {self.sigma_1:.4g}   the largest distance between two examples (among {among}): noise that lets chains cross the data
sigma_L   {self.sigma_L:.4g}   as asked: noise that cannot be seen
levels    {self.levels}   {overlap}: ratio {self.ratio:.4f} in {self.dimension} dimensions
repeats   {self.repeats}   as asked: Langevin steps on each level
step_size {steps}: leaves {self.variance:.3f} times a level's variance
snr       {self.snr:.3f}   the Langevin corrector with the same relative step
ema       0.999   averaged weights, and a noise-free last step (always on)"""


def suggest(data: Float[Tensor, "n *d"], *, sigma_L: float = 0.01, repeats: int = 5, seed: int = 0) -> Advice:
    """Return settings for NCSN training and annealed Langevin sampling of ``data``.

    Args:
        data: examples, n ≥ 2.
        sigma_L: the smallest noise level, below what can be seen.
        repeats: T, Langevin steps per level; more allow a smaller ε.
        seed: chooses the examples among which distances are taken.

    Raises:
        ValueError: fewer than two different examples, data that is not finite, or a sigma_L that is not between 0 and their distance.
    """
    whole(repeats, "repeats", 1)
    data = data if data.is_floating_point() else data.float()
    if len(data) < 2 or not torch.isfinite(data).all():
        raise ValueError(
            f"data must be at least two finite examples; received {len(data)} of shape {tuple(data.shape[1:])}"
        )
    dimension = data[0].numel()
    sampled = min(len(data), _SAMPLED)
    sigma_1 = largest_distance(data, seed=seed)
    if sigma_1 == 0:
        raise ValueError(
            "expected examples that differ, for noise levels follow from their distances; received equal ones"
        )
    if not (0 < sigma_L < sigma_1 and sigma_L**2 > 0):  # the step is a part of the square
        raise ValueError(
            f"sigma_L must be positive and smaller than the largest distance of two examples, {sigma_1:.3g}; received {sigma_L}"
        )
    levels = _FEW
    if dimension > _OVERLAPPING:
        levels = math.ceil(math.log(sigma_1 / sigma_L) / math.log(level_ratio(dimension))) + 1
    used = (sigma_1 / sigma_L) ** (1 / (levels - 1))
    epsilon = step_size(used, sigma_L, repeats)
    return Advice(
        dimension=dimension,
        sigma_1=sigma_1,
        sigma_L=sigma_L,
        ratio=used,
        levels=levels,
        repeats=repeats,
        step_size=epsilon,
        variance=remaining_variance(epsilon / sigma_L**2, used, repeats),
        snr=math.sqrt(epsilon / 2) / sigma_L,
        sigma_data=data.std().item(),
        mean_data=data.mean().item(),
        sampled=sampled,
    )


def level_ratio(dimension: int) -> float:
    """Return γ = √(2D)/(√(2D) − 3).

    Raises:
        ValueError: D ≤ 4, where neighbouring levels overlap by more than half at any γ.
    """
    root = math.sqrt(2 * dimension)
    if dimension <= _OVERLAPPING:
        raise ValueError(
            f"Technique 2 has no solution for D ≤ 4 numbers per example (D = {dimension}): neighbouring levels overlap at any ratio. "
            "Choose the ladder by hand, such as ten levels with geometric(sigma_1, sigma_L, 10)."
        )
    return root / (root - 3)


def largest_distance(data: Float[Tensor, "n *d"], *, seed: int = 0) -> float:
    """Return max ‖x_i − x_j‖ over at most 4096 examples: exact for smaller sets, a lower bound beyond."""
    rows = flatten(data)
    if len(rows) > _SAMPLED:
        rows = rows[taken(len(rows), seed=seed)]
    return max(_squares(part, rows).max().item() for part in rows.split(512)) ** 0.5


def taken(n: int, *, seed: int = 0) -> Int[Tensor, " m"]:
    """Return which of n examples are looked at: all, or 4096 of them."""
    if n <= _SAMPLED:
        return torch.arange(n)
    return torch.randperm(n, generator=generator_at(seed))[:_SAMPLED]


def _squares(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"]) -> Float64[Tensor, "m n"]:
    """Return ‖a_i − b_j‖², in float64 over some coordinates at a time; of equal rows exactly 0, since all are taken from the first."""
    total = torch.zeros(len(a), len(b), dtype=torch.float64)
    for x, y in zip(a.split(_COLUMNS, dim=1), b.split(_COLUMNS, dim=1), strict=True):
        total += torch.cdist(x.double() - y[0].double(), y.double() - y[0].double()).square_()
    return total


def remaining_variance(relative: float, ratio: float, repeats: int) -> float:
    """Return r: the variance after T steps of size ``relative`` = ε/σ_L² that began with γ² times the level's, in units of the level's."""
    c = 2 / (2 - relative)
    return (1 - relative) ** (2 * repeats) * (ratio**2 - c) + c


def step_size(ratio: float, sigma_L: float, repeats: int) -> float:
    """Return the ε that brings r closest to one."""
    found = optimize.minimize_scalar(
        lambda relative: remaining_variance(relative, ratio, repeats),
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x) * sigma_L**2
