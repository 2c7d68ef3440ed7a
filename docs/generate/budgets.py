"""Tables of choosing: what samplers declare, and what results/budgets.json holds of what a budget buys on three scores."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from generate.drawing import save_table
from generate.tables import RESULTS
from scorefield import VE, AdaptiveODE, AnnealedLangevin, Exact, GaussianMixture, LogSNR, Sampler
from scorefield.config.rooms import SAMPLER
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import steps_of
from scorefield.metrics import Estimate
from scorefield.samplers import AdaptiveSDE

RING = GaussianMixture.ring()
PROCESS = VE(0.01, 20.0)
_SPACE = "\N{NO-BREAK SPACE}"
_NEEDED = {"ddim": {"eta": 0.5}, "langevin": {"step_size": 0.01}, "mala": {"step_size": 0.01}}
"""Settings of samplers that need some, or of which more is to be seen than by default."""


def write(folder: Path) -> None:
    """Make the tables."""
    _declared(folder)
    found = json.loads((RESULTS / "budgets.json").read_text())
    for part, file in {"exact": "budget", "learned": "budget_learned", "mnist": "budget_mnist"}.items():
        _bought(folder, file, found[part]["rows"])


class _Counting:
    """Noise that counts how often it is asked."""

    asked, event, device = 0, (2,), torch.device("cpu")

    def normal(self) -> torch.Tensor:
        self.asked += 1
        return torch.zeros(1, 2)

    def uniform(self) -> torch.Tensor:
        self.asked += 1
        return torch.full((1,), 0.5)


def _declared(folder: Path) -> None:
    """Evaluations and order as the classes state them, and whether a step draws noise."""
    rows = []
    for kind in SAMPLER.makers:
        named: Any = {"kind": kind, **_NEEDED.get(kind, {})}
        sampler: Sampler = SamplingConfig(sampler=named).sampler.build()  # pyright: ignore[reportCallIssue]  a grid follows
        noise: Any = _Counting()
        exact, times = Exact(RING, PROCESS), LogSNR(2).times(PROCESS)
        memory, x = None, torch.ones(1, 2)
        for step in steps_of(times, PROCESS):
            x, memory = sampler.step(exact, x, step, memory, noise)
        cost = "to the tolerance" if isinstance(sampler, AdaptiveODE | AdaptiveSDE) else f"{sampler.evaluations:g}"
        order = (
            "to the tolerance"
            if isinstance(sampler, AdaptiveODE | AdaptiveSDE)
            else str(sampler.order or "none declared")
        )
        rows.append([f"`{_name(sampler)}`", cost, order, "yes" if noise.asked else "no"])
    save_table(folder, "samplers", ["sampler", "evaluations per transition", "order", "draws noise"], rows)


def _name(sampler: Sampler) -> str:
    """Return a name that says what matters for the cost."""
    name = type(sampler).__name__
    return f"{name}(repeats={sampler.repeats})" if isinstance(sampler, AnnealedLangevin) else name


def _bought(folder: Path, file: str, stored: dict[str, dict[str, dict[str, float]]]) -> None:
    """Show what each sampler made of each budget, and say it in words."""
    found = {name: {budget: Estimate(**at) for budget, at in by.items()} for name, by in stored.items()}
    shown, real = (_hundredths, "training digits") if file == "budget_mnist" else (_thousandths, "exact sampling")
    alone = found.pop("truth")
    rows = [[real, *map(shown, alone.values())]]
    rows += [[f"`{name}`", *map(shown, by.values())] for name, by in found.items()]
    save_table(folder, file, ["evaluations:", *alone], rows)
    lines = [f"- {_words(found, budget, alone[budget], shown, real)}\n" for budget in alone]
    (folder / f"{file}_words.inc").write_text("".join(lines))


def _hundredths(found: Estimate) -> str:
    """Return a distance between features of images."""
    return f"{found.value:.2f}{_SPACE}±{_SPACE}{found.error:.2f}"


def _thousandths(found: Estimate) -> str:
    """Return a thousand times an estimate, large ones without decimals."""
    digits = 0 if found.value > 0.1 else 1
    return f"{1e3 * found.value:.{digits}f}{_SPACE}±{_SPACE}{1e3 * found.error:.{digits}f}"


def _words(
    found: dict[str, dict[str, Estimate]], budget: str, alone: Estimate, shown: Callable[[Estimate], str], real: str
) -> str:
    """Return which samplers equal what is ``real`` after so many evaluations or else which come nearest, and where the default is."""
    at = {name: by[budget] for name, by in found.items()}
    same = _near(at, alone)
    if same:
        others = [f"`{name}`" for name in at if name not in same]
        who = f"all but {', '.join(others)}" if len(others) < len(same) else ", ".join(f"`{name}`" for name in same)
        verb = "is" if len(same) == 1 else "are"
        return f"After **{budget} evaluations** {who if others else 'all'} {verb} indistinguishable from {real}."
    best = min(at.values(), key=lambda estimate: estimate.value)
    near = ", ".join(f"{f'`{name}`'} ({shown(at[name])})" for name in _near(at, best))
    heun = f"`Heun`, the default, is at {shown(at['Heun'])}"
    return f"After **{budget} evaluations** every sampler can still be told from {real}. Nearest: {near}; {heun}."


def _near(at: dict[str, Estimate], best: Estimate) -> list[str]:
    """Return the names whose distance is at most two standard errors above another."""
    return [name for name, e in at.items() if e.value - best.value <= 2 * math.hypot(e.error, best.error)]
