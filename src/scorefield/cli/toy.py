"""``scorefield toy``: learn the score of a density whose score is known, and lay the two side by side."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield._tensors import derive_seed
from scorefield.cli.console import Progress
from scorefield.cli.files import make_folder
from scorefield.cli.toy_learning import learn
from scorefield.cli.toy_measures import Rows, field_errors, sample_measures, table, weights
from scorefield.cli.toys import REPEATS, TOYS, Plan, Toy, chains, plan
from scorefield.densities import GaussianMixture
from scorefield.models import Exact, ScoreModel
from scorefield.plotting import (
    Terrain,
    sample_panels,
    save_path_film,
    score_panels,
    trajectory_panels,
    weight_bars,
)
from scorefield.sampling import Samples, sample
from scorefield.training import environment

__all__ = ["run"]

_BATCH = 2048  # activations of the network that stay in a core's cache: twice as fast as one batch of 20 000
_FILMED = 400
_TINY = {"steps": 4, "batch_size": 32, "n": 50, "frames": 3}


def run(args: Namespace) -> int:
    """Learn, compare, draw; return the exit code."""
    toy, sizes = TOYS[args.name], _sizes(args)
    out = make_folder(Path(args.out or f"toy-{args.name}"))
    began = time.perf_counter()
    levels = plan(toy)
    model = _learn(args, toy, levels, sizes)
    trained = time.perf_counter() - began
    exact = Exact(toy.density, levels.process)
    rows = {
        "learned score": _draw(model, toy, levels, sizes["n"], args.seed),
        "exact score": _draw(exact, toy, levels, sizes["n"], args.seed),
    }
    shares = weights(rows, toy.density)
    final = exact.marginal(torch.tensor(levels.process.t_min))
    metrics: dict[str, Any] = {
        "name": args.name,
        "density": toy.text,
        "settings": {"objective": args.objective, "seed": args.seed, **sizes, **_derived(toy, levels)},
        "field": field_errors(model, exact, levels.t, toy.square, seed=args.seed),
        "samples": sample_measures(rows, shares, final),
    }
    _pictures(out, model, exact, toy, levels, rows, seed=args.seed, frames=sizes["frames"])
    if shares:
        weight_bars(out / "weights.png", shares)
    metrics["seconds"] = {"training": round(trained, 1), "all": round(time.perf_counter() - began, 1)}
    metrics["environment"] = environment(torch.device("cpu"))
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(f"{table(metrics)}\n{_farewell(out, metrics, modes=bool(shares))}")
    return 0


def _learn(args: Namespace, toy: Toy, levels: Plan, sizes: dict[str, int]) -> ScoreModel:
    """Train, showing progress."""
    with Progress(sizes["steps"], f"learning the {args.name}") as progress:
        return learn(
            toy,
            levels,
            args.objective,
            steps=sizes["steps"],
            batch_size=sizes["batch_size"],
            seed=args.seed,
            on_step=lambda record: progress.advance(loss=f"{record.loss:.3f}"),
        )


def _sizes(args: Namespace) -> dict[str, int]:
    """Return how much to compute; modes are counted, so a mixture needs many samples."""
    if args.fast_dev_run:
        return _TINY
    if args.steps < 1 or (args.n is not None and args.n < 1):
        raise ConfigError(f"--steps and -n must be at least 1; received {args.steps} and {args.n}")
    many = isinstance(TOYS[args.name].density, GaussianMixture)
    return {"steps": args.steps, "batch_size": 512, "n": args.n or (20_000 if many else 1_000), "frames": 48}


def _derived(toy: Toy, levels: Plan) -> dict[str, Any]:
    """Return the settings that followed from the density."""
    samplers = {
        name: {"sampler": str(chain.sampler), "transitions": len(chain.times) - 1}
        for name, chain in chains(toy, levels).items()
    }
    return {
        "sigma_min": levels.process.sigma_min,
        "sigma_max": levels.process.sigma_max,
        "sigma_1": levels.sigma_1,
        "sigma_data": levels.sigma_data,
        "mean_data": levels.mean_data,
        "samplers": samplers,
    }


def _draw(
    model: ScoreModel, toy: Toy, levels: Plan, n: int, seed: int, *, trajectories: bool = False
) -> dict[str, Samples]:
    """Return n samples by each of the three samplers, with all states on the way if asked."""
    compared, drawn = chains(toy, levels), {}
    generator = torch.Generator().manual_seed(derive_seed(seed, "start"))
    for name, (sampler, times, start) in compared.items():
        with Progress((len(times) - 1) * -(-n // _BATCH), f"sampling {n} by {name}") as progress:
            drawn[name] = sample(
                model,
                sampler,
                (n, 2),
                grid=times,
                seed=seed,
                init=None if start is None else start.uniform(n, generator),
                frames=len(times) + 1 if trajectories else 0,
                batch_size=_BATCH,
                on_step=lambda _, progress=progress: progress.advance(),
            )
    return drawn


def _pictures(
    out: Path, model: ScoreModel, exact: Exact, toy: Toy, levels: Plan, rows: Rows, *, seed: int, frames: int
) -> None:
    """Draw field, samples, trajectories and the film of the annealed path."""
    final = exact.marginal(torch.tensor(levels.process.t_min))
    score_panels(out / "field.png", model, exact, levels.t, toy.view)
    sample_panels(out / "samples.png", rows, Terrain.of(final, toy.view))
    n = min(_FILMED, *(len(drawn.x) for drawn in rows["exact score"].values()))
    paths = {
        name: drawn.trajectory
        for name, drawn in _draw(model, toy, levels, n, seed, trajectories=True).items()
        if drawn.trajectory is not None
    }
    annealed, times = paths["annealed Langevin"], chains(toy, levels)["annealed Langevin"].times
    # All of an annealed chain would be a tangle: its steps are as long as its noise.
    by_level = torch.cat([annealed[:-1:REPEATS], annealed[-1:]])
    panels = {
        "Langevin": paths["Langevin"],
        "annealed Langevin, a point per level": by_level,
        "probability flow": paths["probability flow"],
    }
    trajectory_panels(out / "trajectories.png", panels, Terrain.of(final, toy.square.wider(1.8), side=260))
    shown = torch.linspace(0, len(times), frames).round().long()
    moments = torch.cat([times, times[-1:]])[shown]
    save_path_film(out / "path.gif", annealed[shown], moments, exact, toy.view)


def _farewell(out: Path, metrics: dict[str, Any], *, modes: bool) -> str:
    """Return what was written, and what to try next."""
    other = next(name for name in ("mixture", "circle") if name != metrics["name"])
    bars = f"  {out}/weights.png        weights of the modes, with 95 % intervals\n" if modes else ""
    return (
        f"\nDone in {metrics['seconds']['all']:.0f} s. Look at\n"
        f"  {out}/field.png          true score, learned score, error\n"
        f"  {out}/samples.png        three samplers, learned and exact score\n"
        f"{bars}"
        f"  {out}/trajectories.png   the ways the samples took\n"
        f"  {out}/path.gif           annealed Langevin, from noise to data\n"
        f"  {out}/metrics.json       all numbers\n"
        "\nThen try\n"
        f"  scorefield toy {metrics['name']} --objective ssmvr --out toy-{metrics['name']}-ssmvr\n"
        f"  scorefield toy {other}\n"
        "  scorefield quickstart"
    )
