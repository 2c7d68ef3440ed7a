"""Linear measurements in a model's own coordinates."""

import torch

from scorefield._tensors import flatten, there
from scorefield.guidance.operators import LinearOperator, Measurement, Project, Variance
from scorefield.models import State
from scorefield.units import Units


class Rescaled(LinearOperator):
    """The operator A in a model's own coordinates: y ↦ A (c ⊙ y), where data are m + c ⊙ y.

    Args:
        A: the operator, of data in their units.
        units: m and c, each a number or one per coordinate.
        v: a measurement, for its shape and dtype.

    Attributes:
        offset: A m.
        measures: the unit of each measurement, √(diag(A C² Aᵀ)/diag(A Aᵀ)) with C = diag(c): c itself where c is a number or A a mask.

    Cost: that of A for a number; for one per coordinate the matrix of A C, as c from 1e-3 to 1e5 lets no iteration converge.
    """

    def __init__(self, A: LinearOperator, units: Units, v: Measurement) -> None:
        self.A = A
        self.scale = units.scale
        self._matrix: Project | None = None
        if units.scale.numel() == 1:
            self.measures = units.scale.reshape(())
            self.offset = A.apply(units.location.to(v).expand(A.adjoint(v[:1]).shape)).double()
            return
        size = v[0].numel()
        rows = A.adjoint(torch.eye(size, dtype=v.dtype, device=v.device).reshape(size, *v.shape[1:])).double().cpu()
        scaled = flatten(rows * units.scale)
        unit = torch.linalg.vector_norm(scaled, dim=1) / torch.linalg.vector_norm(flatten(rows), dim=1)
        self.measures = torch.nan_to_num(unit, nan=1.0).reshape(v.shape[1:])  # NaN where nothing is measured
        self.offset = flatten(rows * units.location).sum(1).reshape(1, *v.shape[1:])
        self._matrix = Project(scaled)

    def apply(self, x: State) -> Measurement:
        """Return A (c ⊙ x)."""
        return self.A.apply(there(self.scale, x) * x)

    def adjoint(self, v: Measurement) -> State:
        """Return c ⊙ Aᵀ v."""
        x = self.A.adjoint(v)
        return there(self.scale, x) * x

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return (prior A c² Aᵀ + noise I)⁻¹ v."""
        if self._matrix is None:
            return self.A.solve(v, prior * self.scale.to(prior).square().reshape(()), noise)
        return self._matrix.solve(flatten(v), prior, noise).reshape(v.shape)
