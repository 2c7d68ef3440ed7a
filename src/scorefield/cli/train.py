"""``scorefield train``: from a configuration to a run folder."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.cli.arguments import SECTIONS
from scorefield.cli.console import Progress, warn
from scorefield.cli.pictures import draw_grid, draw_way
from scorefield.cli.scalars import tensorboard, write_scalars
from scorefield.config import RunConfig, merge, overrides, parse_yaml, read_yaml, refusals, stored, to_yaml, validate
from scorefield.config.sampling import SamplingConfig
from scorefield.data import Batches, Dataset
from scorefield.models import ScoreModel
from scorefield.plotting import loss_curve
from scorefield.pretrained import weighted
from scorefield.training import (
    Accelerated,
    OneProcess,
    Parallel,
    StepRecord,
    TrainState,
    checkpoint,
    pick_device,
    train,
)
from scorefield.training.run import RunFolder, Writer, environment
from scorefield.training.runlock import RunLock
from scorefield.training.signals import StopSignals

__all__ = ["Session", "configure", "run", "train_run"]

# What may differ between a run and its resumption without changing a single step before the checkpoint.
_FREE = {
    "comment",
    "sampling",
    "guide.weight",
    "guide.interval",
    "data.dir",
    "train.device",
    "train.keep",
    "train.log_every",
    "train.checkpoint_every",
}
_FREE |= {"train.sample_every"}

_TINY = {"train": {"steps": 4, "batch_size": 16, "warmup": 1, "log_every": 1, "checkpoint_every": 2, "sample_every": 4}}


def run(args: Namespace) -> int:
    """Train; return the exit code."""
    config = configure(args)
    if args.print_config is not None:
        print(to_yaml(config), end="")
        return 0
    dataset = config.data.load()
    parallel = _parallel(config.train.device)
    path = Path(args.run or f"runs/{config.name}")
    config = config.resolve(dataset, _before(path) if args.resume else None)
    if args.dry_run:
        _describe(config, dataset, parallel, path)
        return 0
    return train_run(config, dataset, path, parallel, resume=args.resume, override=args.override)


def configure(args: Namespace) -> RunConfig:
    """Return the configuration that the file and the overrides describe."""
    source = "standard input" if args.config == "-" else args.config or "command line"
    values: dict[str, Any] = {}
    if args.config == "-":
        values = parse_yaml(sys.stdin.read(), source)
    elif args.config is not None:
        values = read_yaml(Path(args.config))
    # Sections given in part complete the default of their kind; checked here so that an error names the file it is in.
    values = merge(RunConfig().model_dump(mode="json"), values)
    validate(RunConfig, values, source)
    asked: dict[str, Any] = overrides({section: args[section] for section in SECTIONS if args[section]})
    asked |= {key: args[key] for key in ("seed", "name", "comment") if args[key] is not None}
    options = {"data": {"dir": args.data_dir}, "train": {"device": args.device}}
    given = {section: part for section, part in options.items() if None not in part.values()}
    values = merge(merge(values, asked), given)
    if args.fast_dev_run:
        once = {"repeats": 1} if SamplingConfig.model_validate(values["sampling"]).sampler.kind == "ald" else {}
        values = merge(merge(values, _TINY), {"sampling": {"steps": 3, **once}})
    return validate(RunConfig, values, "command line" if asked or given else source)


@dataclass
class Session:
    """One sitting of a run: what `train_run` puts together."""

    config: RunConfig
    event: tuple[int, ...]
    folder: RunFolder
    state: TrainState
    parallel: Parallel
    seconds: float = 0.0
    """Wall clock of the sittings before this one."""
    began: float = field(default_factory=time.perf_counter)

    def save(self) -> None:
        """Write a checkpoint that holds all of the run's state, and what is needed to sample from it."""
        seconds = round(self.seconds + time.perf_counter() - self.began, 1)
        extra = {
            "config": self.config.model_dump(mode="json"),
            "event": list(self.event),
            "seed": self.config.seed,
            "seconds": seconds,
        }
        checkpoint.save(
            self.folder.checkpoints, self.state.step, self.state.tensors(), extra, keep=self.config.train.keep
        )

    def draw(self) -> None:
        """Write a grid of samples from the averaged weights, where it is images that they draw; after the last step the way there too."""
        model, weights, guide = self.state.ema, self.state.guide, self.config.guide
        if not isinstance(model, ScoreModel) or len(self.event) != 3:
            return
        if weights is not None and guide.weight > 0:
            weak = weighted(self.config, self.event, weights, "guide").to(self.parallel.device)
            assert isinstance(weak, ScoreModel)  # noqa: S101 for the type checker: it is built as the model is
            model = guide.build(model, weak)
        grid = self.folder.samples / f"step-{self.state.step:08d}.png"
        if self.state.step < self.config.train.steps:
            draw_grid(grid, model, self.config, self.event)
        else:
            draw_way(self.folder.path, grid, model, self.config, self.event)


def train_run(
    config: RunConfig, dataset: Dataset, path: Path, parallel: Parallel, *, resume: bool = False, override: bool = False
) -> int:
    """Train the resolved ``config`` in the run folder ``path``; return the exit code."""
    first = parallel.rank == 0
    with refusals("configuration"):
        model, objective = config.build_model(dataset.event).to(parallel.device), config.build_objective()
        settings = config.train.build(config.seed, config.guide.step)
        if first and (config.guide.step or 0) > config.train.steps:
            warn(
                f"guide.step {config.guide.step} lies beyond the last step, {config.train.steps}: the run keeps no guide"
            )
        state = TrainState.create(model, settings)
    with ExitStack() as stack:
        folder = RunFolder(path)
        if first:
            stack.enter_context(RunLock(path))
            checkpoint.clean(folder.checkpoints)
        parallel.wait()
        session = Session(config, dataset.event, folder, state, parallel)
        _start(session, resume=resume, override=override)
        batches = Batches(dataset, config.train.batch_size, config.seed, rank=parallel.rank, world=parallel.world)
        stop = stack.enter_context(StopSignals())
        writer = stack.enter_context(tensorboard(path)) if first else None
        records = train(state, batches, objective, settings, parallel)
        code = _consume(session, records, stop, writer)
    if code == 0 and first:
        _finish(session)
    return code


