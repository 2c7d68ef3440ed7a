"""How to sample: a sampler, and the grid it follows."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import model_validator

from scorefield._noise import Stream
from scorefield.config import usual
from scorefield.config.base import Section
from scorefield.config.kind import Kind
from scorefield.config.load import merge, validate
from scorefield.config.migrate import flat_sampling, named
from scorefield.config.rooms import GRID, SAMPLER
from scorefield.grids import Grid, ends, times_of
from scorefield.grids.local_errors import Flow
from scorefield.processes import Process
from scorefield.sampling import Sampler

_PLACES = 48  # with 96, no level of a trained mnist-small moves by more than 2 %


class SamplingConfig(Section):
    """How samples are drawn; settings that are left out have usual values for the sampler.

    Attributes:
        sampler: the method, and its settings.
        grid: the times between noise and data at which it stops.
        generator: source of the noise: "torch" draws on the CPU, "philox" on the device; their samples differ (`scorefield.Noise`).
    """

    sampler: Annotated[Kind, SAMPLER]
    grid: Annotated[Kind, GRID]
    generator: Stream = "torch"

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        said = merge({}, {"sampling": dict(values)})["sampling"]
        kind = named(said.get("sampler")).get("kind", "heun")
        if not isinstance(kind, str):
            return said
        return merge({"sampling": usual.sampling(kind)}, {"sampling": said})["sampling"]

    @property
    def unfitted(self) -> bool:
        """Whether the grid has yet to be fitted to the model."""
        return self.grid.kind == "fitted" and self.grid.ratios is None

    def fitted(self, model: Flow, event: Sequence[int]) -> "SamplingConfig":
        """Return this with a grid that states no ratios fitted to the model, for what the sampler extrapolates (`scorefield.Grid.fit`)."""
        if not self.unfitted:
            return self
        fit = Grid.fit(model, self.grid.steps, event, of=self.sampler.build().extrapolates, places=_PLACES)
        # Six digits, in which devices agree, and which people can read.
        ratios = [float(f"{ratio:.6g}") for ratio in fit.ratios.tolist()]
        return self.model_copy(update={"grid": GRID.read({"kind": "fitted", "steps": fit.steps, "ratios": ratios})})

    def build(self, process: Process) -> tuple[Sampler, Grid]:
        """Return the sampler and its grid."""
        sigma_1, sigma_L = ends(process)
        return self.sampler.build(), self.grid.build(sigma_1=sigma_1, sigma_L=sigma_L, t=process.t_min)

    def require_fit(self, process: Process) -> None:
        """Refuse, before anything is trained, a sampler or a grid that cannot draw from the process."""
        if not self.unfitted:
            times_of(self.build(process)[1], process)


class _Choice(Section):
    """Wraps the union of samplers so that one validator serves all."""

    sampling: SamplingConfig


def changed(
    own: SamplingConfig, kind: str | None, steps: int | None, options: Mapping[str, Any], source: str
) -> SamplingConfig:
    """Return the sampling configuration of a run, changed by what was asked.

    Args:
        own: of the run.
        kind: of the sampler; the run's own when absent, with its settings.
        steps: transitions of the grid, or levels of a ladder.
        options: more settings of sampler and grid, side by side.
        source: who asked, in errors.

    Raises:
        ConfigError: no such kind, or a setting that it does not have or that cannot be.
    """
    asked = {**({} if kind is None else {"kind": kind}), **({} if steps is None else {"steps": steps}), **options}
    before = own.model_dump(mode="json")
    values = merge({"sampling": before}, {"sampling": flat_sampling(asked, before, times=False)})
    return validate(_Choice, values, source).sampling
