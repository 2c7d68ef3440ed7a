r"""Predictor, corrector, or both at the same cost (Song et al. 2021, Algorithm 1 and Table 1), with exact scores.

Table 1 gives predictors 1000 or 2000 steps, correctors 2000, and predictor-correctors 1000 of each: at 2000 evaluations FID falls from
corrector-only to predictor-only to both, for VE and for VP. Here its two predictors, the Langevin corrector and their compositions follow
grids equally spaced in t, each as fine as the same number of evaluations allows, on an unequal mixture in the plane: what is seen is the
sampler's error alone, no network's. The error is MMD² to the true distribution in closed form, bandwidth half a mode's distance from the
centre.

The ratios are chosen, and the cases decided, as `scorefield_claims.predictors` says: by more than 2 standard errors, and not where both
errors lie within ``floor`` = 5 standard errors of zero. One case that contradicts an order contradicts the claim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict
from scorefield_claims.distance import mmd_to
from scorefield_claims.predictors import compete, draw, errors_of, verdict

__all__ = ["CLAIM", "PredictorCorrectorTable"]

_MEANS = sf.GaussianMixture.ring(4, 1.4, 0.15).components.means
_LAW = sf.GaussianMixture(_MEANS, 0.15**2, [0.1, 0.2, 0.3, 0.4])
_PROCESSES: dict[str, sf.Process] = {"VE": sf.VE(0.01, 50.0), "VP": sf.VP()}


@dataclass(frozen=True, kw_only=True)
class PredictorCorrectorTable(Recipe):
    """Costs compared, and the signal-to-noise ratios to choose from."""

    n: int
    evaluations: tuple[int, ...]
    snrs: tuple[float, ...]
    bandwidth: float = 0.7
    floor: float = 5.0


def measure(recipe: PredictorCorrectorTable) -> Finding:
    """Return the error of every sampler at every cost."""

    def error(process: str, sampler: sf.Sampler, steps: int, seed: int) -> Estimate:
        model, grid = sf.Exact(_LAW, _PROCESSES[process]), sf.Uniform(steps)
        x = sf.sample(model, sampler, (recipe.n, 2), grid=grid, seed=seed, batch_size=4096).x
        return mmd_to(_LAW, x, recipe.bandwidth)

    errors, rows = compete(_PROCESSES, recipe.evaluations, recipe.snrs, error, error, recipe.seed)
    most = recipe.evaluations[-1]
    measures = {
        f"MMD², {process}, {name}, {most} evaluations": error
        for process, at in errors.items()
        for name, error in at[most].items()
    }
    picture = lambda path: draw(path, errors, "MMD² to the true distribution")  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def judge(recipe: PredictorCorrectorTable, _: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict."""
    return verdict(errors_of(rows), recipe.floor)


CLAIM = Claim(
    name="predictor-corrector",
    statement="At equal cost predictor-corrector samples are better than the predictor's, and these than the corrector's.",
    source="Song et al. (2021), section 4.2 and Table 1",
    measure=measure,
    judge=judge,
    tiny=PredictorCorrectorTable(n=200, evaluations=(8, 16), snrs=(0.2, 0.4)),
    small=PredictorCorrectorTable(n=10_000, evaluations=(16, 64, 256), snrs=(0.16, 0.4, 0.55)),
    full=PredictorCorrectorTable(
        seed=1, n=20_000, evaluations=(16, 32, 64, 128, 256, 512), snrs=(0.1, 0.16, 0.25, 0.4, 0.55)
    ),
)
