"""``scorefield race``: error against evaluations of every deterministic sampler, and of the adaptive SDE."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.files import make_folder, write_text, written
from scorefield.cli.options import NotNegative, Whole2, command, device, model, report

if TYPE_CHECKING:
    from scorefield.evaluation.race import Finish
    from scorefield.grids import Fitted, Grid
    from scorefield.grids.local_errors import Flow
    from scorefield.training import Each

_EVALUATIONS = (6, 9, 13, 19, 27, 39)
_MANY = (*_EVALUATIONS, 79, 159, 319)
_POINTS, _PATHS = 500, 50


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Let every deterministic sampler follow the probability flow from the same noise, and measure how far from the flow's true end it "
        "arrives, against the evaluations it spends: with an exact score, where orders are fitted, and with a trained model. The adaptive "
        "SDE follows Brownian paths, and is compared with their ends on the exact score. Writes race.json and race.png."
    )
    model(parser)
    parser.option("-n --n N", "samples of the trained model", Whole2, default=16)
    parser.option(
        "--guide WEIGHT",
        "weight of autoguidance; 0 by default, since the ends of its interval, and with them the flow, depend on the grid",
        NotNegative,
        default=0.0,
    )
    parser.option(
        "--grid GRID",
        "karras, or a grid fitted to each score (Grid.fit), whose noise levels are written to race.json for sampling.grid.kind fitted",
        choices=("karras", "fitted"),
        default="karras",
    )
    parser.option("--seed", "decides the noise", int, default=0)
    device(parser)
    parser.option("--out FOLDER", "folder to write; race by default", default="race")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Race, write, print; return the exit code."""
    import torch

    from scorefield.cli.shared import shared
    from scorefield.config import refusals
    from scorefield.densities import GaussianMixture
    from scorefield.evaluation.race import RACERS, fitted_orders, race, race_paths
    from scorefield.models import Exact
    from scorefield.plotting import race_curves
    from scorefield.pretrained import load_model
    from scorefield.processes import EDM
    from scorefield.training import OneProcess, environment, pick_device

    place = pick_device(args.device)
    loaded = load_model(args.model, place, warn=warn)
    loaded.require_score("a race along the flow")
    out = make_folder(Path(args.out))
    exact = Exact(GaussianMixture.ring(modes=8, radius=1.0, std=0.2), EDM(sigma_min=0.01, sigma_max=40.0))
    tell_device(args.device)
    began = time.perf_counter()
    decides = {name: args[name] for name in ("n", "grid", "guide", "seed")} | {"device": str(place)}
    with shared(OneProcess(place), out / "race.json", loaded, decides) as each:
        with refusals("race"), Progress(len(RACERS) * len(_MANY + _EVALUATIONS), "racing") as progress:
            learned, shape = loaded.steered(guide=args.guide), (args.n, *loaded.event)
            models = {"exact": (exact, (2,)), "learned": (learned, loaded.event)}
            grids = {name: _fitted(each, name, *of) if args.grid == "fitted" else None for name, of in models.items()}
            asked = {"seed": args.seed, "on_finish": lambda _: progress.advance()}
            races: dict[str, Callable[[], list[Finish]]] = {
                "paths": lambda: race_paths(exact, (_PATHS, 2), seed=args.seed, dtype=torch.float64),
                "exact": lambda: race(
                    exact, (_POINTS, 2), _MANY, grid=_of(grids["exact"]), dtype=torch.float64, **asked
                )[0],
                "learned": lambda: race(learned, shape, _EVALUATIONS, grid=_of(grids["learned"]), **asked)[0],
            }
            found = {name: _kept(each, name, work) for name, work in races.items()}
        with written(out / "race.png") as file:
            race_curves(file, {"exact mixture in the plane": found["exact"], args.model: found["learned"]})
        told = {
            "model": args.model,
            "n": args.n,
            "grid": args.grid,
            "ratios": None if grids["learned"] is None else grids["learned"].ratios.tolist(),
            "orders": fitted_orders(found["exact"]),
            **{name: [vars(finish) for finish in finishes] for name, finishes in found.items()},
            "seconds": round(time.perf_counter() - began, 1),
            "environment": environment(place),
        }
        write_text(out / "race.json", json.dumps(told, indent=2) + "\n")
    print(json.dumps(told) if args.json else f"{_table(args.model, found, told['orders'])}\n\nWritten to {out}")
    return 0


def _table(model: str, found: "dict[str, list[Finish]]", orders: dict[str, float]) -> str:
    """Return the races as text."""
    from scorefield.evaluation.race import RACERS

    lines = [
        f"distance from the true end of the flow, of {model}, after so many evaluations; orders with an exact score",
        f"{'':26}" + "".join(f"{most:>10}" for most in _EVALUATIONS) + "  order",
    ]
    for name in RACERS:
        errors = [finish.error for finish in found["learned"] if finish.sampler == name]
        lines.append(f"{name:26}" + "".join(f"{error:10.2e}" for error in errors) + f"  {orders[name]:.2f}")
    lines.append(
        "AdaptiveSDE, exact score:   "
        + ", ".join(f"{p.error:.1e} for {p.evaluations:.0f} evaluations" for p in found["paths"])
    )
    return "\n".join(lines)


def _kept(each: "Each", name: str, work: "Callable[[], list[Finish]]") -> "list[Finish]":
    """Return the finishes of one race, which is not run again after a kill."""
    from scorefield.cli.shared import once
    from scorefield.evaluation.race import Finish

    found = once(each, name, lambda: json.dumps([vars(finish) for finish in work()]).encode())
    return [Finish(**row) for row in json.loads(found)]


def _fitted(each: "Each", name: str, model: "Flow", event: tuple[int, ...]) -> "Fitted":
    """Return the grid fitted to a score, which is not done again after a kill."""
    from scorefield.grids import Fitted, Grid

    ((ratios,),) = each(f"grid-{name}", 1, lambda _: (Grid.fit(model, 1, event).ratios,))
    return Fitted(1, ratios)


def _of(fit: "Fitted | None") -> "Callable[[int], Grid]":
    """Return the grid of a number of steps."""
    from scorefield.grids import Karras

    return Karras if fit is None else lambda steps: replace(fit, steps=steps)
