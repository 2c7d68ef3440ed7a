r"""Which sampler and grid to draw with where network evaluations are counted.

At 4, 8, 16, 32 and 64 evaluations of an exact score and of a learned one, and at 4 and 8 of the shipped ``mnist``, none of the ways tried
comes measurably nearer to the data than `scorefield.DPMpp2M` along a grid fitted to the model; with 4 and 8 most are far off. What was
measured by ``python -m benchmarks.budgets`` is in ``results/budgets.json``: a test holds the rule to it, and docs/choosing.md shows it.
"""

from bisect import bisect_right
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import Refused, whole
from scorefield.grids import Fitted, Grid, steps_of, times_of
from scorefield.models import ScoreModel
from scorefield.samplers.posterior import DPMpp2M
from scorefield.sampling import Sampler

_WHOLE = 10_000  # steps of a grid that ends where the process does, but for a ten-thousandth of the way
PLACES = 48  # with 96, no level of a trained mnist-small moves by more than 2 %


def within(
    evaluations: int, model: ScoreModel, event: Sequence[int], *, fitted_to: ScoreModel | None = None, beside: int = 0
) -> tuple[Sampler, Fitted]:
    """Return the sampler and the grid that come nearest to the data, of those measured, for so many network evaluations per sample.

    Args:
        evaluations: the most to spend on a sample, the closing denoising included; each model that guidance adds counts as it is asked.
        model: exact, learned or guided.
        event: the shape d of a sample.
        fitted_to: whose flow the grid is fitted to, where that is not ``model``, as for one with a label for each sample.
        beside: evaluations that are spent on a sample otherwise, such as one by a decoder of bytes.

    Cost: 96 evaluations of 16 samples, once, which are not among those counted.

    Raises:
        ConfigError: fewer evaluations than one step and the closing denoising take.
    """
    whole(evaluations, "evaluations", 1)
    sampler, process = DPMpp2M(), model.process
    way = Grid.fit(fitted_to or model, _WHOLE, event, of=sampler.extrapolates, places=PLACES).ratios

    def cut(steps: int) -> Fitted:
        """Return the grid of which the closing denoising is the last of steps + 1 equal parts of the way."""
        ratios = process.ratio(Fitted(steps + 1, way).times(process)[:-1])
        return Fitted(steps, torch.tensor(six_digits(ratios), dtype=torch.float64))

    def spent(steps: int) -> float:
        return cost(model, sampler, cut(steps)) + beside

    steps = bisect_right(range(1, evaluations), evaluations, key=spent)
    if steps == 0:
        raise Refused(
            f"evaluations must be at least {spent(1):g}, which one step of this model and the end of a sample take; received {evaluations}"
        )
    return sampler, cut(steps)


def six_digits(ratios: Float[Tensor, " n"]) -> list[float]:
    """Return noise levels in as many digits as devices agree in, and people can read."""
    return [float(f"{ratio:.6g}") for ratio in ratios.tolist()]


def cost(model: ScoreModel, sampler: Sampler, grid: Grid) -> float:
    """Return the network evaluations that `scorefield.sample` spends on each sample, by a sampler that spends the same on every step."""
    steps = steps_of(times_of(grid, model.process), model.process)
    each = [model.during(step).evaluations for step in steps]
    return sampler.first * each[0] + sampler.evaluations * sum(each) + model.during(steps[-1].arrived).evaluations
