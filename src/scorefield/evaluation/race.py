"""The race: how far samplers end from the exact solution, against the network evaluations they spend.

Deterministic ones follow the flow; `AdaptiveSDE` follows the solution of the reverse SDE along the Brownian path of each seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from scorefield._noise import Noise
from scorefield._tensors import home
from scorefield.grids import Grid, Karras, LogSNR
from scorefield.models import ScoreModel
from scorefield.samplers import AdaptiveODE, AdaptiveSDE, DPMpp2M, Euler, Heun, Multistep
from scorefield.samplers.multistep import RULES
from scorefield.sampling import Sampler, Samples, sample

RACERS: Mapping[str, Sampler] = {
    "Euler": Euler(),
    "Heun": Heun(),
    "DPM-Solver++(2M)": DPMpp2M(),
    **{rule: Multistep(rule) for rule in RULES},  # pyright: ignore[reportArgumentType]  every rule is one of its own
}
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
_OF_PATHS = (0.3, 0.1, 0.03)
_FITTED = 3  # finishes of a sampler, the last


@dataclass(frozen=True)
class Finish:
    """Where a sampler ended.

    Attributes:
        sampler: of `RACERS`, or "AdaptiveSDE".
        evaluations: network evaluations spent on each sample, the closing denoising included.
        error: root mean square over samples and coordinates of the distance to the solution, in the data's units.
    """

    sampler: str
    evaluations: float
    error: float


def race(
    model: ScoreModel,
    shape: Sequence[int],
    evaluations: Sequence[int],
    *,
    grid: Callable[[int], Grid] = Karras,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    on_finish: Callable[[Finish], object] = lambda _: None,
) -> tuple[list[Finish], Tensor]:
    """Return the error of every sampler for the evaluations it may spend, and the solution.

    All start from the same noise. The solution is that of `scorefield.AdaptiveODE`, to a tolerance of 1e-5 in float32 and of 1e-10 in
    float64, denoised at its end as the others. A sampler takes the steps that it can afford of each budget of ``evaluations``, along the
    ``grid`` of so many; ``on_finish`` is called after each.

    Cost: the sum of the evaluations, for each sampler, and a few hundred for the solution.
    """
    start = _start(model, shape, seed, dtype)
    fine = AdaptiveODE(_TOLERANCE[dtype], _TOLERANCE[dtype])
    solution = sample(model, fine, grid=grid(1), init=start).x
    found = []
    for name, sampler in RACERS.items():
        for most in evaluations:
            steps = int((most - 1) / sampler.evaluations)
            if steps < 1:
                continue
            drawn = sample(model, sampler, grid=grid(steps), init=start)
            found.append(Finish(name, drawn.evaluations, _apart(drawn.x, solution)))
            on_finish(found[-1])
    return found, solution


def race_paths(
    model: ScoreModel,
    shape: Sequence[int],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> list[Finish]:
    """Return the error of `scorefield.samplers.AdaptiveSDE` at three tolerances, against the same paths at a tenth of the tightest.

    Do not compare it with errors along the flow: it is another equation, with other solutions.
    """
    start = _start(model, shape, seed, dtype)

    def ended(tolerance: float) -> Samples:
        return sample(model, AdaptiveSDE(tolerance, tolerance / 5), grid=LogSNR(1), init=start, seed=seed)

    solution = ended(_OF_PATHS[-1] / 10).x
    return [Finish("AdaptiveSDE", drawn.evaluations, _apart(drawn.x, solution)) for drawn in map(ended, _OF_PATHS)]


def _start(model: ScoreModel, shape: Sequence[int], seed: int, dtype: torch.dtype) -> Tensor:
    """Return the noise from which all start."""
    prior = model.prior(torch.tensor(model.process.t_max, dtype=torch.float64))
    z = Noise(range(shape[0]), shape[1:], stream=f"race {seed}", dtype=dtype).normal()
    return prior.place(z).to(home(model))


def _apart(x: Tensor, solution: Tensor) -> float:
    """Return the root mean square of the distance."""
    return (x - solution).double().square().mean().sqrt().item()


def fitted_orders(finishes: Sequence[Finish]) -> dict[str, float]:
    """Return the p of error = C evaluations^{−p} of each sampler, by least squares in logarithms over its last three finishes."""
    orders = {}
    for name in dict.fromkeys(finish.sampler for finish in finishes):
        own = [asdict(finish) for finish in finishes if finish.sampler == name][-_FITTED:]
        spent, errors = (np.log([row[key] for row in own]) for key in ("evaluations", "error"))
        orders[name] = -float(np.polyfit(spent, errors, 1)[0]) if len(own) > 1 else float("nan")
    return orders
