"""``scorefield train``: train a model from a configuration."""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, readable, stage, tell, tell_device, warn
from scorefield.cli.files import free_folder, is_picture, recipes
from scorefield.cli.kinds import settings
from scorefield.cli.options import command, data_dir, device, plugin
from scorefield.errors import ConfigError

if TYPE_CHECKING:
    from scorefield.config import RunConfig
    from scorefield.runs import Run
    from scorefield.training import Parallel
    from scorefield.training.signals import StopSignals

SECTIONS = {
    "data": "what to learn",
    "process": "how noise is added to data",
    "network": "takes noisy data and the noise level; channels, size and levels come from the data and the model",
    "model": "what the network predicts, and the units of the data",
    "objective": "the loss",
    "train": "optimisation, and how often to log, to save and to draw",
    "guide": "autoguidance: the step at which a weaker version of the model is kept, its weight, the noise levels at which it acts",
    "sampling": "how the model draws, in training and by default afterwards, such as --sampling.sampler.kind ald --sampling.grid.levels 60",
}
"""The sections of a configuration; kinds and settings come from the library (`scorefield.cli.kinds`)."""

_KEPT = {"process", "network", "model", "objective", "sampling"}  # of the model to start from, unless they are given
_TINY: dict[str, Any] = {
    "steps": 4,
    "batch_size": 16,
    "warmup": 1,
    "epochs": None,
    "log_every": 1,
    "checkpoint_every": 2,
    "sample_every": 4,
}


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Train a model. Any setting can be overridden by its dotted name: --train.steps 1000 --process.kind vp. "
        "--print_config shows all of them."
    )
    parser.option(
        "--config FILE",
        f"YAML file, or a recipe of the package: {', '.join(recipes())}; - reads standard input",
    )
    plugin(parser)
    for section, text in SECTIONS.items():
        parser.option(f"--{section} {{KEY: VALUE}}", f"{text}. {settings(section)}", dict[str, Any], default={})
    parser.option("--seed", "decides initial weights, batches and noise", int)
    # torchrun takes --run for an abbreviation of an option of its own; --run-dir is the same.
    parser.option("--run --run-dir DIR", "run folder; runs/NAME by default")
    parser.option("--name", "name of the run")
    parser.option(
        "--pretrained MODEL", "trained model to start from: its weights, process, network, objective and way to draw"
    )
    parser.option("--teacher MODEL", "trained model that objective.kind=distillation learns from")
    parser.option("--comment", "a note, stored with the run")
    data_dir(parser)
    device(parser, default=None)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the newest intact checkpoint, by default with the configuration that the run has",
    )
    parser.add_argument("--override", action="store_true", help="with --resume: accept that the configuration changed")
    # The parser rewrites a bare --print_config to --print_config= whatever its action, so it has to take a value.
    parser.add_argument("--print_config", nargs="?", const="", type=str, help="print the whole configuration and stop")
    parser.add_argument("--dry-run", action="store_true", help="build everything, train nothing, write nothing")
    parser.add_argument("--fast-dev-run", action="store_true", help="try out every part with four tiny steps")
    return parser


def run(args: Namespace) -> int:
    """Train; return the exit code."""
    from scorefield.config import to_yaml
    from scorefield.pretrained import load_model, load_trained
    from scorefield.runs import Run
    from scorefield.training import processes

    try:
        config = configure(args)
    except ConfigError as error:
        hint = " (--print_config shows all settings)" if "no such setting" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from error
    if args.print_config is not None:
        print(to_yaml(config), end="")
        return 0
    with stage(f"reading the data and building the model of {config.name}"):
        parallel = processes(config.train.device, config.train.sharding)
        place = _place(args, config)
        begun = args.resume and (place / "checkpoints" / "last").exists()  # with weights of its own
        named = None if begun else config.pretrained
        start = None if named is None else load_trained(named, parallel.device, warn=warn)
        teacher = None if config.teacher is None else load_model(config.teacher, parallel.device, warn=warn)
        made = Run(config, place, parallel=parallel, pretrained=start, teacher=teacher, warn=warn)
    if args.dry_run:
        _describe(made)
        return 0
    with made:
        try:
            # What torchrun starts again after a process died, or was told to leave, goes on by itself.
            again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and (made.path / "checkpoints").is_dir()
            if args.resume or again:
                made.resume(override=args.override)
            made.begin()
        except ConfigError as error:
            raise ConfigError(
                f"{error} (--resume goes on, --override accepts changes, --run DIR is another)"
            ) from error
        code = follow(made, args.plugin or ())
    made.parallel.leave()
    if code == 0 and made.first:
        _farewell(made, args.plugin or ())
    return code


