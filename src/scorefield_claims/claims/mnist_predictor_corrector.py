r"""Predictor, corrector, or both at the same cost (Song et al. 2021, Table 1), with a learned score: MNIST.

The samplers are those of ``predictor-corrector``, on grids even in ln σ, as the VE process of the paper is in its time; the error is the
Fréchet distance between features that an independent judge sees, FID (MNIST features), to the test set. Ratios are chosen and orders told
as `scorefield_claims.predictors` says; a distance of finite samples is never near zero, so there is no floor.
"""

from dataclasses import dataclass

from scorefield.grids import LogSNR
from scorefield.metrics import Estimate, frechet_distance
from scorefield.pretrained import load_model
from scorefield.sampling import Sampler, sample
from scorefield_claims.base import Claim, Finding, Recipe
from scorefield_claims.mnist import BATCH, digits, examples, judge, real_features
from scorefield_claims.predictors import Measure, compete, draw, verdict

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
    model, real = load_model(recipe.model, precision="auto").model, real_features(recipe.reference)

    def of(n: int) -> Measure:
        def error(process: str, sampler: Sampler, steps: int, seed: int) -> Estimate:
            times = LogSNR(steps).times(model.process)
            x = sample(model, sampler, (n, 1, 28, 28), grid=times, seed=seed, batch_size=BATCH).x
            return frechet_distance(judge().features(x), real)

        return error

    errors, rows = compete(["MNIST"], recipe.evaluations, recipe.snrs, of(recipe.n), of(recipe.trial), recipe.seed)
    floor = frechet_distance(judge().features(examples(digits(train=True), recipe.n, recipe.seed).scaled()), real)
    most = recipe.evaluations[-1]
    measures = {f"FID (MNIST features), {name}, {most} evaluations": e for name, e in errors["MNIST"][most].items()}
    measures |= {"FID (MNIST features) of training digits": floor}
    decided, reason = verdict(errors, 0.0)
    return Finding(decided, reason, measures, rows, lambda path: draw(path, errors, "FID (MNIST features)"))


CLAIM = Claim(
    name="mnist-predictor-corrector",
    statement="At equal cost, on a learned score, predictor-corrector beats the predictor, and the predictor the corrector.",
    source="Song et al. (2021), section 4.2 and Table 1, on MNIST",
    measure=measure,
    small=MnistPredictorCorrector(n=200, trial=100, evaluations=(32,), snrs=(0.16, 0.3)),
    full=MnistPredictorCorrector(n=500, trial=150, evaluations=(32, 128), snrs=(0.1, 0.16, 0.25)),
    models=("mnist", "mnist-judge"),
)