def _start(session: Session, *, resume: bool, override: bool) -> None:
    """Begin anew in an empty folder, or put the newest good checkpoint in place."""
    folder, config, first = session.folder, session.config, session.parallel.rank == 0
    found = checkpoint.latest(folder.checkpoints, warn)
    if found is None:
        if first:
            folder.config.write_text(to_yaml(config))
            (folder.path / "environment.json").write_text(json.dumps(environment(session.parallel.device), indent=2))
            folder.truncate_metrics(0)
        return
    if not resume:
        raise ConfigError(
            f"{folder.path}: already holds a run, at step {found.step}; go on with --resume, or choose another --run"
        )
    before = _read(found)
    changes = _differences(before and before.model_dump(mode="json"), config.model_dump(mode="json"))
    if changes and not override:
        raise ConfigError(
            f"{folder.path}: the configuration changed since step {found.step}: {'; '.join(changes)}; "
            "resume with the old one, or accept the new one with --override"
        )
    session.state.restore(found.step, found.tensors)
    session.seconds = found.seconds or 0.0
    if first:
        folder.truncate_metrics(found.step)
        folder.config.write_text(to_yaml(config))


def _before(path: Path) -> RunConfig | None:
    """Return the configuration of the run's last sitting."""
    found = checkpoint.latest(path / "checkpoints", lambda _: None)
    return None if found is None else _read(found)


def _read(found: checkpoint.Checkpoint) -> RunConfig | None:
    """Return the configuration of a checkpoint, where it has one."""
    values = found.state.get("config")
    return validate(RunConfig, stored(values), f"{found.path}/state.json") if isinstance(values, dict) else None


def _consume(session: Session, records: Iterator[StepRecord], stop: StopSignals, writer: Writer | None) -> int:
    """Follow training to its end, a signal or a divergence, logging, saving and drawing on the way; return the exit code."""
    every, first, state = session.config.train, session.parallel.rank == 0, session.state
    rows, clock = session.config.train.batch_size * every.log_every, time.perf_counter()
    with Progress(every.steps, session.config.name, start=state.step, show=first) as progress:
        for record in records:
            progress.advance(loss=f"{record.loss:.3f}")
            if first and record.step % every.log_every == 0:
                session.folder.log(record)
                now = time.perf_counter()
                write_scalars(writer, record, rows / (now - clock))
                clock = now
            if first and record.step % every.checkpoint_every == 0:
                session.save()
            if first and record.step % every.sample_every == 0 and record.step < every.steps:
                session.draw()
            if _stopped(stop, session.parallel):
                break
    if first:
        session.save()
    if stop.received is not None:
        print(f"stopped at step {state.step}; go on with --resume", file=sys.stderr)
        return 128 + stop.received
    return 0


def _stopped(stop: StopSignals, parallel: Parallel) -> bool:
    """Tell whether any process was asked to stop; all agree, so that none waits for another's gradient."""
    asked = torch.tensor([float(stop.received is not None)], device=parallel.device)
    parallel.sum_([asked])
    return bool(asked.item())


def _finish(session: Session) -> None:
    """Draw the last grid and the loss curve; say what to do next."""
    folder = session.folder
    lines = folder.read_metrics()
    if lines:
        loss_curve(folder.path / "loss.png", [int(line["step"]) for line in lines], [line["loss"] for line in lines])
    if not isinstance(session.state.ema, ScoreModel):
        print(f"{folder.path}: trained to step {session.state.step}. Measure it with:")
        print(f"  scorefield evaluate {folder.path}")
        return
    session.draw()
    suffix = "png" if len(session.event) == 3 else "npz"
    print(f"{folder.path}: trained to step {session.state.step}. Sample it with:")
    print(f"  scorefield sample {folder.path} -n 64 --out samples.{suffix}")


def _differences(old: object, new: dict[str, Any], prefix: str = "") -> list[str]:
    """Return "key: old → new" for every setting that differs and matters."""
    if not isinstance(old, dict):
        return ["the checkpoint has no configuration"]
    found: list[str] = []
    for key in sorted({*old, *new}):
        name, before, after = prefix + key, old.get(key), new.get(key)
        if name in _FREE or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found += _differences(before, after, name + ".")
        else:
            found.append(f"{name}: {before!r} → {after!r}")
    return found


def _parallel(device: str) -> Parallel:
    """Return the processes this one belongs to: those torchrun started, or itself alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return Accelerated(device)
    return OneProcess(pick_device(device))


def _describe(config: RunConfig, dataset: Dataset, parallel: Parallel, path: Path) -> None:
    """Say what a run would do."""
    with refusals("configuration"):
        model = config.build_model(dataset.event)
        config.build_objective()
        config.sampling.build(model.process)
    weights = sum(p.numel() for p in model.parameters())
    epochs = config.train.steps * config.train.batch_size / len(dataset)
    print(f"data     {dataset.name}: {len(dataset)} examples of shape {dataset.event}")
    print(f"model    {type(model).__name__} of {config.network.kind}, {weights:,} parameters, {config.process}")
    print(
        f"training {config.train.steps} steps of {config.train.batch_size}, {epochs:.1f} epochs, on {parallel.device}"
    )
    print(f"run      {path} (dry run: nothing written)")
