"""What the laws are tested on: add a line here, and every law runs on a new density, process or sampler.

A class whose settings all have defaults needs no line: it is found, and gets a case of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from scorefield import (
    DDIM,
    EDM,
    VE,
    VP,
    AdaptiveODE,
    Ancestral,
    AnnealedLangevin,
    Banana,
    Checkerboard,
    Constant,
    Density,
    DPMpp2M,
    Empirical,
    Euler,
    EulerMaruyama,
    Funnel,
    Gaussian,
    GaussianMixture,
    Heun,
    Ladder,
    Langevin,
    LangevinCorrector,
    LogSNR,
    PowerVE,
    PredictorCorrector,
    Process,
    Product,
    ReverseDiffusion,
    Ring,
    Sampler,
    Similarity,
    SubVP,
    TwoMoons,
    geometric,
)
from scorefield.samplers import AdaptiveSDE
from scorefield.samplers.multistep import RULES, Multistep

from .everything import by_default, public


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def times_inside(process: Process, n: int) -> Tensor:
    """Return n times strictly inside the range, shuffled: no test should depend on their order."""
    u = torch.linspace(0.05, 0.95, n, dtype=torch.float64)[torch.randperm(n, generator=seeded(n))]
    return process.t_min + u * (process.t_max - process.t_min)


def covariances(k: int, size: int, seed: int = 0) -> Tensor:
    """Return k well-conditioned covariance matrices."""
    root = normal(k, size, size, seed=seed)
    return 0.3 * root @ root.mT / size + 0.2 * torch.eye(size, dtype=torch.float64)


DENSITIES: dict[str, Density] = {
    "gaussian-iso": Gaussian([1.0, -0.5], 0.7),
    "gaussian-diag": Gaussian([1.0, -0.5, 0.0], torch.tensor([0.5, 1.0, 2.0])),
    "gaussian-full": Gaussian(normal(2, 2), covariances(1, 4)[0]),
    "mixture-iso": GaussianMixture(normal(3, 2), [0.2, 0.5, 1.0], [0.2, 0.3, 0.5]),
    "mixture-diag": GaussianMixture(normal(3, 3), normal(3, 3, seed=1).square() + 0.2, [1.0, 2.0, 3.0]),
    "mixture-full": GaussianMixture(2 * normal(3, 2), covariances(3, 2), [0.5, 0.1, 0.4]),
    "mixture-image": GaussianMixture(normal(2, 1, 4, 4), covariances(2, 16), [0.3, 0.7]),
    "ring": GaussianMixture.ring(),
    "grid": GaussianMixture.grid(),
    "song2019": GaussianMixture.song2019(),
    "annulus": Ring(radius=2.0, std=0.4),
    "annulus-noised": Ring(radius=2.0, std=0.1).diffuse(0.8, 0.3),
    "banana": Banana(spread=1.0, curvature=0.4, std=0.5),
    "banana-noised": Banana(spread=1.0, curvature=0.4, std=0.2).diffuse(0.8, 0.5),
    "moons": TwoMoons(radius=1.5, std=0.3),
    "checkerboard-noised": Checkerboard(side=4, size=5.0).diffuse(0.9, 0.3),
    "funnel": Funnel(dim=2, std=0.7),
    "funnel-noised": Funnel(dim=3, std=1.5).diffuse(0.7, 0.4),
    "product": Product(Ring(radius=2.0, std=0.4), Gaussian([0.5], 0.3)),
    "similarity": Similarity(TwoMoons(radius=1.5, std=0.3), 0.8, torch.tensor([[0.6, -0.8], [0.8, 0.6]]), 0.5),
    "empirical": Empirical(normal(7, 2)).diffuse(0.9, 0.5),
    "empirical-image": Empirical(normal(5, 1, 4, 4)).diffuse(0.9, 0.7),
}
DENSITIES |= by_default(public(Density), DENSITIES.values(), lambda cls: cls())
PLANAR = {name: density for name, density in DENSITIES.items() if density.event == (2,)}

PROCESSES: dict[str, Process] = {
    "VE": VE(),
    "VE-narrow": VE(sigma_min=0.1, sigma_max=5.0),
    "VP": VP(),
    "VP-mild": VP(beta_min=0.5, beta_max=5.0),
    "SubVP": SubVP(),
    "PowerVE": PowerVE(),
    "EDM": EDM(),
}
PROCESSES |= by_default(public(Process), PROCESSES.values(), lambda cls: cls())


@dataclass(frozen=True)
class Target:
    """A mixture in the plane, and its distribution function along any line once noised by (α, σ)."""

    weights: tuple[float, ...]
    means: tuple[tuple[float, float], ...]
    covariances: tuple[tuple[tuple[float, float], tuple[float, float]], ...]

    @property
    def density(self) -> Density:
        matrices = torch.tensor(self.covariances, dtype=torch.float64)
        if len(self.weights) == 1:
            return Gaussian(self.means[0], matrices[0])
        return GaussianMixture(torch.tensor(self.means, dtype=torch.float64), matrices, self.weights)

    def along(self, direction: np.ndarray, alpha: float, sigma: float) -> Callable[[np.ndarray], np.ndarray]:
        """Return the distribution function of ``direction`` · x."""
        std = np.sqrt(alpha**2 * (direction @ np.array(self.covariances) @ direction) + sigma**2)
        centres = alpha * np.array(self.means) @ direction

        def cdf(x: np.ndarray) -> np.ndarray:
            return stats.norm.cdf((x[:, None] - centres) / std) @ np.array(self.weights)

        return cdf


TARGETS = {
    "gaussian": Target((1.0,), ((1.0, -0.5),), (((1.0, 0.6), (0.6, 0.8)),)),
    "mixture": Target((0.3, 0.7), ((-1.5, 0.0), (1.5, 1.0)), 2 * (((0.3, 0.1), (0.1, 0.25)),)),
    "unequal": Target((0.4, 0.6), ((-1.0, 0.0), (1.5, 0.5)), (((0.8, 0.0), (0.0, 0.8)), ((0.1, 0.05), (0.05, 0.2)))),
    "ring": Target(
        tuple((k + 1) / 36 for k in range(8)),
        tuple((2.5 * math.cos(k * math.pi / 4), 2.5 * math.sin(k * math.pi / 4)) for k in range(8)),
        8 * (((0.16, 0.0), (0.0, 0.16)),),
    ),
}
ROUTE_PROCESSES: dict[str, Process] = {
    "VE": VE(sigma_min=0.05, sigma_max=10.0),
    "VP": VP(),
    "SubVP": SubVP(),
    "EDM": EDM(sigma_min=0.05, sigma_max=10.0),
}


@dataclass(frozen=True)
class Route:
    """A sampler, and a grid on which it carries the law at t_max to that at the grid's end, up to less than the tests resolve.

    Tests of more samples resolve more: ``times`` takes a process and how many times finer the grid should be, `finer` as much of a
    sampler that chooses its own steps.
    """

    sampler: Sampler
    times: Callable[[Process, int], Tensor]

    def finer(self, fine: int) -> Sampler:
        tolerances = {
            name: getattr(self.sampler, name) / fine for name in ("rtol", "atol") if hasattr(self.sampler, name)
        }
        return replace(self.sampler, **tolerances) if tolerances else self.sampler  # pyright: ignore[reportArgumentType]


def stay(ratio: float, steps: int) -> Callable[[Process, int], Tensor]:
    """Return a route that stays at one noise-to-signal ratio, as long as it takes to forget where it began."""
    return lambda process, _: Constant(process.time(torch.tensor(ratio, dtype=torch.float64)).item(), steps).times(
        process
    )


def down(steps: int) -> Callable[[Process, int], Tensor]:
    """Return a route from t_max to t_min."""
    return lambda process, fine: LogSNR(fine * steps).times(process)


def coarse(times: Tensor) -> Tensor:
    """Return some sixteen transitions of a route, for what holds of any grid."""
    return times[torch.linspace(0, len(times) - 1, 17).round().long().unique()]


def rungs(high: float, low: float, count: int) -> Callable[[Process, int], Tensor]:
    """Return a ladder of levels."""
    return lambda process, fine: Ladder(geometric(high, low, fine * count)).times(process)


SAMPLERS: dict[str, Route] = {
    "Euler": Route(Euler(), down(80)),
    "Heun": Route(Heun(), down(24)),
    "EulerMaruyama": Route(EulerMaruyama(), down(100)),
    "HeunChurned": Route(Heun(churn=10.0, churn_noise=1.0), down(60)),
    "AdaptiveODE": Route(AdaptiveODE(1e-4, 1e-4), down(1)),
    "AdaptiveSDE": Route(AdaptiveSDE(), down(1)),
    "DPMpp2M": Route(DPMpp2M(), down(40)),
    **{f"Multistep {rule}": Route(Multistep(rule), down(40)) for rule in RULES},
    "DDIM": Route(DDIM(eta=0.5), down(100)),
    "Ancestral": Route(Ancestral(), down(250)),
    "ReverseDiffusion": Route(ReverseDiffusion(), down(150)),
    "PredictorCorrector": Route(PredictorCorrector(EulerMaruyama(), LangevinCorrector(snr=0.1)), down(80)),
    "Langevin": Route(Langevin(step_size=0.05), stay(1.0, 600)),
    "LangevinCorrector": Route(LangevinCorrector(snr=0.18), stay(1.0, 300)),
    "AnnealedLangevin": Route(AnnealedLangevin(step_size=0.02, repeats=40), rungs(5.0, 0.5, 14)),
}


def usual(sampler: Sampler) -> Route:
    """Return the route of a sampler of which nothing is told: down from t_max where it follows a path, else long at one level."""
    return Route(sampler, stay(1.0, 300) if sampler.order is None else down(150))


CONDITIONED = (*public(Sampler, ["guidance"]), "MALA")
"""Samplers whose model must state a problem or know log p, which these laws' models do not; see test_everything.py."""
SAMPLERS |= by_default(
    {name: cls for name, cls in public(Sampler).items() if name not in CONDITIONED},
    [route.sampler for route in SAMPLERS.values()],
    lambda cls: usual(cls()),
)
