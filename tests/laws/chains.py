"""What a sampler does to Gaussian data, exactly: every state is then an affine function of where it began and of each draw."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scorefield import Process, Sampler, ScoreModel
from scorefield.grids import steps_of

MOST_DRAWS = 1000


class Impulses:
    """Stands in for noise: draw j is one in row 2 + j and zero in all others, so that each row feels one draw alone."""

    def __init__(self, rows: int) -> None:
        self.rows, self.drawn = rows, 0

    def normal(self) -> Tensor:
        z = torch.zeros(self.rows, 2, dtype=torch.float64)
        z[2 + self.drawn] = 1.0
        self.drawn += 1
        return z


@dataclass(frozen=True)
class Affine:
    """x ↦ slope x + offset + N(0, variance), per coordinate; ``draws`` is how many normal vectors it used."""

    slope: Tensor
    offset: Tensor
    variance: Tensor
    draws: int

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and variance of the image of a law."""
        return self.slope * mean + self.offset, self.slope**2 * variance + self.variance

    @property
    def stationary(self) -> Tensor:
        """The variance that the map preserves."""
        return self.variance / (1 - self.slope**2)


def follow(model: ScoreModel, sampler: Sampler, times: Tensor, x: Tensor, noise: Any) -> Tensor:
    """Return x after every transition of a grid."""
    memory = None
    for step in steps_of(times, model.process):
        x, memory = sampler.step(model, x, step, memory, noise)
    return x


def affine(model: ScoreModel, sampler: Sampler, times: Tensor) -> Affine:
    """Return the map of a whole run in the plane, for a model whose score is linear in each coordinate separately.

    Row 0 starts at 0, row 1 at 1, and row 2 + j at 0 with draw j equal to one.
    """
    noise = Impulses(2 + MOST_DRAWS)
    x = torch.zeros(noise.rows, 2, dtype=torch.float64)
    x[1] = 1.0
    end = follow(model, sampler, times, x, noise)
    return Affine(end[1] - end[0], end[0], ((end[2:] - end[0]) ** 2).sum(0), noise.drawn)


def gaussian_law(process: Process, t: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of p_t for independent Gaussian coordinates."""
    alpha, sigma = process.alpha_sigma(t)
    return alpha * mean, alpha**2 * variance + sigma**2
