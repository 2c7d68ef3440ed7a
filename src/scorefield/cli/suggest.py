"""``scorefield suggest``: settings from your data: noise levels, step sizes, a configuration."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import stage
from scorefield.cli.files import writable
from scorefield.cli.kinds import table
from scorefield.cli.options import Positive, Whole1, command, data_dir, report

if TYPE_CHECKING:
    from scorefield.advice import Advice
    from scorefield.config import RunConfig
    from scorefield.config.run import DataConfig

__all__ = ["parser", "run"]


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command("Compute NCSNv2's settings from data, say why, and write a configuration that train accepts.")
    parser.add_argument("data", type=str, metavar="DATA", help=f"{', '.join(_named())}, or a path of your own")
    data_dir(parser)
    parser.add_argument("--sigma_L", type=Positive, default=0.01, help="smallest noise level")
    parser.add_argument("--repeats", type=Whole1, default=5, help="Langevin steps per level")
    parser.add_argument("--out", type=str, metavar="FILE", help="write a configuration")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Measure, explain, and write the configuration if asked; return the exit code."""
    from scorefield.advice import suggest
    from scorefield.config import refusals, to_yaml, validate
    from scorefield.config.run import DataConfig

    out = None if args.out is None else writable(args.out)
    kind = args.data if args.data in _named() else "path"
    data = {"kind": kind, "dir": args.data_dir, "path": args.data if kind == "path" else None}
    section = validate(DataConfig, data, "command line")
    with stage(f"reading {args.data}"):
        dataset = section.load()
    with refusals(args.data), stage(f"measuring {len(dataset)} examples"):
        advice = suggest(dataset.scaled(), sigma_L=args.sigma_L, repeats=args.repeats)
    if args.json:
        print(json.dumps(asdict(advice)))
    else:
        print(explain(advice, dataset.name, len(dataset)))
    if out is not None:
        out.write_text(to_yaml(configuration(advice, section, dataset.event)), encoding="utf-8")
        print(f"\n{out}: written. Train with: scorefield train --config {out}")
    return 0


def _named() -> list[str]:
    """Return the data sets that have names."""
    return [kind for kind in table()["kinds of data"] if kind not in ("path", "density")]


def explain(a: "Advice", name: str, n: int) -> str:
    """Return the settings with their reasons."""
    steps = f"{a.step_size:.3g}   in the convention of the NCSN code ({2 * a.step_size:.3g} in the paper's)"
    among = f"all {n}" if a.sampled == n else f"{a.sampled} of {n}"
    return f"""{name}: {n} examples of {a.dimension} numbers, mean {a.mean_data:.4g}, standard deviation {a.sigma_data:.4g}

sigma_1   {a.sigma_1:.4g}   the largest distance between two examples (among {among}): noise that lets chains cross the data
sigma_L   {a.sigma_L:.4g}   as asked: noise that cannot be seen
levels    {a.levels}   so that neighbours overlap by half: ratio {a.ratio:.4f} in {a.dimension} dimensions
repeats   {a.repeats}   as asked: Langevin steps on each level
step_size {steps}: leaves {a.variance:.3f} times a level's variance
snr       {a.snr:.3f}   the Langevin corrector with the same relative step
ema       0.999   averaged weights, and a noise-free last step (always on)"""


def configuration(a: "Advice", data: "DataConfig", event: tuple[int, ...]) -> "RunConfig":
    """Return a run that trains on the suggested ladder and samples down it."""
    from scorefield.config import RunConfig, validate

    levels = {"kind": "geometric", "sigma_1": a.sigma_1, "sigma_L": a.sigma_L, "levels": a.levels}
    values: dict[str, Any] = {
        "name": "suggested",
        "data": data.model_dump(),
        "process": {"kind": "ve", "sigma_min": a.sigma_L, "sigma_max": a.sigma_1},
        "network": {"kind": "unet" if len(event) == 3 else "mlp"},
        "model": {"kind": "denoiser", "sigma_data": a.sigma_data, "mean_data": a.mean_data},
        "objective": {"kind": "multilevel_dsm", "levels": levels},
        "sampling": {
            "sampler": {"kind": "ald", "repeats": a.repeats, "relative_step": 2 * a.step_size / a.sigma_L**2},
            "grid": {"kind": "ladder", "levels": levels},
        },
    }
    return validate(RunConfig, values, "suggestion")
