r"""Predictor, corrector, or both at the same cost (Song et al. 2021, Algorithm 1 and Table 1): the samplers, and how they are ranked.

The paper chooses the corrector's signal-to-noise ratio by the error itself. So does this, with one seed; the error reported is that of
another. Every process, predictor and cost is a case. In a case an order holds, or is contradicted, if the errors differ by more than 2
standard errors; where they do not, or where both lie within ``floor`` standard errors of zero, the case cannot be decided. An order is
contradicted if one case contradicts it, and cannot be told if no case decides it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield_claims.base import Row, Verdict, below, rule
from scorefield_claims.drawing import canvas, curve, label, legend, loglog, save, to_noise

__all__ = ["Errors", "Measure", "compete", "draw", "errors_of", "verdict"]

Measure = Callable[[str, sf.Sampler, int, int], Estimate]
"""The error of a sampler for a process, after so many transitions, with a seed."""
Errors = Mapping[str, Mapping[int, Mapping[str, Estimate]]]
"""The error by process, evaluations and contender."""


class _Contender(NamedTuple):
    """A sampler at a signal-to-noise ratio, the evaluations of one of its steps, and whether it has a ratio to choose."""

    build: Callable[[float], sf.Sampler]
    cost: int
    tuned: bool


_PREDICTORS: dict[str, sf.Sampler] = {"ancestral": sf.Ancestral(), "reverse diffusion": sf.ReverseDiffusion()}
_CORRECTOR = "corrector only"
_CONTENDERS = (
    {name: _Contender(lambda _, p=p: p, 1, False) for name, p in _PREDICTORS.items()}
    | {
        f"{name} + corrector": _Contender(lambda snr, p=p: sf.PredictorCorrector(p, sf.LangevinCorrector(snr)), 2, True)
        for name, p in _PREDICTORS.items()
    }
    | {_CORRECTOR: _Contender(sf.LangevinCorrector, 1, True)}
)


def compete(
    processes: Iterable[str],
    evaluations: Sequence[int],
    snrs: Sequence[float],
    measure: Measure,
    trial: Measure,
    seed: int,
) -> tuple[Errors, list[Row]]:
    """Return every contender's error at every cost, and the table of it.

    Args:
        processes: by name.
        evaluations: costs, of the score.
        snrs: ratios to choose from.
        measure: what is reported.
        trial: what ratios are chosen by.
        seed: of the errors reported; ratios are chosen with the next.
    """
    rows: list[Row] = []
    errors: dict[str, dict[int, dict[str, Estimate]]] = {}
    for process, cost, (name, contender) in product(processes, evaluations, _CONTENDERS.items()):
        steps = cost // contender.cost
        snr = _chosen(contender, process, steps, snrs, trial, seed + 1)
        error = measure(process, contender.build(snr), steps, seed)
        errors.setdefault(process, {}).setdefault(cost, {})[name] = error
        rows.append(
            {"process": process, "evaluations": cost, "sampler": name, "snr": snr, "error": error.value, "standard_error": error.error}
        )  # fmt: skip
    return errors, rows


def _chosen(contender: _Contender, process: str, steps: int, snrs: Sequence[float], trial: Measure, seed: int) -> float:
    """Return the ratio of the smallest error; 0 where there is none to choose."""
    if not contender.tuned:
        return 0.0
    return min(snrs, key=lambda snr: trial(process, contender.build(snr), steps, seed).value)


def _below(a: Estimate, b: Estimate, floor: float) -> bool | None:
    """Return whether a is below b; None where both are too near zero, or too near each other, to tell."""
    seen = a.value > floor * a.error or b.value > floor * b.error
    return a.value < b.value if seen and (below(a, b) or below(b, a)) else None


def errors_of(rows: Sequence[Row]) -> Errors:
    """Return the errors that a table of `compete` holds."""
    errors: dict[str, dict[int, dict[str, Estimate]]] = {}
    for row in rows:
        by = errors.setdefault(str(row["process"]), {}).setdefault(int(row["evaluations"]), {})
        by[str(row["sampler"])] = Estimate(float(row["error"]), float(row["standard_error"]))
    return errors


def verdict(errors: Errors, floor: float) -> tuple[Verdict, str]:
    """Return whether both orders hold, and in how many cases each."""
    first: dict[str, bool | None] = {}
    second: dict[str, bool | None] = {}
    for process, at in errors.items():
        for (cost, e), name in product(at.items(), _PREDICTORS):
            case = f"{process}, {name}, {cost}"
            first[case] = _below(e[name], e[_CORRECTOR], floor)
            second[case] = _below(e[f"{name} + corrector"], e[name], floor)
    orders = {"the predictor beats the corrector": first, "predictor-corrector beats the predictor": second}
    undecided = any(None in cases.values() for cases in orders.values())
    told = "errors differ by more than 2 standard errors" + (
        f", and one is more than {floor:g} from zero" if floor else ""
    )
    return rule(
        {f"{name} {_count(cases)}": _seen(cases) for name, cases in orders.items()}, only_if=told if undecided else ""
    )


def _seen(cases: Mapping[str, bool | None]) -> bool | None:
    """Return whether an order holds over all cases that decide it; None where none does."""
    return min((held for held in cases.values() if held is not None), default=None)


def _count(cases: Mapping[str, bool | None]) -> str:
    """Return how often an order holds, and which cases contradict it."""
    found = list(cases.values())
    broken = [case for case, held in cases.items() if held is False]
    counts = [f"in {found.count(True)} of {len(found)} cases"]
    counts += [f"is beaten in {len(broken)} ({'; '.join(broken)} evaluations)"] if broken else []
    counts += [f"is too close to tell in {found.count(None)}"] if None in found else []
    return ", ".join(counts)


def draw(path: Path, errors: Errors, what: str) -> None:
    """Draw the error of each sampler against the evaluations it spends, a panel per process, down to the level of chance."""
    figure, (panels,) = canvas(1, len(errors), width=6.6)
    every = [e for at in errors.values() for by in at.values() for e in by.values()]
    for axes, (process, at) in zip(panels, errors.items(), strict=True):
        costs = list(at)
        for k, name in enumerate(_CONTENDERS):
            curve(axes, costs, to_noise([at[cost][name] for cost in costs], every), name, k)
        loglog(axes, costs)
        label(axes, f"{process}: error, shown down to its noise", "evaluations of the score", what)
        axes.sharey(panels[0])
    names = panels[0].get_legend_handles_labels()
    legend(panels[0], names, columns=1 + len(panels))
    save(figure, path)
