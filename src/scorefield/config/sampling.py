"""How to sample: a sampler, and the grid it follows."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import model_validator

from scorefield._checks import Refused
from scorefield._noise import Stream
from scorefield.config import usual
from scorefield.config.base import Section
from scorefield.config.kind import Kind
from scorefield.config.load import merge, validate
from scorefield.config.migrate import flat_sampling, named
from scorefield.config.rooms import GRID, SAMPLER
from scorefield.grids import Fitted, Grid, ends, times_of
from scorefield.grids.local_errors import Flow
from scorefield.models import ScoreModel
from scorefield.processes import Process
from scorefield.samplers import within
from scorefield.samplers.budget import PLACES, cost, six_digits
from scorefield.sampling import Sampler


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
        fit = Grid.fit(model, self.grid.steps, event, of=self.sampler.build().extrapolates, places=PLACES)
        return self.model_copy(update={"grid": _read(fit)})

    def within(
        self,
        evaluations: int,
        model: ScoreModel,
        event: Sequence[int],
        *,
        fitted_to: ScoreModel,
        beside: int,
        keep: bool,
    ) -> "SamplingConfig":
        """Return this with the sampler and the grid that `scorefield.samplers.within` chooses for a model, or as it is.

        Raises:
            ConfigError: fewer evaluations than any step takes or, to ``keep`` this, than it takes.
        """
        if keep:
            if (least := cost(model, *self.build(model.process)) + beside) > evaluations:
                raise Refused(
                    f"evaluations must be at least {least:g}, which the model was distilled to draw by; received {evaluations}"
                )
            return self
        sampler, grid = within(evaluations, model, event, fitted_to=fitted_to, beside=beside)
        kind = next(kind for kind, maker in SAMPLER.makers.items() if maker is type(sampler))
        return self.model_copy(update={"sampler": SAMPLER.read({"kind": kind}), "grid": _read(grid)})

    def build(self, process: Process) -> tuple[Sampler, Grid]:
        """Return the sampler and its grid."""
        sigma_1, sigma_L = ends(process)
        return self.sampler.build(), self.grid.build(sigma_1=sigma_1, sigma_L=sigma_L, t=process.t_min)

    def require_fit(self, process: Process) -> None:
        """Refuse, before anything is trained, a sampler or a grid that cannot draw from the process."""
        if not self.unfitted:
            times_of(self.build(process)[1], process)


def _read(grid: Fitted) -> Kind:
    """Return a fitted grid as a configuration has it."""
    return GRID.read({"kind": "fitted", "steps": grid.steps, "ratios": six_digits(grid.ratios)})


class _Choice(Section):
    """Wraps the union of samplers so that one validator serves all."""

    sampling: SamplingConfig


def changed(
    own: SamplingConfig, kind: str | None, steps: int | None, options: Mapping[str, Any], source: str
) -> SamplingConfig:
    """Return the sampling configuration of a run, changed by what was asked: ``steps`` are transitions, or levels of a ladder."""
    asked = {**({} if kind is None else {"kind": kind}), **({} if steps is None else {"steps": steps}), **options}
    before = own.model_dump(mode="json")
    values = merge({"sampling": before}, {"sampling": flat_sampling(asked, before, times=False)})
    return validate(_Choice, values, source).sampling
