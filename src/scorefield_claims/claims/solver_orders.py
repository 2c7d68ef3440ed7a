r"""Orders of convergence of solvers of the probability flow, with exact scores in float64.

Every solver follows grids equally spaced in log σ/α (the λ of DPM-Solver), each twice as fine as the one before, from the same starting
points. The error is the root mean square distance of its ends to the ends that an adaptive solver of order five reaches at a tolerance of
1e-10. The slope of ln error against ln steps, over the finer half of the grids, is fitted in twenty groups of starting points; their mean
is the order, their spread its interval. ``within`` = 0.15 is room for the next term of the error's expansion, which at finite steps bends
the slope, and too little to confuse 1 and 2.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rms, rule
from scorefield_claims.chance import generator
from scorefield_claims.drawing import canvas, curve, label, legend, loglog, save

__all__ = ["CLAIM", "SolverOrders"]

_LAW = sf.GaussianMixture(sf.GaussianMixture.ring(3, 1.2, 0.4).components.means, 0.4**2, [0.2, 0.3, 0.5])
_PROCESSES: dict[str, sf.Process] = {"VE": sf.VE(0.02, 20.0), "VP": sf.VP()}
_SOLVERS: dict[str, sf.Sampler] = {
    "Euler": sf.Euler(),
    "DDIM": sf.DDIM(),
    "Heun": sf.Heun(),
    "DPM-Solver++(2M)": sf.DPMpp2M(),
}
_GROUPS = 20

Errors = dict[tuple[str, str], Float[Tensor, "grids n"]]


@dataclass(frozen=True, kw_only=True)
class SolverOrders(Recipe):
    """Starting points, and the steps of the grids."""

    n: int
    steps: tuple[int, ...]
    within: float = 0.15


def measure(recipe: SolverOrders) -> Finding:
    """Return the order of every solver under both processes."""
    errors: Errors = {}
    for process_name, process in _PROCESSES.items():
        exact = sf.Exact(_LAW, process)
        noise = torch.randn(recipe.n, 2, dtype=torch.float64, generator=generator(recipe.seed, "start"))
        start = process.prior_std(torch.tensor(process.t_max)).double() * noise
        follow = partial(sf.sample, exact, init=start, denoise=False)
        truth = follow(sf.AdaptiveODE(1e-10, 1e-10), grid=sf.LogSNR(1)).x
        for name, solver in _SOLVERS.items():
            ends = [follow(solver, grid=sf.LogSNR(k)).x for k in recipe.steps]
            errors[process_name, name] = torch.stack([(end - truth).square().sum(dim=1) for end in ends])
    orders = {place: _order(e, recipe.steps) for place, e in errors.items()}
    measures = {f"order of {name}, {process}": order for (process, name), order in orders.items()}
    rows = [
        {"process": process, "solver": name, "steps": steps, "evaluations": steps * _SOLVERS[name].evaluations,
         "rms_error": rms(square).value, "standard_error": rms(square).error}
        for (process, name), e in errors.items()
        for steps, square in zip(recipe.steps, e, strict=True)
    ]  # fmt: skip
    picture = lambda path: _draw(path, errors, orders, recipe.steps)  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def judge(recipe: SolverOrders, measures: Mapping[str, Estimate], _rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: has every solver the order that it declares?"""
    checks = {}
    for process, (name, solver) in itertools.product(_PROCESSES, _SOLVERS.items()):
        order, declared = measures[f"order of {name}, {process}"], solver.order or 0
        text = f"{name}, {process}: order {order} (declared: {declared}, within {recipe.within:g})"
        checks[text] = abs(order.value - declared) < recipe.within
    return rule(checks)


def _order(squares: Float[Tensor, "grids n"], steps: tuple[int, ...]) -> Estimate:
    """Return minus the slope of ln rms error against ln steps over the finer half of the grids, over groups of points."""
    half = len(steps) // 2
    groups = squares.reshape(len(steps), _GROUPS, -1).mean(dim=2).sqrt().log()[half:].numpy()
    slopes = -np.polyfit(np.log(steps[half:]), groups, 1)[0]
    return Estimate(float(slopes.mean()), float(slopes.std(ddof=1)) / _GROUPS**0.5)


def _draw(path: Path, errors: Errors, orders: Mapping[tuple[str, str], Estimate], steps: tuple[int, ...]) -> None:
    """Draw the error of each solver against the number of steps, with its fitted order; in grey, slopes 1 and 2."""
    figure, (panels,) = canvas(1, len(_PROCESSES), width=5.6, height=4.8)
    for axes, process in zip(panels, _PROCESSES, strict=True):
        for k, name in enumerate(_SOLVERS):
            order = orders[process, name]
            text = f"{name}: {order.value:.4f} ± {1.96 * order.error:.4f}"
            curve(axes, steps, [rms(square) for square in errors[process, name]], text, k)
        for order, style in ((1, ":"), (2, "--")):
            top = rms(errors[process, "Euler" if order == 1 else "Heun"][0]).value
            line = [2 * top * (steps[0] / s) ** order for s in steps]
            axes.plot(steps, line, style, color="0.5", label=f"slope {order}")
        loglog(axes, steps)
        legend(axes)
        axes.sharey(panels[0])
        label(axes, f"{process}: order of convergence (Euler = DDIM)", "steps", "rms distance to the true end")
    save(figure, path)


CLAIM = Claim(
    name="solver-orders",
    statement="On the probability flow Euler's method and DDIM converge with order 1, Heun's and DPM-Solver++(2M) with order 2.",
    source="Song, Meng & Ermon (2021), section 4.3; Karras et al. (2022), section 3; Lu et al. (2022), Theorem 5.1",
    measure=measure,
    judge=judge,
    tiny=SolverOrders(n=40, steps=(32, 64, 128, 256)),
    small=SolverOrders(n=1000, steps=(16, 32, 64, 128, 256, 512)),
    full=SolverOrders(seed=1, n=4000, steps=(16, 32, 64, 128, 256, 512, 1024, 2048)),
)