def _place(args: Namespace, config: "RunConfig") -> Path:
    """Return the run folder: the one asked for, else runs/NAME, or with --fast-dev-run a new one beside it, so that NAME stays free."""
    if args.run is not None:
        if not args.run:
            raise ConfigError("--run: expected a folder; received an empty name")
        return Path(args.run)
    base = Path("runs") / config.name
    return free_folder(base.with_name(f"{base.name}-fast-dev-run")) if args.fast_dev_run else base


def follow(run: "Run", plugins: Sequence[str] = ()) -> int:
    """Train to the end, a signal or a divergence, showing progress; return the exit code. What to do next names the plugins, too."""
    from scorefield._tensors import looked_at
    from scorefield.training.signals import StopSignals

    state, steps, every = run.state, run.config.train.steps, looked_at(run.parallel.device)
    title = f"training {run.config.name}"
    if run.first:
        tell_device(run.config.train.device)
    stopped = False
    with ExitStack() as stack:
        stop = stack.enter_context(StopSignals(lambda: run.drawing))
        progress = stack.enter_context(Progress(steps, title, start=state.step, show=run.first))

        @cache
        def decoding() -> Progress:
            title = f"training the network of the decoder of {run.config.name}"
            return stack.enter_context(Progress(run.config.train.decoder_steps, title))

        run.stopping, run.on_decoder = (lambda: stop.received is not None), (lambda: decoding().advance())
        for record in run:
            looked = state.step % every == 0  # to show a number, and to ask the others, waits for a GPU
            progress.advance(**({"loss": f"{record.loss:.3f}"} if looked else {}))
            stopped = (looked or run.parallel.world == 1) and _stopped(stop, run.parallel)
            if stopped:
                run.save()
                break
    if not stopped and stop.received is None:
        return 0
    if run.first:
        again = shlex.join(["--config", str(run.folder.config), "--run", str(run.path), "--resume", *_named(plugins)])
        tell(f"stopped at step {state.step}; go on with: scorefield train {again}")
    return 128 + (stop.received or signal.SIGTERM)  # of a process that stops with another


def _stopped(stop: "StopSignals", parallel: "Parallel") -> bool:
    """Return whether any process was asked to stop; all processes agree, so that none waits for another's gradient."""
    import torch

    if parallel.world == 1:
        return stop.received is not None
    asked = torch.tensor([float(stop.received is not None)], device=parallel.device)
    parallel.sum_([asked])
    return bool(asked.item())


def _named(plugins: Sequence[str]) -> list[str]:
    """Return the options that name plugins."""
    return [word for file in plugins for word in ("--plugin", file)]


def _farewell(run: "Run", plugins: Sequence[str]) -> None:
    """Print what to do next."""
    from scorefield.models import ScoreModel

    done, path = f"{run.path}: trained to step {run.state.step}.", shlex.join([str(run.path), *_named(plugins)])
    if isinstance(run.state.ema, ScoreModel):
        suffix = "png" if is_picture(run.data.event) else "npz" if run.data.columns is None else "csv"
        print(f"{done} Sample it with:\n  scorefield sample {path} -n 64 --out samples.{suffix}")
    else:
        print(f"{done} Measure it with:\n  scorefield evaluate {path}")


