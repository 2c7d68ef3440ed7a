"""How to sample: a sampler, and the grid it follows."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import model_validator

from scorefield.config import usual
from scorefield.config.base import Section
from scorefield.config.kinds import Kind
from scorefield.config.load import merge
from scorefield.config.migrate import named
from scorefield.config.rooms import GRID, SAMPLER
from scorefield.grids import Grid, ends
from scorefield.processes import Process
from scorefield.sampling import Sampler

__all__ = ["SamplingConfig"]


class SamplingConfig(Section):
    """How samples are drawn; what is left out is usual for the sampler.

    Attributes:
        sampler: the method, and its settings.
        grid: the times between noise and data at which it stops.
    """

    sampler: Annotated[Kind, SAMPLER]
    grid: Annotated[Kind, GRID]

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        said = merge({}, {"sampling": dict(values)})["sampling"]
        kind = named(said.get("sampler", "heun")).get("kind")
        if not isinstance(kind, str):
            return said
        return merge({"sampling": usual.sampling(kind)}, {"sampling": said})["sampling"]

    def build(self, process: Process) -> tuple[Sampler, Grid]:
        """Return the sampler and its grid."""
        sigma_1, sigma_L = ends(process)
        return self.sampler.build(), self.grid.build(sigma_1=sigma_1, sigma_L=sigma_L, t=process.t_min)
