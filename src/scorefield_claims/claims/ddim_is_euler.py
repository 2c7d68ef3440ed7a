r"""Deterministic DDIM is Euler's method on the probability flow, in the variables y = x/α and ρ = σ/α.

Both are followed from the same starting points, with exact scores in float64, on grids of several sizes under every process; so is DDIM
with η = 1, which is not. The distance is the largest of any coordinate of any point, over the root mean square of the ends: rounding is
1e-16 a step, and ``within`` = 1e-10 leaves room for thousands of steps.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

import scorefield as sf
from scorefield_claims.base import Claim, Finding, Recipe, Row, exactly, rule
from scorefield_claims.chance import generator
from scorefield_claims.drawing import canvas, curve, label, legend, loglog, save

__all__ = ["CLAIM", "DDIMIsEuler"]

_LAW = sf.GaussianMixture.ring(modes=3, radius=1.2, std=0.4)
_PROCESSES: dict[str, sf.Process] = {"VE": sf.VE(0.02, 20.0), "VP": sf.VP(), "sub-VP": sf.SubVP()}


@dataclass(frozen=True, kw_only=True)
class DDIMIsEuler(Recipe):
    """Starting points, and the steps of the grids."""

    n: int
    steps: tuple[int, ...]
    within: float = 1e-10


def measure(recipe: DDIMIsEuler) -> Finding:
    """Return how far the two end from each other, and how far the stochastic DDIM does."""
    rows: list[Row] = []
    for name, process in _PROCESSES.items():
        exact = sf.Exact(_LAW, process)
        noise = torch.randn(recipe.n, 2, dtype=torch.float64, generator=generator(recipe.seed, "start"))
        start = process.prior_std(torch.tensor(process.t_max)).double() * noise
        for steps in recipe.steps:
            euler, ddim, noisy = (
                sf.sample(exact, sampler, init=start, grid=sf.LogSNR(steps), seed=recipe.seed, denoise=False).x
                for sampler in (sf.Euler(), sf.DDIM(eta=0.0), sf.DDIM(eta=1.0))
            )
            size = euler.square().mean().sqrt()
            gaps = {"ddim": ddim, "with_noise": noisy}
            rows.append(
                {"process": name, "steps": steps}
                | {place: ((x - euler).abs().max() / size).item() for place, x in gaps.items()}
            )
    same, other = max(float(row["ddim"]) for row in rows), min(float(row["with_noise"]) for row in rows)
    checks = {
        f"DDIM ends at most {same:.1e} from Euler": same < recipe.within,
        f"with noise it ends at least {other:.2g} away": other > 0.1,
    }
    measures = {"largest distance, DDIM": exactly(same), "least distance, with noise": exactly(other)}
    return Finding(*rule(checks), measures, rows, lambda path: _draw(path, rows, recipe.steps))


def _draw(path: Path, rows: list[Row], steps: tuple[int, ...]) -> None:
    """Draw both distances against the steps."""
    figure, ((axes,),) = canvas(1, 1, width=6.4, height=4.4)
    for k, process in enumerate(_PROCESSES):
        for place, text in (("ddim", "η = 0"), ("with_noise", "η = 1")):
            line = [exactly(max(float(row[place]), 1e-17)) for row in rows if row["process"] == process]
            curve(axes, steps, line, f"{process}, {text}", k)
    loglog(axes, steps)
    legend(axes)
    label(axes, "DDIM beside Euler's method on the flow", "steps", "largest distance of the ends, relative")
    save(figure, path)


CLAIM = Claim(
    name="ddim-is-euler",
    statement="Deterministic DDIM is Euler's method on the probability flow in y = x/α against σ/α, to the last digit and at any step.",
    source="Song, Meng & Ermon (2021), section 4.3, Eq. 14",
    measure=measure,
    small=DDIMIsEuler(n=200, steps=(4, 16, 64)),
    full=DDIMIsEuler(seed=1, n=2000, steps=(4, 16, 64, 256)),
)
