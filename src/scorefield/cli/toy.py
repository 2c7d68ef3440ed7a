"""``scorefield toy``: learn a density of the plane whose score is known, and compare."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, stage
from scorefield.cli.files import make_folder, write_text
from scorefield.cli.kinds import table
from scorefield.cli.options import Whole1, command

if TYPE_CHECKING:
    from scorefield.models import ScoreModel
    from scorefield.sampling import Samples
    from scorefield.toys import Plan, Toy

_TINY = {"steps": 4, "batch_size": 32, "n": 50, "frames": 3}


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Learn the score of a density of the plane, and compare it with the exact one: the field and its error, samples by Langevin, "
        "annealed Langevin and probability flow, the weights of the modes. Writes pictures, an animation and metrics.json."
    )
    parser.add_argument("name", choices=table()["toys"], metavar="NAME", help=", ".join(table()["toys"]))
    parser.option(
        "--objective KIND",
        "denoising score matching (dsm; on a ladder: multilevel; by an autoencoder: dae), sliced (ssm, ssmvr, fdssm) or implicit",
        choices=table()["objectives of toys"],
        default="dsm",
    )
    parser.option("--steps", "optimiser steps", Whole1, default=5000)
    parser.option("-n", "samples by each sampler; by default 20000 of a mixture, 1000 of the others", Whole1)
    parser.option("--seed", "decides initial weights, batches and samples", int, default=0)
    parser.option("--out FOLDER", "folder to write, anew each time; toy-NAME by default")
    parser.add_argument("--fast-dev-run", action="store_true", help="try out every part with four tiny steps")
    return parser


def run(args: Namespace) -> int:
    """Learn, compare, draw; return the exit code."""
    import torch

    from scorefield import toys
    from scorefield.models import Exact
    from scorefield.plotting import weight_bars
    from scorefield.training import environment

    toy = toys.TOYS[args.name]
    sizes = _sizes(args, toy)
    apart = "-fast-dev-run" if args.fast_dev_run else ""  # a walk through does not replace what was computed
    out = make_folder(Path(args.out or f"toy-{args.name}{apart}"))
    began = time.perf_counter()
    levels = toys.plan(toy)
    model = _learn(args, toy, levels, sizes)
    trained = time.perf_counter() - began
    exact = Exact(toy.density, levels.process)
    rows = {
        name: _draw(score, name, toy, levels, sizes["n"], args.seed)
        for name, score in (("learned score", model), ("exact score", exact))
    }
    shares = toys.weights(rows, toy.density)
    final = exact.marginal(torch.tensor(levels.process.t_min))
    metrics: dict[str, Any] = {
        "name": args.name,
        "density": toy.text,
        "settings": {"objective": args.objective, "seed": args.seed, **sizes, **toys.described(toy, levels)},
        "field": toys.field_errors(model, exact, levels.t, toy.square, seed=args.seed),
        "samples": toys.sample_measures(rows, shares, final),
    }
    with stage("drawing the pictures and the film"):
        toys.pictures(out, model, exact, toy, levels, rows, seed=args.seed, frames=sizes["frames"])
        if shares:
            weight_bars(out / "weights.png", shares)
    metrics["seconds"] = {"training": round(trained, 1), "all": round(time.perf_counter() - began, 1)}
    metrics["environment"] = environment(torch.device("cpu"))
    write_text(out / "metrics.json", json.dumps(metrics, indent=2))
    print(f"{toys.table(metrics)}\n{_farewell(out, metrics, modes=bool(shares))}")
    return 0


def _learn(args: Namespace, toy: "Toy", levels: "Plan", sizes: dict[str, int]) -> "ScoreModel":
    """Train, showing progress."""
    from scorefield.toys import learn

    with Progress(sizes["steps"], f"learning the score of the {args.name}") as progress:
        return learn(
            toy,
            levels,
            args.objective,
            steps=sizes["steps"],
            batch_size=sizes["batch_size"],
            seed=args.seed,
            on_step=lambda record: progress.advance(loss=f"{record.loss:.3f}"),
        )


def _draw(score: "ScoreModel", name: str, toy: "Toy", levels: "Plan", n: int, seed: int) -> dict[str, "Samples"]:
    """Draw with the three samplers, showing progress."""
    from scorefield.toys import draw, transitions

    with Progress(transitions(toy, levels, n), f"drawing {n} samples by three samplers with the {name}") as progress:
        return draw(score, toy, levels, n, seed, on_step=lambda sampler: progress.advance(by=sampler))


def _sizes(args: Namespace, toy: "Toy") -> dict[str, int]:
    """Return how much to compute; modes are counted, so a mixture needs many samples."""
    from scorefield.densities import GaussianMixture

    if args.fast_dev_run:
        return _TINY
    many = isinstance(toy.density, GaussianMixture)
    return {"steps": args.steps, "batch_size": 512, "n": args.n or (20_000 if many else 1_000), "frames": 48}


def _farewell(out: Path, metrics: dict[str, Any], *, modes: bool) -> str:
    """Return what was written, and what to try next."""
    other = next(name for name in ("mixture", "circle") if name != metrics["name"])
    bars = f"  {out}/weights.png        weights of the modes, with 95 % intervals\n" if modes else ""
    return (
        f"\nDone in {metrics['seconds']['all']:.0f} s. Look at\n"
        f"  {out}/field.png          true score, learned score, error\n"
        f"  {out}/samples.png        three samplers, learned and exact score\n"
        f"  {out}/histograms.png     true density, histograms of the samples\n"
        f"{bars}"
        f"  {out}/trajectories.png   the ways the samples took\n"
        f"  {out}/path.gif           annealed Langevin, from noise to data\n"
        f"  {out}/metrics.json       all numbers\n"
        "\nThen try\n"
        f"  scorefield toy {metrics['name']} --objective ssmvr --out toy-{metrics['name']}-ssmvr\n"
        f"  scorefield toy {other}\n"
        "  scorefield quickstart"
    )
