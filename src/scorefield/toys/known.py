"""Densities of the plane by name, and the noise levels and samplers that follow from their lengths."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.advice import largest_distance
from scorefield.densities import Banana, Checkerboard, Density, Funnel, GaussianMixture, Ring, TwoMoons
from scorefield.grids import Constant, Karras, Ladder, geometric
from scorefield.plotting import Square
from scorefield.processes import VE
from scorefield.samplers import AnnealedLangevin, Heun, Langevin
from scorefield.sampling import Sampler

REPEATS = 40  # Langevin steps on each level of the annealing
_FLOW_STEPS = 64


@dataclass(frozen=True)
class Toy:
    """A density of the plane.

    Args:
        density: the distribution.
        text: a description.
        detail: its smallest length: the thickness of a curve, the width of a mode.
        square: where Langevin chains start; pictures show a little more.
    """

    density: Density
    text: str
    detail: float
    square: Square

    @property
    def view(self) -> Square:
        """What pictures show."""
        return self.square.wider(1.2)


TOYS: dict[str, Toy] = {
    "circle": Toy(Ring(radius=5.0, std=0.1), "ring of radius 5, thickness 0.1", 0.1, Square(half=6.5)),
    "mixture": Toy(
        GaussianMixture.song2019(), "1/5 N((-5, -5), I) + 4/5 N((5, 5), I) (Song & Ermon 2019)", 1.0, Square(half=8)
    ),
    "banana": Toy(Banana(), "bent Gaussian", 0.5, Square((0, 4), 8)),
    "moons": Toy(TwoMoons(), "two half circles of radius 2, thickness 0.1", 0.1, Square(half=3.5)),
    "ring8": Toy(GaussianMixture.ring(8, 5.0, 0.5), "8 equal modes on a ring of radius 5", 0.5, Square(half=7)),
    "checkerboard": Toy(Checkerboard(), "uniform on 8 squares of edge 2", 0.2, Square(half=5)),
    "funnel": Toy(Funnel(std=1.5), "Neal's funnel, log variance of standard deviation 1.5", 0.3, Square(half=5)),
}


@dataclass(frozen=True)
class Plan:
    """Noise levels by rule.

    Attributes:
        process: from a fifth of the smallest detail to fifty times the diameter, where the data's mean no longer shows.
        sigma_1: the diameter of the data, where annealing starts (Song & Ermon 2020, Technique 1).
        sigma: half the smallest detail: where the field is drawn and plain Langevin chains live.
        sigma_data: standard deviation of the data.
        mean_data: its mean.
    """

    process: VE
    sigma_1: float
    sigma: float
    sigma_data: float
    mean_data: float

    @property
    def t(self) -> Float[Tensor, ""]:
        """The time of ``sigma``."""
        return self.process.time(torch.tensor(self.sigma, dtype=torch.float64))


def plan(toy: Toy) -> Plan:
    """Return the levels for a density, measured on draws from it."""
    x = toy.density.sample(2000, torch.Generator().manual_seed(0))
    sigma_1 = largest_distance(x)
    process = VE(sigma_min=toy.detail / 5, sigma_max=50 * sigma_1)
    return Plan(process, sigma_1, toy.detail / 2, x.std().item(), x.mean().item())


class Chain(NamedTuple):
    """A sampler, its times, and the square in which its states start evenly; None where they start from the prior."""

    sampler: Sampler
    times: Float[Tensor, " n"]
    start: Square | None


def chains(toy: Toy, plan: Plan) -> dict[str, Chain]:
    """Return the three samplers that are compared; plain Langevin spends as many evaluations as annealed.

    Annealing has levels at most a factor 1.5 apart, forty steps of α = σ²/2 on each: smaller steps, such as those that keep the variance
    best (Song & Ermon 2020, Technique 4), carry less mass from mode to mode. Every time stands forty times in the grid, one step each, so
    that a trajectory has them all.
    """
    sigma_L = plan.process.sigma_min
    levels = math.ceil(math.log(plan.sigma_1 / sigma_L) / math.log(1.5)) + 1
    annealed = AnnealedLangevin(0.5 * sigma_L**2, repeats=1)
    times = Ladder(geometric(plan.sigma_1, sigma_L, levels)).times(plan.process)[:-1].repeat_interleave(REPEATS)
    times = torch.cat([times, times[-1:]])
    # α = σ² is a quarter of the largest stable step, whatever the data: nothing noised by σ is narrower than σ.
    plain = Langevin(plan.sigma**2)
    return {
        "Langevin": Chain(plain, Constant(plan.t.item(), len(times) - 1).times(plan.process), toy.square),
        "annealed Langevin": Chain(annealed, times, None),
        "probability flow": Chain(Heun(), Karras(_FLOW_STEPS - 1).times(plan.process), None),
    }


def described(toy: Toy, plan: Plan) -> dict[str, Any]:
    """Return the settings that followed from the density, as JSON values."""
    samplers = {
        name: {"sampler": str(chain.sampler), "transitions": len(chain.times) - 1}
        for name, chain in chains(toy, plan).items()
    }
    lengths = {"sigma_1": plan.sigma_1, "sigma_data": plan.sigma_data, "mean_data": plan.mean_data}
    return {"sigma_min": plan.process.sigma_min, "sigma_max": plan.process.sigma_max, **lengths, "samplers": samplers}
