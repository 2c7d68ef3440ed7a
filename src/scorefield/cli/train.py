"""``scorefield train``: from a configuration to a run folder."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.cli.arguments import SECTIONS
from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.files import free_folder, pictured
from scorefield.config import RunConfig, merge, parse_yaml, read_yaml, refusals, to_yaml, validate
from scorefield.models import ScoreModel
from scorefield.runs import Run
from scorefield.training import Accelerated, OneProcess, Parallel, pick_device
from scorefield.training.signals import StopSignals

__all__ = ["configure", "follow", "run"]

_TINY = {"train": {"steps": 4, "batch_size": 16, "warmup": 1, "log_every": 1, "checkpoint_every": 2, "sample_every": 4}}


def run(args: Namespace) -> int:
    """Train; return the exit code."""
    config = configure(args)
    if args.print_config is not None:
        print(to_yaml(config), end="")
        return 0
    made = Run(config, _place(args, config), parallel=_parallel(config.train.device), warn=warn)
    if args.dry_run:
        _describe(made)
        return 0
    with made:
        try:
            if args.resume:
                made.resume(override=args.override)
            made.begin()
        except ConfigError as error:
            raise ConfigError(
                f"{error} (--resume goes on, --override accepts changes, --run DIR is another)"
            ) from error
        code = follow(made)
    made.parallel.leave()
    if code == 0 and made.first:
        _farewell(made)
    return code


def _place(args: Namespace, config: RunConfig) -> Path:
    """Return the run folder: the one asked for, runs/NAME, or one apart for a walk through that should not stand in the way of the run."""
    if args.run is not None:
        return Path(args.run)
    base = Path("runs") / config.name
    return free_folder(base.with_name(f"{base.name}-fast-dev-run")) if args.fast_dev_run else base


def follow(run: Run) -> int:
    """Train to the end, a signal or a divergence, showing progress; return the exit code."""
    state, steps = run.state, run.config.train.steps
    if run.first:
        tell_device(run.config.train.device)
    with (
        StopSignals(lambda: run.drawing) as stop,
        Progress(steps, run.config.name, start=state.step, show=run.first) as progress,
    ):
        for record in run:
            progress.advance(loss=f"{record.loss:.3f}")
            if _stopped(stop, run.parallel):
                run.save()
                break
    if stop.received is None:
        return 0
    print(f"stopped at step {state.step}; go on with --resume", file=sys.stderr)
    return 128 + stop.received


def _stopped(stop: StopSignals, parallel: Parallel) -> bool:
    """Tell whether any process was asked to stop; all agree, so that none waits for another's gradient."""
    asked = torch.tensor([float(stop.received is not None)], device=parallel.device)
    parallel.sum_([asked])
    return bool(asked.item())


def _farewell(run: Run) -> None:
    """Say what to do next."""
    done = f"{run.path}: trained to step {run.state.step}."
    if isinstance(run.state.ema, ScoreModel):
        suffix = "png" if pictured(run.data.event) else "npz"
        print(f"{done} Sample it with:\n  scorefield sample {run.path} -n 64 --out samples.{suffix}")
    else:
        print(f"{done} Measure it with:\n  scorefield evaluate {run.path}")


def configure(args: Namespace) -> RunConfig:
    """Return the configuration that the file and the overrides describe."""
    source = "standard input" if args.config == "-" else args.config or "command line"
    values: dict[str, Any] = {}
    if args.config == "-":
        values = parse_yaml(sys.stdin.buffer.read(2**20), source)  # which refuses so much
    elif args.config is not None:
        values = read_yaml(Path(args.config))
    # Sections given in part complete the default of their kind; checked here so that an error names the file it is in.
    values = merge(RunConfig().model_dump(mode="json"), values)
    validate(RunConfig, values, source)
    asked: dict[str, Any] = {section: args[section] for section in SECTIONS if args[section]}
    asked |= {key: args[key] for key in ("seed", "name", "comment") if args[key] is not None}
    options = {"data": {"dir": args.data_dir}, "train": {"device": args.device}}
    given = {section: part for section, part in options.items() if None not in part.values()}
    values = merge(merge(values, asked), given)
    if args.fast_dev_run:
        sampler = validate(RunConfig, values, "command line").sampling.sampler
        once = {"repeats": 1} if sampler.kind == "ald" else {}
        values = merge(merge(values, _TINY), {"sampling": {"steps": 3, **once}})
    return validate(RunConfig, values, "command line" if asked or given else source)


def _parallel(device: str) -> Parallel:
    """Return the processes this one belongs to: those torchrun started, or itself alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return Accelerated(device)
    return OneProcess(pick_device(device))


def _describe(run: Run) -> None:
    """Say what a run would do."""
    config, model, data = run.config, run.state.model, run.data
    with refusals("configuration"):
        config.sampling.build(model.process)
    weights = sum(p.numel() for p in model.parameters())
    train = config.train
    epochs = train.steps * train.batch_size / len(data)
    print(f"data     {data.name}: {len(data)} examples of shape {data.event}")
    print(f"model    {type(model).__name__} of {config.network.kind}, {weights:,} parameters, {config.process}")
    print(f"training {train.steps} steps of {train.batch_size}, {epochs:.1f} epochs, on {run.parallel.device}")
    print(f"run      {run.path} (dry run: nothing written)")
