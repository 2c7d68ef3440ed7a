r"""The probability flow and the reverse SDE have the same marginals (Song et al. 2021, section 4.3 and appendix D.1), with exact scores.

Both are followed from the same draws of the true distribution at t_max, on grids equally spaced in log σ/α, finer and finer, and every
result is compared with the true distribution in closed form by MMD². Reaching one distribution means that both errors vanish: at the
finest grid each must be within ``level`` = 4 standard errors of zero (at two processes and two samplers, chance exceeds that once in ten
thousand), and at the coarsest each must not be, or nothing was shown. That they are different paths to it is measured too: the correlation
of the end with the start, which a flow keeps and an SDE forgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield.plotting import Square, Terrain
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule
from scorefield_claims.chance import generator
from scorefield_claims.distance import mmd_to
from scorefield_claims.drawing import canvas, cloud, curve, label, legend, loglog, save, to_noise

__all__ = ["CLAIM", "OdeEqualsSde"]

_LAW = sf.GaussianMixture(sf.GaussianMixture.ring(4, 1.4, 0.15).components.means, 0.15**2, [0.1, 0.2, 0.3, 0.4])
_PROCESSES: dict[str, sf.Process] = {"VE": sf.VE(0.01, 100.0), "VP": sf.VP()}
_SAMPLERS: dict[str, sf.Sampler] = {"flow (Heun)": sf.Heun(), "SDE (ancestral)": sf.Ancestral()}


@dataclass(frozen=True, kw_only=True)
class OdeEqualsSde(Recipe):
    """Samples, and the evaluations spent on each."""

    n: int
    evaluations: tuple[int, ...]
    bandwidth: float = 0.7
    level: float = 4.0


def _start(process: sf.Process, recipe: OdeEqualsSde) -> Tensor:
    """Return draws from the true distribution at t_max: a Gaussian prior in its place would add an error that no step size removes."""
    stream = generator(recipe.seed, "start")
    x0 = _LAW.sample(recipe.n, stream)
    z = torch.randn(x0.shape, generator=stream, dtype=x0.dtype)
    return process.perturb(x0, torch.tensor(process.t_max, dtype=torch.float64), z).float()


def measure(recipe: OdeEqualsSde) -> Finding:
    """Return the error of both at every cost."""
    errors: dict[tuple[str, str], list[Estimate]] = {}
    memory: dict[str, float] = {}
    drawn: dict[str, Tensor] = {}
    rows: list[Row] = []
    for process_name, process in _PROCESSES.items():
        exact, start = sf.Exact(_LAW, process), _start(process, recipe)
        law = exact.marginal(torch.tensor(process.t_min, dtype=torch.float64))
        assert isinstance(law, sf.GaussianMixture)  # noqa: S101 for the type checker: mixtures are closed under noising
        for name, sampler in _SAMPLERS.items():
            x = start
            for cost in recipe.evaluations:
                grid = sf.LogSNR(int(cost // sampler.evaluations))
                x = sf.sample(exact, sampler, grid=grid, init=start, seed=recipe.seed, denoise=False, batch_size=4096).x
                error = mmd_to(law, x, recipe.bandwidth)
                errors.setdefault((process_name, name), []).append(error)
                rows.append(
                    {"process": process_name, "sampler": name, "evaluations": cost, "mmd2": error.value, "standard_error": error.error}
                )  # fmt: skip
            drawn[f"{name}, {process_name}"] = x
            memory[f"{name}, {process_name}"] = torch.corrcoef(torch.stack([start[:, 0], x[:, 0]]))[0, 1].item()
    measures = {f"MMD² at the finest grid, {name}, {process}": e[-1] for (process, name), e in errors.items()} | {
        f"correlation of end and start, {name}": exactly(value) for name, value in memory.items()
    }
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, errors, drawn, recipe))


def judge(recipe: OdeEqualsSde, _measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: do the errors of both vanish on the finest grid, and are they seen on the coarsest?"""
    coarse, fine = recipe.evaluations[0], recipe.evaluations[-1]
    off = {
        (row["process"], row["sampler"], row["evaluations"]): float(row["mmd2"]) / float(row["standard_error"])
        for row in rows
    }
    checks = {}
    for process, name in dict.fromkeys((row["process"], row["sampler"]) for row in rows):
        first, last = off[process, name, coarse], off[process, name, fine]
        text = (
            f"{name}, {process}: {last:.1f} standard errors from the true distribution at {fine} evaluations (within "
            f"{recipe.level:g}), {first:.0f} at {coarse} (more than {recipe.level:g})"
        )
        checks[text] = abs(last) < recipe.level < first
    return rule(checks)


def _draw(
    path: Path, errors: Mapping[tuple[str, str], list[Estimate]], drawn: Mapping[str, Tensor], recipe: OdeEqualsSde
) -> None:
    """Draw the errors of flow and SDE against the evaluations they spend, and the samples (orange) of the finest grid."""
    figure, grid = canvas(2, 3)
    terrain = Terrain.of(_LAW, Square(half=2.2))
    every = [e for by in errors.values() for e in by]
    for line, process in zip(grid, _PROCESSES, strict=True):
        for k, name in enumerate(_SAMPLERS):
            curve(line[0], recipe.evaluations, to_noise(errors[process, name], every), name, k)
            title = f"{name}, {process}"
            cloud(line[1 + k], drawn[title], terrain, f"{title}, {recipe.evaluations[-1]} evaluations")
        loglog(line[0], recipe.evaluations)
        legend(line[0])
        label(
            line[0],
            f"{process}: error, shown down to its noise",
            "evaluations of the score",
            "MMD² to the true distribution",
        )
    save(figure, path)


CLAIM = Claim(
    name="ode-equals-sde",
    statement="The deterministic probability flow and the stochastic reverse SDE, given the same score, end in the same distribution.",
    source="Song et al. (2021), section 4.3, Eq. 13 and appendix D.1",
    measure=measure,
    judge=judge,
    tiny=OdeEqualsSde(n=1000, evaluations=(4, 16, 64)),
    small=OdeEqualsSde(n=10_000, evaluations=(8, 16, 32, 64, 128, 256)),
    full=OdeEqualsSde(seed=1, n=40_000, evaluations=(8, 16, 32, 64, 128, 256, 512, 1024)),
)
