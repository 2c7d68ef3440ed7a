r"""Predictor, corrector, or both at the same cost (Song et al. 2021, Algorithm 1 and Table 1), with exact scores.

Table 1 gives predictors 1000 or 2000 steps, correctors 2000, and predictor-correctors 1000 of each: at 2000 evaluations FID falls from
corrector-only to predictor-only to both, for VE and for VP. Here its two predictors, the Langevin corrector and their compositions follow
grids even in t, each as fine as the same number of evaluations allows, on an unequal mixture in the plane: what is seen is the sampler's
error alone, no network's. The error is MMD² to the true law in closed form, bandwidth half a mode's distance from the centre.

The paper chooses the corrector's signal-to-noise ratio by the error itself. So does this: among ``snrs``, with one seed; the error reported
is that of another. Thresholds: an order holds at a cost, or is contradicted, if the errors differ by more than 2 standard errors; where
they do not, or are both within ``floor`` = 5 standard errors of zero, no order can be told and none is claimed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from scorefield.densities import GaussianMixture
from scorefield.experiments.base import Claim, Finding, Recipe, Row, Verdict
from scorefield.experiments.distance import mmd_to
from scorefield.experiments.drawing import canvas, curve, label, save
from scorefield.grids import uniform
from scorefield.metrics import Estimate
from scorefield.models import Exact
from scorefield.processes import VE, VP, Process
from scorefield.samplers import Ancestral, LangevinCorrector, PredictorCorrector, ReverseDiffusion
from scorefield.sampling import Sampler, sample

__all__ = ["CLAIM", "PredictorCorrectorTable"]

_MEANS = GaussianMixture.ring(4, 1.4, 0.15).components.means
_LAW = GaussianMixture(_MEANS, 0.15**2, [0.1, 0.2, 0.3, 0.4])
_PROCESSES: dict[str, Process] = {"VE": VE(0.01, 50.0), "VP": VP()}


@dataclass(frozen=True, kw_only=True)
class PredictorCorrectorTable(Recipe):
    """Costs compared, and the signal-to-noise ratios to choose from."""

    n: int
    evaluations: tuple[int, ...]
    snrs: tuple[float, ...]
    bandwidth: float = 0.7
    floor: float = 5.0


class _Contender(NamedTuple):
    """A sampler at a signal-to-noise ratio, the evaluations of one of its steps, and whether it has a ratio to choose."""

    build: Callable[[float], Sampler]
    cost: int
    tuned: bool


_PREDICTORS: dict[str, Sampler] = {"ancestral": Ancestral(), "reverse diffusion": ReverseDiffusion()}
_CORRECTOR = "corrector only"
_CONTENDERS = (
    {name: _Contender(lambda _, p=p: p, 1, False) for name, p in _PREDICTORS.items()}
    | {
        f"{name} + corrector": _Contender(lambda snr, p=p: PredictorCorrector(p, LangevinCorrector(snr)), 2, True)
        for name, p in _PREDICTORS.items()
    }
    | {_CORRECTOR: _Contender(LangevinCorrector, 1, True)}
)


def _draw_samples(name: str, snr: float, process: Process, evaluations: int, n: int, seed: int) -> Tensor:
    contender = _CONTENDERS[name]
    times = uniform(process, evaluations // contender.cost + 1)
    return sample(Exact(_LAW, process), contender.build(snr), (n, 2), times=times, seed=seed, batch_size=4096).x


def _best(name: str, process: Process, evaluations: int, recipe: PredictorCorrectorTable) -> tuple[float, Estimate]:
    """Return the ratio chosen with one seed, and the error with another."""

    def error(snr: float, seed: int) -> Estimate:
        return mmd_to(_LAW, _draw_samples(name, snr, process, evaluations, recipe.n, seed), recipe.bandwidth)

    if not _CONTENDERS[name].tuned:
        return 0.0, error(0.0, recipe.seed)
    chosen = min(recipe.snrs, key=lambda snr: error(snr, recipe.seed + 1).value)
    return chosen, error(chosen, recipe.seed)


def measure(recipe: PredictorCorrectorTable) -> Finding:
    """Return the error of every sampler at every cost."""
    rows: list[Row] = []
    errors: dict[str, dict[int, dict[str, Estimate]]] = {}
    for process_name, process in _PROCESSES.items():
        at: dict[int, dict[str, Estimate]] = {cost: {} for cost in recipe.evaluations}
        for cost in recipe.evaluations:
            for name in _CONTENDERS:
                snr, error = _best(name, process, cost, recipe)
                at[cost][name] = error
                rows.append(
                    {"process": process_name, "evaluations": cost, "sampler": name, "snr": snr, "mmd2": error.value,
                     "standard_error": error.error}
                )  # fmt: skip
        errors[process_name] = at
    verdict, reason = _verdict(errors, recipe.floor)
    most = recipe.evaluations[-1]
    measures = {
        f"MMD², {process}, {name}, {most} evaluations": error
        for process, at in errors.items()
        for name, error in at[most].items()
    }
    return Finding(verdict, reason, measures, rows, lambda path: _draw(path, errors, recipe))


def _below(a: Estimate, b: Estimate, floor: float) -> bool | None:
    """Return whether a is below b; None where both are too near zero, or too near each other, to tell."""
    apart = abs(a.value - b.value) > 2 * (a.error**2 + b.error**2) ** 0.5
    seen = a.value > floor * a.error or b.value > floor * b.error
    return a.value < b.value if apart and seen else None


def _verdict(errors: Mapping[str, Mapping[int, Mapping[str, Estimate]]], floor: float) -> tuple[Verdict, str]:
    """Return where both orders hold, and where one does not."""
    orders: dict[str, tuple[bool | None, bool | None]] = {}
    for process, at in errors.items():
        for cost, e in at.items():
            for name in _PREDICTORS:
                both = _below(e[f"{name} + corrector"], e[name], floor)
                orders[f"{process}, {name}, {cost}"] = both, _below(e[name], e[_CORRECTOR], floor)
    whole = [place for place, order in orders.items() if order == (True, True)]
    text = f"predictor < corrector {_count(orders, 1)}; both < predictor {_count(orders, 0)}"
    if not whole:
        return Verdict.FAIL, f"the whole order is seen nowhere: {text}"
    if any(False in order for order in orders.values()):
        return Verdict.HOLDS_ONLY_IF, f"the whole order is seen for {'; '.join(whole)} evaluations only: {text}"
    return Verdict.PASS, text


def _count(orders: Mapping[str, tuple[bool | None, bool | None]], which: int) -> str:
    """Return how often one of the two orders holds, and where it does not."""
    told = [order[which] for order in orders.values()]
    broken = [place for place, order in orders.items() if order[which] is False]
    against = f", contradicted for {'; '.join(broken)} evaluations" if broken else ""
    return f"holds in {told.count(True)} of {len(told)} cases, cannot be told in {told.count(None)}{against}"


def _draw(
    path: Path, errors: Mapping[str, Mapping[int, Mapping[str, Estimate]]], recipe: PredictorCorrectorTable
) -> None:
    """Draw the error against the cost, a panel per process."""
    figure, (panels,) = canvas(1, len(errors), width=5.4)
    lowest = min(e.error for at in errors.values() for by in at.values() for e in by.values())
    for axes, (process, at) in zip(panels, errors.items(), strict=True):
        for k, name in enumerate(_CONTENDERS):
            shown = [Estimate(max(at[c][name].value, lowest), at[c][name].error) for c in recipe.evaluations]
            curve(axes, recipe.evaluations, shown, name, k)
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(recipe.evaluations, [str(c) for c in recipe.evaluations], minor=False)
        axes.minorticks_off()
        label(axes, f"{process}: error, shown down to its noise", "evaluations of the score", "MMD² to the true law")
        axes.sharey(panels[0])
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=10
    )
    save(figure, path)


CLAIM = Claim(
    name="predictor-corrector",
    statement="At equal cost predictor-corrector samples are better than the predictor's, and these than the corrector's.",
    source="Song et al. (2021), section 4.2 and Table 1",
    measure=measure,
    small=PredictorCorrectorTable(n=10_000, evaluations=(16, 64, 256), snrs=(0.16, 0.4, 0.55)),
    full=PredictorCorrectorTable(n=20_000, evaluations=(16, 32, 64, 128, 256, 512), snrs=(0.1, 0.16, 0.25, 0.4, 0.55)),
)
