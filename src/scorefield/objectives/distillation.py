r"""A whole stretch of the probability flow in one evaluation: distillation (Luhman & Luhman 2021, arXiv:2101.02388; Salimans & Ho 2022).

Euler's method takes y = x/α from ρ to ρ' as r y + (1 − r) D, r = ρ'/ρ. It is exact if D is not the posterior mean but

    D*(x_t, t) = (Φ(y) − r y) / (1 − r),     Φ the flow from ρ to ρ',

so a network that learns D* at the few levels of a grid draws along it by `scorefield.Euler`, one evaluation a transition, and its closing
denoising is the last stretch. States at a level are data with noise, as in all training; only the stretch that begins there is solved.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._noise import Source, standard_normal, uniform_like
from scorefield._tensors import sum_event
from scorefield.grids import Grid, Karras
from scorefield.models import ScoreModel, State, require_same_units
from scorefield.sampling import Sampler, sample

_NONE = 1e-9  # of a level: so near to the end of the process the division by 1 − r would leave rounding alone


@dataclass(frozen=True)
class Distillation:
    """½ ‖D(x_t, t) − D*(x_t, t)‖² at the times of a grid, one drawn evenly for each example.

    What is learned is not a score: draw with it by `scorefield.Euler` along the same grid, and use its teacher for everything else.

    Args:
        teacher: the model whose flow is learned; it may be guided or exact. It has the units of the model, and its classes if there are
            any.
        solver: of the flow; a deterministic sampler such as `scorefield.Heun`.
        grid: L levels, on each of which the model learns to go to the next, and from the last to clean data.
        steps: transitions of the solver from one to the next, on the levels of `scorefield.Karras`.

    Cost: one evaluation of the model, and steps · solver.evaluations of the teacher.

    Raises:
        ConfigError: a teacher of another process or in other units, or one that does not know the model's classes.

    Example:
        >>> model = sf.Denoiser(sf.MLP(dim=2), process, sigma_data=2.8)
        >>> sf.objectives.Distillation(exact, sf.Heun(), sf.Karras(4))(model, x).shape
        torch.Size([4])
    """

    teacher: ScoreModel
    solver: Sampler
    grid: Grid
    steps: int = 4

    def __call__(self, model: ScoreModel, x0: Float[Tensor, "b *d"], noise: Source = None) -> Float[Tensor, " b"]:
        """Return the loss of each example."""
        require_same_units(model, "the teacher", self.teacher)
        teacher, process = self.teacher.condition(model.labels), model.process
        times = self.grid.times(process)
        level = (uniform_like(x0, noise) * len(times)).long()
        t = times.to(x0)[level]
        x_t = process.perturb(x0, t, standard_normal(x0, noise))
        target = torch.empty_like(x_t)
        ends = [*process.ratio(times).tolist(), process.ratio(torch.tensor(process.t_min, dtype=torch.float64)).item()]
        for k in range(len(times)):
            rows = (level == k).nonzero().flatten()
            if len(rows):
                target[rows] = self._end(teacher.rows(rows), x_t[rows], ends[k], ends[k + 1])
        return 0.5 * sum_event((model.denoise(x_t, t) - target) ** 2)

    def _end(self, teacher: ScoreModel, x: State, rho: float, rho_s: float) -> State:
        """Return D* of states at ρ whose stretch ends at ρ_s; of a stretch of no length, its limit, the posterior mean."""
        if 1 - rho_s / rho < _NONE:
            return teacher.denoise(x, teacher.process.time(torch.tensor(rho, dtype=torch.float64)))
        stretch = Karras(self.steps, sigma_max=rho, sigma_min=rho_s)
        found = sample(teacher, self.solver, init=x, grid=stretch, denoise=False)
        ends = teacher.process.alpha_sigma(found.times[[0, -1]])[0].tolist()
        y, y_s, r = x / ends[0], teacher.standardise(found.x) / ends[1], rho_s / rho
        return (y_s - r * y) / (1 - r)