def configure(args: Namespace) -> "RunConfig":
    """Return the configuration that the file and the overrides describe."""
    from scorefield._found import described, find
    from scorefield.config import RunConfig, merge, validate
    from scorefield.config.migrate import named
    from scorefield.training import checkpoint

    stored = Path(args.run or Path("runs", args.name or RunConfig().name), "config.yaml")
    source, values = _read(str(stored) if args.resume and args.config is None and stored.is_file() else args.config)
    if args.resume and args.config is None and not values:  # the file may be gone, and every checkpoint says it, too
        folder = stored.parent / "checkpoints"
        found = checkpoint.latest(folder, warn) if folder.is_dir() else None
        values = {} if found is None else described(found)[0].model_dump(mode="json")
        source = str(stored) if values else source
    network = {**named(values.get("network")), **args.network}
    whole = source == str(stored)  # what a run was begun with, which may be gone
    start = args.pretrained or (None if whole else values.get("pretrained"))
    try:
        kept = {} if start is None else described(find(start, warn))[0].model_dump(mode="json", include=_KEPT)
    except ConfigError as error:
        raise ConfigError(f"{source if args.pretrained is None else 'command line'}: pretrained: {error}") from error
    # Sections given in part complete the default of their kind; checked here so that an error names the file it is in.
    values = merge(merge(RunConfig().model_dump(mode="json"), kept), values)
    validate(RunConfig, values, source)
    asked: dict[str, Any] = {section: args[section] for section in SECTIONS if args[section]}
    asked |= {key: args[key] for key in ("seed", "name", "comment", "pretrained", "teacher") if args[key] is not None}
    options = {"data": {"dir": args.data_dir}, "train": {"device": args.device}}
    given = {section: part for section, part in options.items() if None not in part.values()}
    values = merge(merge(values, asked), given)
    if args.fast_dev_run:
        config = validate(RunConfig, values, "command line")
        once = {"repeats": 1} if config.sampling.sampler.kind == "ald" else {}
        # A distilled model draws along the grid it learns.
        sampling = {} if config.teacher is not None else {"sampling": {"steps": 3, **once}}
        guide = {} if values["guide"]["step"] is None else {"guide": {"step": 2}}
        tiny = _TINY | {"decoder_steps": min(_TINY["steps"], config.train.decoder_steps)}
        values = merge(values, {"train": tiny, **sampling, **guide})
    if start is None and "kind" not in network:
        values["network"] = network  # of a kind that follows the data
    return validate(RunConfig, values, "command line" if asked or given else source)


def _read(config: str | None) -> tuple[str, dict[str, Any]]:
    """Return where a configuration is from, and what it says: a file, a shipped recipe by name, standard input, or nothing."""
    from scorefield.config import parse_yaml, read_yaml

    if config is None:
        return "command line", {}
    if config == "-":
        text = sys.stdin.buffer.read(2**20)  # so much is refused
        if not text.strip():
            raise ConfigError("--config -: expected a configuration on standard input, which is closed or empty")
        return "standard input", parse_yaml(text, "standard input")
    path = Path(config)
    # mnist, or the path it has in the sources
    if not os.path.isfile(path) and path.parent in (Path(), Path("configs")):
        path = recipes().get(path.name.removesuffix(".yaml"), path)
    if not os.path.exists(path):
        raise ConfigError(f"{path}: cannot be read: no such file, and no recipe of that name ({', '.join(recipes())})")
    return str(path), read_yaml(path)


def _describe(run: "Run") -> None:
    """Print what a run would do."""
    from scorefield.preconditioning import Networked
    from scorefield.training.cost import cost

    config, model, data = run.config, run.state.model, run.data
    weights = sum(p.numel() for p in model.parameters())
    train = config.train
    epochs = train.steps * train.batch_size / len(data)
    print(f"data     {data.name}: {len(data)} example{'s'[: len(data) != 1]} of shape {data.event}")
    numbers = (f"{name} {value:g}" for name, value in config.process.model_dump().items() if name != "kind")
    process = f"{config.process.kind} with {', '.join(numbers)}"
    print(f"model    {config.model.kind} of {config.network.kind}, {weights:,} parameters, process {process}")
    what = f"{train.steps} steps of {train.batch_size}"
    if config.pretrained is not None:
        what += f" from the weights of {config.pretrained}"
    print(f"training {what}, {epochs:,.{0 if epochs > 100 else 1}f} epochs, on {run.parallel.device}")
    if isinstance(model, Networked):
        whole = config.build_model(data.event) if run.state.sharded else model
        assert isinstance(whole, Networked)  # noqa: S101 for the type checker: it is built as the model is
        found, shares = cost(whole.net, data.event), run.parallel.world if run.state.sharded else 1
        share = -(-train.batch_size // (run.parallel.world * train.accumulate))
        memory = readable(found.memory(share, shares), ("bytes", "kB", "MB", "GB", "TB"))
        print(
            f"memory   {memory} for {share} example{'s'[: share != 1]} at a time, in float32 (train.accumulate divides them)"
        )
        work = readable(3 * found.operations * train.batch_size, ("", "thousand", "million", "billion", "trillion"))
        print(f"work     {work} operations a step")
    print(f"run      {run.path} (dry run: nothing written)")
