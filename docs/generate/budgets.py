"""Tables of choosing that are measured here: what samplers declare, and what a budget buys on an exact score and on a learned one."""

import math
from pathlib import Path
from typing import Any

import torch

from generate.drawing import save_table
from scorefield import (
    DSM,
    MLP,
    VE,
    AdaptiveODE,
    AnnealedLangevin,
    Denoiser,
    DPMpp2M,
    Exact,
    GaussianMixture,
    Grid,
    Karras,
    Ladder,
    LogNormal,
    LogSNR,
    Sampler,
    ScoreModel,
    edm_weight,
    energy_distance,
    fit,
    geometric,
    sample,
)
from scorefield.config.rooms import SAMPLER
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import steps_of
from scorefield.metrics import Estimate
from scorefield.samplers import AdaptiveSDE

RING = GaussianMixture.ring()
PROCESS = VE(0.01, 20.0)
DRAWS = 3000
BUDGETS = (4, 8, 16, 32, 64)
_SPACE = "\N{NO-BREAK SPACE}"
_NEEDED = {"ddim": {"eta": 0.5}, "langevin": {"step_size": 0.01}, "mala": {"step_size": 0.01}}
"""Settings of samplers that need some, or of which more is to be seen than by default."""


def write(folder: Path) -> None:
    """Measure and write."""
    _declared(folder)
    _budget(folder)


def _everyone() -> list[tuple[Sampler, str]]:
    """Return a sampler of every kind, and the kind of grid that is usual for it."""
    usual = [SamplingConfig(sampler={"kind": kind, **_NEEDED.get(kind, {})}) for kind in SAMPLER.makers]  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [(chosen.sampler.build(), chosen.grid.kind) for chosen in usual]


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
    for sampler, _ in _everyone():
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


def _budget(folder: Path) -> None:
    """Energy distance to the truth after equal numbers of evaluations, on the exact score and on a learned one."""
    torch.manual_seed(0)
    learned = Denoiser(MLP(dim=2), PROCESS, sigma_data=2.8)
    fit(learned, RING, DSM(LogNormal(-0.7, 1.5), edm_weight(2.8)), steps=4000, learning_rate=3e-3)
    _bought(folder, "budget", Exact(RING, PROCESS))
    _bought(folder, "budget_learned", learned)


def _bought(folder: Path, file: str, model: ScoreModel) -> None:
    """Measure what each sampler makes of each budget, and say it in words."""
    truth = RING.sample(DRAWS, torch.Generator().manual_seed(1))
    alone = energy_distance(RING.sample(DRAWS, torch.Generator().manual_seed(2)), truth)
    rows = [["draws of the distribution itself", *[_thousandths(alone)] * len(BUDGETS)]]
    found: dict[str, dict[int, Estimate]] = {}
    for sampler, usual in [*_everyone(), (DPMpp2M(), "fitted")]:
        if usual == "constant" or isinstance(sampler, AdaptiveODE | AdaptiveSDE):
            continue  # it stays at its level, or takes as many evaluations as it needs
        chain = AnnealedLangevin(0.5 * 0.01**2, repeats=2) if isinstance(sampler, AnnealedLangevin) else sampler
        name = _name(chain) if usual != "fitted" else f"{_name(chain)}, Grid.fit"
        found[name] = {}
        for budget in BUDGETS:
            transitions = max(1, int((budget - 1) // chain.evaluations))
            grid = _grid(usual, transitions, model)
            drawn = sample(model, chain, (DRAWS, 2), grid=grid).x
            found[name][budget] = energy_distance(drawn, truth)
    rows += [[f"`{name}`", *map(_thousandths, by.values())] for name, by in found.items()]
    save_table(folder, file, ["evaluations:", *map(str, BUDGETS)], rows)
    (folder / f"{file}_words.inc").write_text("".join(f"- {_words(found, budget, alone)}\n" for budget in BUDGETS))


def _grid(usual: str, transitions: int, model: ScoreModel) -> Grid:
    """Return a grid by the name of its kind."""
    if usual == "fitted":
        return Grid.fit(model, transitions, (2,), of="data")
    levels = geometric(20.0, 0.01, transitions)
    return {"karras": Karras(transitions), "log_snr": LogSNR(transitions), "ladder": Ladder(levels)}[usual]


def _thousandths(found: Estimate) -> str:
    """Return a thousand times an estimate, large ones without decimals."""
    digits = 0 if found.value > 0.1 else 1
    return f"{1e3 * found.value:.{digits}f}{_SPACE}±{_SPACE}{1e3 * found.error:.{digits}f}"


def _words(found: dict[str, dict[int, Estimate]], budget: int, alone: Estimate) -> str:
    """Return which samplers equal exact sampling after so many evaluations or else which come nearest, and where the default is."""
    at = {name: by[budget] for name, by in found.items()}
    same = _within(at, alone)
    if same:
        others = [f"`{name}`" for name in at if name not in same]
        who = f"all but {', '.join(others)}" if len(others) < len(same) else ", ".join(f"`{name}`" for name in same)
        verb = "is" if len(same) == 1 else "are"
        return (
            f"After **{budget} evaluations** {who if others else 'all'} {verb} indistinguishable from exact sampling."
        )
    best = min(at.values(), key=lambda estimate: estimate.value)
    near = ", ".join(f"`{name}` ({_thousandths(at[name])})" for name in _within(at, best))
    heun = f"`Heun`, the default, is at {_thousandths(at['Heun'])}"
    return (
        f"After **{budget} evaluations** every sampler can still be told from exact sampling. Nearest: {near}; {heun}."
    )


def _within(at: dict[str, Estimate], best: Estimate) -> list[str]:
    """Return the names whose distance is at most two standard errors above another."""
    return [name for name, e in at.items() if e.value - best.value <= 2 * math.hypot(e.error, best.error)]
