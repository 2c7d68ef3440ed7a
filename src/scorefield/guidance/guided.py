"""What all models around another share: the other's process, units and moments, and the coordinates it knows for certain."""

from typing import ClassVar

from scorefield._checks import require
from scorefield.models import ScoreModel, State


class Guided(ScoreModel):
    """A score model made of another one.

    Attributes:
        calls: of the model, in one call of this one.
        beside: network evaluations that a call spends on others.
    """

    calls: ClassVar[int] = 1
    beside: int = 0

    def __init__(self, model: ScoreModel) -> None:
        super().__init__()
        require(ScoreModel, model, f"the model that {type(self).__name__} guides", "Exact or a Denoiser")
        self.model = model
        self.process, self.units, self.moments = model.process, model.units, model.moments

    @property
    def evaluations(self) -> int:
        """Those of the model, ``calls`` times, and those ``beside``."""
        return self.calls * self.model.evaluations + self.beside

    def certain(self, denoised: State) -> State:
        """Return E[x_0 | x_t] in which the coordinates that the model knows, such as those of an `Inpaint`, have their values."""
        return self.model.certain(denoised)

    def restore(self, x: State) -> State:
        """Return states in the data's units, as the model does."""
        return self.model.restore(x)
