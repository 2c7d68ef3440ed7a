"""``scorefield race``: error against evaluations of every deterministic sampler."""

import json
import time
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.files import make_folder
from scorefield.cli.options import NotNegative, Whole2, command, device, model, report

__all__ = ["parser", "run"]

_EVALUATIONS = (6, 9, 13, 19, 27, 39)
_MANY = (*_EVALUATIONS, 79, 159, 319)
_POINTS = 500


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Let every deterministic sampler follow one flow from the same noise, and measure how far it ends from the flow's own end, against "
        "the evaluations it spends: of an exact score, with fitted orders, and of a trained model. Writes race.json and race.png."
    )
    model(parser)
    parser.add_argument("-n", "--n", type=Whole2, default=16, metavar="N", help="samples of the trained model")
    parser.add_argument(
        "--guide",
        type=NotNegative,
        default=0.0,
        metavar="WEIGHT",
        help="of autoguidance; 0 by default: the ends of its interval move with a grid's steps, and so does the flow",
    )
    parser.add_argument("--seed", type=int, default=0, help="names the noise")
    device(parser)
    parser.add_argument("--out", type=str, default="race", metavar="FOLDER", help="folder to write; race by default")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Race, write, print; return the exit code."""
    import torch

    from scorefield.config import refusals
    from scorefield.densities import GaussianMixture
    from scorefield.evaluation.race import RACERS, fitted_orders, race
    from scorefield.models import Exact
    from scorefield.plotting import race_curves
    from scorefield.pretrained import load_model
    from scorefield.processes import EDM
    from scorefield.training import environment, pick_device

    place = pick_device(args.device)
    loaded = load_model(args.model, place, warn=warn)
    out = make_folder(Path(args.out))
    exact = Exact(GaussianMixture.ring(modes=8, radius=1.0, std=0.2), EDM(sigma_min=0.01, sigma_max=40.0))
    tell_device(args.device)
    began = time.perf_counter()
    with refusals("race"), Progress(len(RACERS) * len(_MANY + _EVALUATIONS), "racing") as progress:
        shared = {"seed": args.seed, "on_finish": lambda _: progress.advance()}
        learned, shape = loaded.steered(guide=args.guide), (args.n, *loaded.event)
        finishes = {
            "exact": race(exact, (_POINTS, 2), _MANY, dtype=torch.float64, **shared)[0],
            "learned": race(learned, shape, _EVALUATIONS, **shared)[0],
        }
    race_curves(out / "race.png", {"exact mixture in the plane": finishes["exact"], args.model: finishes["learned"]})
    told = {
        "model": args.model,
        "n": args.n,
        "orders": fitted_orders(finishes["exact"]),
        **{name: [vars(finish) for finish in found] for name, found in finishes.items()},
        "seconds": round(time.perf_counter() - began, 1),
        "environment": environment(place),
    }
    (out / "race.json").write_text(json.dumps(told, indent=2) + "\n")
    lines = [
        f"{'error of ' + args.model:26}" + "".join(f"{most:>10}" for most in _EVALUATIONS) + "  order, exact score"
    ]
    for name in RACERS:
        errors = [finish.error for finish in finishes["learned"] if finish.sampler == name]
        lines.append(f"{name:26}" + "".join(f"{error:10.2e}" for error in errors) + f"  {told['orders'][name]:.2f}")
    print(json.dumps(told) if args.json else "\n".join([*lines, f"\nWritten to {out}"]))
    return 0
