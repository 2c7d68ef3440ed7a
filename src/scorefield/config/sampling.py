"""Sections that describe how to sample: a ``kind`` names the sampler, and each knows the grid it runs on."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from scorefield.config.base import Section

if TYPE_CHECKING:
    from scorefield.grids import Grid
    from scorefield.processes import Process
    from scorefield.sampling import Sampler

__all__ = ["SamplingConfig"]

Steps = Annotated[int, Field(ge=2, le=100_000)]
GridKind = Literal["karras", "log_snr", "uniform"]


def _grid(kind: GridKind, times: int) -> "Grid":
    """Return the grid of ``times`` times called ``kind``."""
    from scorefield import grids

    return {"karras": grids.Karras, "log_snr": grids.LogSNR, "uniform": grids.Uniform}[kind](times - 1)


class HeunConfig(Section):
    """`scorefield.Heun`: the probability-flow ODE, or with ``churn`` a mixture of it and the reverse SDE."""

    kind: Literal["heun"] = "heun"
    steps: Steps = 18
    grid: GridKind = "karras"
    churn: NonNegativeFloat = 0.0
    churn_min: NonNegativeFloat = 0.0
    churn_max: PositiveFloat = 1e9
    churn_noise: NonNegativeFloat = 1.0

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid."""
        from scorefield.samplers import Heun

        sampler = Heun(self.churn, self.churn_min, self.churn_max, self.churn_noise)
        return sampler, _grid(self.grid, self.steps)


class ODEConfig(Section):
    """The probability-flow ODE with one evaluation per step: `scorefield.Euler` or `scorefield.DPMpp2M`."""

    kind: Literal["euler", "dpmpp2m"]
    steps: Steps = 18
    grid: GridKind = "karras"

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid."""
        from scorefield.samplers import DPMpp2M, Euler

        return {"euler": Euler, "dpmpp2m": DPMpp2M}[self.kind](), _grid(self.grid, self.steps)


class AdaptiveConfig(Section):
    """The probability-flow ODE to a tolerance: `scorefield.AdaptiveODE`; ``steps`` only sets where a film has frames."""

    kind: Literal["ode"]
    steps: Steps = 2
    rtol: PositiveFloat = 1e-3
    atol: PositiveFloat = 1e-3

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid."""
        from scorefield.samplers import AdaptiveODE

        return AdaptiveODE(self.rtol, self.atol), _grid("log_snr", self.steps)


Predictor = Literal["em", "reverse_diffusion", "ancestral"]


def _predictor(kind: Predictor) -> "Sampler":
    """Return the discretisation of the reverse SDE called ``kind``."""
    from scorefield.samplers import Ancestral, EulerMaruyama, ReverseDiffusion

    return {"em": EulerMaruyama, "reverse_diffusion": ReverseDiffusion, "ancestral": Ancestral}[kind]()


class SDEConfig(Section):
    """The reverse SDE: `scorefield.EulerMaruyama`, `scorefield.ReverseDiffusion` or `scorefield.Ancestral`."""

    kind: Predictor
    steps: Steps = 300
    grid: GridKind = "log_snr"

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid."""
        return _predictor(self.kind), _grid(self.grid, self.steps)


class PCConfig(Section):
    """`scorefield.PredictorCorrector`: steps of the reverse SDE with Langevin corrections."""

    kind: Literal["pc"]
    predictor: Predictor = "reverse_diffusion"
    steps: Steps = 150
    grid: GridKind = "log_snr"
    snr: Annotated[float, Field(gt=0, lt=1)] = 0.16
    corrections: PositiveInt = 1

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid."""
        from scorefield.samplers import LangevinCorrector, PredictorCorrector

        sampler = PredictorCorrector(_predictor(self.predictor), LangevinCorrector(self.snr, self.corrections))
        return sampler, _grid(self.grid, self.steps)


class AnnealedLangevinConfig(Section):
    """`scorefield.AnnealedLangevin` on a geometric ladder; ``steps`` levels, ``repeats`` steps on each."""

    kind: Literal["ald"]
    steps: Steps = 60
    repeats: PositiveInt = 5
    relative_step: Annotated[float, Field(gt=0, lt=4)] = 0.15
    sigma_1: PositiveFloat | None = None
    sigma_L: PositiveFloat | None = None

    def build(self, process: "Process") -> "tuple[Sampler, Grid]":
        """Return the sampler and its grid; step_size is relative_step · σ_L²."""
        import torch

        from scorefield.grids import Ladder, geometric
        from scorefield.samplers import AnnealedLangevin

        ends = process.ratio(torch.tensor([process.t_max, process.t_min], dtype=torch.float64)).tolist()
        sigma_1, sigma_L = self.sigma_1 or ends[0], self.sigma_L or ends[1]
        grid = Ladder(geometric(sigma_1, sigma_L, self.steps))
        _, noise = process.alpha_sigma(grid.times(process)[-1])
        return AnnealedLangevin(self.relative_step * noise.item() ** 2, self.repeats), grid


SamplingConfig = Annotated[
    HeunConfig | ODEConfig | AdaptiveConfig | SDEConfig | PCConfig | AnnealedLangevinConfig, Field(discriminator="kind")
]
