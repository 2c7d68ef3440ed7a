r"""Where an estimated score can be trusted (Song & Ermon 2019, section 3.2.1 and Fig. 2): where there was data.

Two fields are learned and compared with the truth: of the paper's mixture by sliced score matching (noised by ``sigma``, which is small
beside its unit modes, so that one type of model serves both), and of a thin circle by a denoising autoencoder. The plane is cut by the
density itself: the core, the smallest region with half of the mass; the tail, out to 99 %; and the outside, up to the border of the
square.

Thresholds: in the core the error is below ``near`` = 20 % of the score, and outside it is, in the score's own units, more than ``ratio`` =
5 times that of the core; a field that is wrong everywhere, or right everywhere, would fail one of the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._tensors import derive_seed
from scorefield.densities import Density, GaussianMixture, Ring
from scorefield.metrics import Estimate
from scorefield.models import Exact, ScoreModel
from scorefield.networks import MLP
from scorefield.objectives import DAE, SSM, Objective
from scorefield.plotting import Square, mass_level, score_panels
from scorefield.preconditioning import Denoiser
from scorefield.processes import VE
from scorefield_claims.base import Claim, Finding, Recipe, Row, rule
from scorefield_claims.learning import learned

__all__ = ["CLAIM", "CircleField"]


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
    """A law, the noise level at which its score is learned, the loss, the square that is looked at."""

    law: Density
    sigma: float
    objective: Objective[ScoreModel]
    square: Square
    sigma_data: float

    @property
    def process(self) -> VE:
        """A process around the one level."""
        return VE(self.sigma / 4, self.sigma * 4)

    @property
    def t(self) -> Float[Tensor, ""]:
        """The time of the level."""
        return self.process.time(torch.tensor(self.sigma, dtype=torch.float64))


def _cases(recipe: CircleField) -> dict[str, _Case]:
    circle, mixture = recipe.circle_sigma, recipe.mixture_sigma
    return {
        "circle": _Case(Ring(5.0, 0.1), circle, DAE(circle), Square(half=9.0), 3.5),
        "mixture": _Case(GaussianMixture.song2019(), mixture, SSM(mixture), Square(half=9.0), 5.0),
    }


def _regions(case: _Case, exact: Exact, n: int, seed: int) -> dict[str, Float[Tensor, "m 2"]]:
    """Return points of the core and the tail, weighted by the law, and of the outside, weighted evenly."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "field"))
    law = exact.marginal(case.t)
    half, most = (mass_level(law, mass, n=n) for mass in (0.5, 0.99))
    draws, even = law.sample(n, generator), case.square.uniform(n, generator)
    height, outside = law.log_prob(draws.double()), law.log_prob(even.double()) < most
    return {
        "core": draws[height >= half],
        "tail": draws[(height < half) & (height >= most)],
        "outside": even[outside],
    }


@torch.no_grad()
def _error(model: ScoreModel, exact: Exact, t: Tensor, x: Float[Tensor, "m 2"]) -> tuple[Estimate, float]:
    """Return the root mean square of ‖ŝ − s‖, with the standard error of the mean square carried over, and it relative to that of ‖s‖."""
    true = exact.score(x, t)
    square = (model.score(x, t) - true).double().square().sum(dim=1)
    rms = square.mean().sqrt().item()
    error = square.std().item() / len(x) ** 0.5 / (2 * rms)
    return Estimate(rms, error), rms / true.double().square().sum(dim=1).mean().sqrt().item()


def measure(recipe: CircleField) -> Finding:
    """Return how wrong either field is, near its data and far from it."""
    fields: dict[str, tuple[_Case, ScoreModel, Exact]] = {}
    checks: dict[str, bool] = {}
    measures: dict[str, Estimate] = {}
    rows: list[Row] = []
    for k, (name, case) in enumerate(_cases(recipe).items()):
        model = learned(
            lambda case=case: Denoiser(MLP(2), case.process, case.sigma_data),
            *(case.law, case.objective),
            steps=recipe.steps,
            learning_rate=1e-3,
            seed=recipe.seed + k,
        )
        exact = Exact(case.law, case.process)
        fields[name] = (case, model, exact)
        regions = _regions(case, exact, recipe.n, recipe.seed)
        found = {region: _error(model, exact, case.t, x) for region, x in regions.items()}
        rows += [
            {"law": name, "sigma": case.sigma, "region": region, "points": len(regions[region]), "rms_error": rms.value,
             "standard_error": rms.error, "relative_error": relative}
            for region, (rms, relative) in found.items()
        ]  # fmt: skip
        (core, relative), (far, _) = found["core"], found["outside"]
        measures |= {f"{name}: rms error, {region}": rms for region, (rms, _) in found.items()}
        checks[f"{name}: the core's error is {relative:.1%} of its score"] = relative < recipe.near
        checks[f"outside it is {far.value / core.value:.0f} times that of the core ({name})"] = (
            far.value > recipe.ratio * core.value
        )
    return Finding(*rule(checks), measures, rows, lambda path: _draw(path, fields))


def _draw(path: Path, fields: Mapping[str, tuple[_Case, ScoreModel, Exact]]) -> None:
    """Draw the circle's field to ``path``, the mixture's beside it."""
    for name, (case, model, exact) in fields.items():
        target = path if name == "circle" else path.with_name(f"{name}.png")
        score_panels(target, model, exact, case.t, case.square)


CLAIM = Claim(
    name="circle-field",
    statement="A score learned from data is accurate where the data is dense and unreliable where there was none.",
    source="Song & Ermon (2019), section 3.2.1 and Fig. 2",
    measure=measure,
    small=CircleField(steps=1500, n=20_000),
    full=CircleField(seed=1, steps=10_000, n=100_000),
)
