r"""Predictor, corrector, or both at the same cost (Song et al. 2021, Table 1), with a learned score: MNIST.

The samplers are those of ``predictor-corrector``, on grids equally spaced in ln σ, as the VE process of the paper is in its time; the
error is the Fréchet distance between features that an independent judge sees, FID (MNIST features), to the test set. Ratios are chosen and
cases decided as `scorefield_claims.predictors` says; a distance of finite samples is never near zero, so there is no floor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict
from scorefield_claims.mnist import draw as drawn_digits
from scorefield_claims.mnist import fid, shipped, training_digits
from scorefield_claims.predictors import Measure, compete, draw, errors_of, verdict

__all__ = ["CLAIM", "MnistPredictorCorrector"]


@dataclass(frozen=True, kw_only=True)
class MnistPredictorCorrector(Recipe):
    """Samples, and those that ratios are chosen by; costs, ratios, test digits compared with."""

    n: int
    trial: int
    evaluations: tuple[int, ...]
    snrs: tuple[float, ...]
    reference: int = 10_000
    model: str = "mnist"


def measure(recipe: MnistPredictorCorrector) -> Finding:
    """Return the error of every sampler at every cost."""
    model = shipped(recipe.model)

    def of(n: int) -> Measure:
        def error(process: str, sampler: sf.Sampler, steps: int, seed: int) -> Estimate:
            return fid(drawn_digits(model, sampler, sf.LogSNR(steps), n, seed).x, recipe.reference)

        return error

    errors, rows = compete(["MNIST"], recipe.evaluations, recipe.snrs, of(recipe.n), of(recipe.trial), recipe.seed)
    floor = fid(training_digits(recipe.n, recipe.seed), recipe.reference)
    most = recipe.evaluations[-1]
    measures = {f"FID (MNIST features), {name}, {most} evaluations": e for name, e in errors["MNIST"][most].items()}
    measures |= {"FID (MNIST features) of training digits": floor}
    picture = lambda path: draw(path, errors, "FID (MNIST features)")  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def judge(_: MnistPredictorCorrector, __: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict."""
    return verdict(errors_of(rows), 0.0)


CLAIM = Claim(
    name="mnist-predictor-corrector",
    statement="At equal cost, on a learned score, predictor-corrector beats the predictor, and the predictor the corrector.",
    source="Song et al. (2021), section 4.2 and Table 1, on MNIST",
    measure=measure,
    judge=judge,
    tiny=MnistPredictorCorrector(n=10, trial=10, evaluations=(4,), snrs=(0.16,), reference=100),
    small=MnistPredictorCorrector(n=200, trial=100, evaluations=(32,), snrs=(0.16, 0.3)),
    full=MnistPredictorCorrector(n=500, trial=150, evaluations=(32, 128), snrs=(0.1, 0.16, 0.25)),
    models=("mnist", "mnist-judge"),
)
