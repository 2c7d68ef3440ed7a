r"""Where an estimated score can be trusted (Song & Ermon 2019, section 3.2.1 and Fig. 2): where there was data.

Two fields are learned and compared with the truth: of the paper's mixture by sliced score matching (noised by ``sigma``, which is small
beside its unit modes, so that one type of model serves both), and of a thin circle by a denoising autoencoder. The plane is cut by the
density itself: the core, the smallest region with half of the mass; the tail, out to 99 %; and the outside, up to the border of the
square.

Thresholds: in the core the error is below ``near`` = 20 % of the score, and outside it is, in the score's own units, more than ``ratio`` =
5 times that of the core; a field that is wrong everywhere, or right everywhere, would fail one of the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield.objectives import Objective
from scorefield.plotting import Square, mass_level, score_panels
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rms, rule
from scorefield_claims.chance import generator
from scorefield_claims.learning import learned

__all__ = ["CLAIM", "CircleField"]

_SQUARE = Square(half=9.0)


@dataclass(frozen=True, kw_only=True)
class CircleField(Recipe):
    """Training steps of both fields, and the points at which they are compared."""

    steps: int
    n: int
    circle_sigma: float = 0.5
    mixture_sigma: float = 0.1
    near: float = 0.2
    ratio: float = 5.0


@dataclass(frozen=True)
class _Case:
    """A distribution, the noise level at which its score is learned, the loss, the standard deviation of the data."""

    law: sf.Density
    sigma: float
    objective: Objective[sf.ScoreModel]
    sigma_data: float

    @property
    def process(self) -> sf.VE:
        """A process around the one level."""
        return sf.VE(self.sigma / 4, self.sigma * 4)

    @property
    def t(self) -> Float[Tensor, ""]:
        """The time of the level."""
        return self.process.time(torch.tensor(self.sigma, dtype=torch.float64))

    def build(self) -> sf.Denoiser:
        """Return a network around the level."""
        return sf.Denoiser(sf.MLP(2), self.process, self.sigma_data)


def _cases(recipe: CircleField) -> dict[str, _Case]:
    circle, mixture = recipe.circle_sigma, recipe.mixture_sigma
    return {
        "circle": _Case(sf.Ring(5.0, 0.1), circle, sf.DAE(circle), 3.5),
        "mixture": _Case(sf.GaussianMixture.song2019(), mixture, sf.SSM(mixture), 5.0),
    }


def _regions(case: _Case, exact: sf.Exact, n: int, seed: int) -> dict[str, Float[Tensor, "m 2"]]:
    """Return points of the core and the tail, weighted by the distribution, and of the outside, weighted evenly."""
    stream, law = generator(seed, "field"), exact.marginal(case.t)
    half, most = (mass_level(law, mass, n=n) for mass in (0.5, 0.99))
    draws, even = law.sample(n, stream), _SQUARE.uniform(n, stream)
    height, outside = law.log_prob(draws.double()), law.log_prob(even.double()) < most
    return {
        "core": draws[height >= half],
        "tail": draws[(height < half) & (height >= most)],
        "outside": even[outside],
    }


@torch.no_grad()
def _error(model: sf.ScoreModel, exact: sf.Exact, t: Tensor, x: Float[Tensor, "m 2"]) -> tuple[Estimate, float]:
    """Return the root mean square of ‖ŝ − s‖, and it relative to that of ‖s‖."""
    true = exact.score(x, t)
    error, size = (rms(score.double().square().sum(dim=1)) for score in (model.score(x, t) - true, true))
    return error, error.value / size.value


def measure(recipe: CircleField) -> Finding:
    """Return how wrong either field is, near its data and far from it."""
    fields: dict[str, tuple[_Case, sf.ScoreModel, sf.Exact]] = {}
    measures: dict[str, Estimate] = {}
    rows: list[Row] = []
    for k, (name, case) in enumerate(_cases(recipe).items()):
        settings = {"steps": recipe.steps, "learning_rate": 1e-3, "seed": recipe.seed + k}
        model = learned(case.build, case.law, case.objective, **settings)
        exact = sf.Exact(case.law, case.process)
        fields[name] = (case, model, exact)
        regions = _regions(case, exact, recipe.n, recipe.seed)
        found = {region: _error(model, exact, case.t, x) for region, x in regions.items()}
        rows += [
            {"law": name, "sigma": case.sigma, "region": region, "points": len(regions[region]), "rms_error": error.value,
             "standard_error": error.error, "relative_error": relative}
            for region, (error, relative) in found.items()
        ]  # fmt: skip
        measures |= {f"{name}: rms error, {region}": error for region, (error, _) in found.items()}
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, fields))


def judge(recipe: CircleField, _measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: is each field right in the core, and wrong outside?"""
    found = {(row["law"], row["region"]): row for row in rows}
    checks = {}
    for name in dict.fromkeys(row["law"] for row in rows):
        core, far = found[name, "core"], found[name, "outside"]
        relative, times = float(core["relative_error"]), float(far["rms_error"]) / float(core["rms_error"])
        checks[f"{name}: the core's error is {relative:.1%} of its score (below {recipe.near:.0%})"] = (
            relative < recipe.near
        )
        checks[f"{name}: outside it is {times:.0f} times that of the core (more than {recipe.ratio:g})"] = (
            times > recipe.ratio
        )
    return rule(checks)


def _draw(path: Path, fields: Mapping[str, tuple[_Case, sf.ScoreModel, sf.Exact]]) -> None:
    """Draw the circle's true score, the learned one, and the relative error of the learned one."""
    for name, (case, model, exact) in fields.items():
        target = path if name == "circle" else path.with_name(f"{name}.png")
        score_panels(target, model, exact, case.t, _SQUARE)


CLAIM = Claim(
    name="circle-field",
    statement="A score learned from data is accurate where the data is dense and unreliable where there was none.",
    source="Song & Ermon (2019), section 3.2.1 and Fig. 2",
    measure=measure,
    judge=judge,
    tiny=CircleField(steps=3, n=400),
    small=CircleField(steps=1500, n=20_000),
    full=CircleField(seed=1, steps=10_000, n=100_000),
)
