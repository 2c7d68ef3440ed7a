"""``scorefield quickstart``: learn 8x8 digits in a few minutes, and draw them."""

import json
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, note, stage, warn
from scorefield.cli.files import free_folder, write_text
from scorefield.cli.options import Whole0, Whole1, command

if TYPE_CHECKING:
    from torch import Tensor

    from scorefield.sampling import Samples

_SHOWN = 64
_FRAMES = 48

# An NCSN in the sense of Song & Ermon (2019): one network conditioned on the noise, trained on a geometric ladder of levels, its
# output preconditioned as Karras et al. (2022) do, which is worth an order of magnitude in training time.
_CONFIG: dict[str, Any] = {
    "name": "quickstart",
    "data": {"kind": "digits"},
    "process": {"kind": "ve", "sigma_min": 0.01, "sigma_max": 5.0},
    "network": {"kind": "unet", "width": 64},
    "objective": {"kind": "multilevel_dsm", "levels": 60},
    "train": {"batch_size": 128, "learning_rate": 2e-3, "checkpoint_every": 1000, "sample_every": 1000},
}

_SAMPLERS = {"annealed Langevin": "ald", "predictor-corrector": "pc", "probability-flow ODE": "heun"}


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Train a noise-conditional score network (NCSN) on 8x8 digits that come with the package, sample it three ways, write pictures and "
        "metrics."
    )
    parser.option("--run DIR", "folder to write; by default runs/quickstart, or the next free number")
    parser.option("--seed", "decides initial weights, batches and samples", Whole0, default=0)
    parser.option("--steps", "optimiser steps", Whole1, default=3000)
    return parser


def run(args: Namespace) -> int:
    """Train, sample, write the run folder, say what to try next; return the exit code."""
    from scorefield.cli.train import follow
    from scorefield.config import RunConfig, validate
    from scorefield.runs import Run
    from scorefield.training import OneProcess

    usual = Path("runs/quickstart")
    path = free_folder(usual) if args.run is None else Path(args.run)
    if args.run is None and path != usual:
        note(f"{usual} is there already: this run starts anew, in {path}")
    began = time.perf_counter()
    values = {**_CONFIG, "seed": args.seed, "train": {**_CONFIG["train"], "steps": args.steps}}
    with Run(validate(RunConfig, values, "command line"), path, parallel=OneProcess(), warn=warn) as made:
        made.begin()
        print(f"learning {len(made.data)} digits of 8x8 pixels: {args.steps} steps, a few minutes on two cores")
        code = follow(made)
    if code != 0:
        return code
    metrics = _sample_and_draw(path, made.data.scaled(slice(_SHOWN)))
    metrics["seconds"] = round(time.perf_counter() - began, 1)
    write_text(path / "metrics.json", json.dumps(metrics, indent=2))
    _farewell(path, metrics)
    return 0


def _sample_and_draw(path: Path, real: "Tensor") -> dict[str, Any]:
    """Draw with every sampler; write grids, the comparison and the film; return what was measured."""
    from scorefield.config.sampling import SamplingConfig
    from scorefield.plotting import sampler_comparison, save_film, save_grid
    from scorefield.pretrained import load_model
    from scorefield.sampling import sample

    model = load_model(str(path)).model
    panels, metrics = {"real digits": real}, {}
    for title, kind in _SAMPLERS.items():
        sampler, grid = SamplingConfig.model_validate({"sampler": kind}).build(model.process)
        began = time.perf_counter()
        with Progress(len(grid.times(model.process)) - 1, f"drawing {_SHOWN} digits by {title}") as progress:
            drawn = sample(
                *(model, sampler, (_SHOWN, *real.shape[1:])),
                grid=grid,
                frames=_FRAMES,
                on_step=lambda _, progress=progress: progress.advance(),
            )
        metrics[title] = _measure(drawn, real) | {"seconds": round(time.perf_counter() - began, 2)}
        panels[f"{title}\n{drawn.evaluations:g} evaluations"] = drawn.x
        name = title.replace(" ", "-").lower()
        with stage("writing what was drawn"):
            save_grid(path / f"{name}.png", drawn.x)
            if kind == "pc" and drawn.trajectory is not None:
                save_film(path / "digits-from-noise.gif", drawn.trajectory)
    with stage("drawing the comparison"):
        sampler_comparison(path / "comparison.png", panels)
    return {"samplers": metrics}


def _measure(drawn: "Samples", real: "Tensor") -> dict[str, float]:
    """Return sanity numbers beside those of real digits: pixel mean and deviation, and the share of samples that are finite."""
    finite = drawn.x.flatten(1).isfinite().all(dim=1).float().mean().item()
    return {
        "n": len(drawn.x),
        "evaluations": drawn.evaluations,
        "finite": finite,
        "mean": round(drawn.x.mean().item(), 4),
        "real_mean": round(real.mean().item(), 4),
        "std": round(drawn.x.std().item(), 4),
        "real_std": round(real.std().item(), 4),
    }


def _farewell(path: Path, metrics: dict[str, Any]) -> None:
    from scorefield.pretrained import shipped_models

    named = shlex.quote(str(path))
    model = "mnist" if "mnist" in shipped_models() else named
    activate = Path(sys.prefix, "bin", "activate")
    first = f", after `source {activate}`" if activate.exists() and not shutil.which("scorefield") else ""
    print(
        f"\nDone in {metrics['seconds']:.0f} s. Look at\n"
        f"  {path}/comparison.png          real digits beside three samplers\n"
        f"  {path}/digits-from-noise.gif   how noise becomes digits\n"
        f"  {path}/loss.png                the loss curve\n"
        f"\nThen try{first}\n"
        f"  scorefield sample {named} --sampler heun --steps 10 -n 100 --out fast.png\n"
        f"  scorefield sample {named} --sampler ald --out langevin.gif\n"
        f"  scorefield sample {model} -n 64 --out digits.png\n"
        "  scorefield train --config mnist-small   # six minutes on two idle cores; --config mnist takes two hours"
    )
