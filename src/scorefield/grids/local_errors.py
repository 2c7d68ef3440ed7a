"""How far a step of Euler's method is off along the paths of a model's probability flow: what `scorefield.Grid.fit` divides equally."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from scorefield._noise import Noise
from scorefield._tensors import HasParts
from scorefield.processes import Process
from scorefield.units import Moments

Held = Literal["noise", "data"]
"""What a sampler extrapolates from the levels before."""


@runtime_checkable
class Flow(HasParts, Protocol):
    """What `Grid.fit` asks of a `scorefield.ScoreModel`."""

    process: Process

    def prior(self, t: Tensor) -> Moments:
        """Return mean and standard deviation of where sampling starts."""
        ...

    def noise(self, x: Tensor, t: Tensor) -> Tensor:
        """Return ẑ = (x − αD)/σ."""
        ...

    def parameters(self) -> Iterator[Tensor]:
        """Return tensors that are where the model is."""
        ...


@torch.no_grad()
def errors_along(model: Flow, event: Sequence[int], paths: int, times: Tensor, of: Held) -> tuple[Tensor, Tensor]:
    """Return σ/α at the times, and Σ √e up to each; e of "noise" is in units of the states' spread, of "data" in the data's own."""
    alpha, sigma = model.process.alpha_sigma(times)
    z = Noise(range(paths), event, stream="fit").normal()
    x = model.prior(times[0]).place(z.to(next(model.parameters(), z).device))
    rho, y, passed = sigma / alpha, x / alpha[0], [0.0]
    slope = model.noise(x, times[0])
    for k in range(1, len(times)):
        h = rho[k] - rho[k - 1]
        euler = y + h * slope
        error = 0.5 * h * (model.noise(alpha[k] * euler, times[k]) - slope)
        y = euler + error
        unit = _spread(y) if of == "noise" else 1.0
        passed.append(passed[-1] + (error.square().mean().sqrt() / unit).sqrt().item())
        slope = model.noise(alpha[k] * y, times[k])
    return rho, torch.tensor(passed, dtype=torch.float64)


def _spread(y: Tensor) -> Tensor:
    """Return the standard deviation of states, over all coordinates: where the flow shrinks states, it shrinks errors with them."""
    return (y - y.mean(dim=0)).square().mean().sqrt()
