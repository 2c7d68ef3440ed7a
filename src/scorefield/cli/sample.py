"""``scorefield sample``: draw from a trained model and write what the extension asks for."""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.cli.console import Progress, warn
from scorefield.config import merge, overrides, refusals
from scorefield.config.base import Section
from scorefield.config.load import validate
from scorefield.config.migrate import flat_sampling
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import Grid, times_of
from scorefield.guidance import AutoGuided, ClassifierFree
from scorefield.models import ScoreModel
from scorefield.networks.precision import uses_bf16
from scorefield.plotting import save_film, save_grid, to_unit
from scorefield.pretrained import LoadedModel, guided, load_model, lowered
from scorefield.sampling import Sampler, Samples, sample
from scorefield.training import pick_device

__all__ = [
    "check_out",
    "choose",
    "conditioned",
    "count",
    "draw",
    "parse_seeds",
    "prepared",
    "run",
    "setting",
    "steered",
]

_FILMS = (".gif", ".mp4")
_SEEDS_LIMIT = 10_000_000


class _Choice(Section):
    """Wraps the union of samplers so that one validator serves all."""

    sampling: SamplingConfig


def run(args: Namespace) -> int:
    """Draw and write samples; return the exit code."""
    out = check_out(args.out, (".png", ".npz", *_FILMS))
    loaded = load_model(args.model, pick_device(args.device), warn=warn)
    choice = choose(loaded, args.sampler, args.steps, args.options)
    loaded = prepared(args, loaded, choice)
    n, _ = count(args)
    model = steered(args, loaded, n)
    with refusals("sampler"):
        sampler, grid = choice.build(model.process)
    drawn, seconds = draw(args, loaded, model, sampler, grid, frames=args.frames if out.suffix in _FILMS else 0)
    write(out, drawn, loaded.event)
    report = {
        "out": str(out),
        "model": str(loaded.source),
        **setting(model, args, choice),
        "n": n,
        "evaluations_per_sample": drawn.evaluations,
        "seconds": round(seconds, 3),
    }
    print(json.dumps(report) if args.json else _sentence(report))
    return 0


def precision(args: Namespace, choice: Any) -> str:  # noqa: ANN401 one of the configurations of samplers
    """Return the precision the network runs in: of --precision auto, float32 where the solver would mistake rounding for curvature."""
    wanted = "fp32" if args.precision == "auto" and choice.sampler.kind == "ode" else args.precision
    return "bf16" if uses_bf16(wanted, pick_device(args.device)) else "fp32"


def prepared(args: Namespace, loaded: LoadedModel[ScoreModel], choice: Any) -> LoadedModel[ScoreModel]:  # noqa: ANN401
    """Return the model in that precision."""
    return lowered(loaded) if precision(args, choice) == "bf16" else loaded


def draw(
    args: Namespace,
    loaded: LoadedModel[ScoreModel],
    model: ScoreModel,
    sampler: Sampler,
    grid: Grid,
    frames: int = 0,
) -> tuple[Samples, float]:
    """Return the samples that -n, --seed and --seeds name, and the seconds they took."""
    n, seeds = count(args)
    if args.batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1; received {args.batch_size}")
    began = time.perf_counter()
    steps = (len(times_of(grid, model.process)) - 1) * -(-n // args.batch_size)
    with Progress(steps, f"sampling {n}") as progress, refusals("sampler"):
        drawn = sample(
            model,
            sampler,
            (n, *loaded.event),
            grid=grid,
            seed=args.seed,
            seeds=seeds,
            frames=frames,
            batch_size=args.batch_size,
            on_step=lambda _: progress.advance(),
        )
    return drawn, time.perf_counter() - began


def count(args: Namespace) -> tuple[int, list[int] | None]:
    """Return how many samples are asked for, and the seed of each where they are named."""
    if args.seeds is not None:
        seeds = parse_seeds(args.seeds)
        return len(seeds), seeds
    if args.n < 1:
        raise ConfigError(f"-n must be at least 1; received {args.n}")
    return args.n, None


def choose(loaded: LoadedModel[ScoreModel], kind: str | None, steps: int | None, options: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the sampling configuration: the run's own, changed by what was asked on the command line."""
    asked = {
        **({} if kind is None else {"kind": kind}),
        **({} if steps is None else {"steps": steps}),
        **overrides(options),
    }
    own = loaded.config.sampling.model_dump(mode="json")
    values = merge({"sampling": own}, {"sampling": flat_sampling(asked, own, times=False)})
    return validate(_Choice, values, "command line").sampling


def steered(args: Namespace, loaded: LoadedModel[ScoreModel], n: int) -> ScoreModel:
    """Return the model to draw from: of the classes asked for, and guided by its weaker version where the run or --guide says so."""
    asked = args.guide
    if asked is not None and loaded.weak is None:
        raise ConfigError(f"--guide {asked}: {loaded.source} keeps no weaker version; train it with --guide.step")
    if asked is not None and args.weight != 0:
        raise ConfigError(f"--guide {asked} and --weight {args.weight} are two ways to exaggerate; choose one")
    model = conditioned(loaded, args["class"], args.weight, n)
    if loaded.weak is None or args.weight != 0:
        return model
    weak = conditioned(loaded._replace(model=loaded.weak), args["class"], 0.0, n)
    return guided(loaded._replace(model=model, weak=weak), asked)


def conditioned(loaded: LoadedModel[ScoreModel], classes: str | None, weight: float, n: int) -> ScoreModel:
    """Return the model of n samples of the classes asked for, which take turns."""
    if classes is None:
        if weight != 0:
            raise ConfigError(f"--weight {weight} exaggerates a class; say which by --class")
        return loaded.model
    labels = torch.tensor(parse_seeds(classes, "--class"))
    labels = labels[torch.arange(n) % len(labels)]
    if loaded.model.classes is not None and labels.max() >= loaded.model.classes:
        raise ConfigError(f"--class {classes}: {loaded.source} knows the classes 0 to {loaded.model.classes - 1}")
    model = loaded.model.condition(labels)
    return model if weight == 0 else ClassifierFree(loaded.model, labels, weight)


def setting(model: ScoreModel, args: Namespace, choice: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return how samples are drawn, as reports tell it."""
    return {
        "sampler": _flat({**choice.sampler.model_dump(), "grid": choice.grid.model_dump()}),
        "guide": model.weight if isinstance(model, AutoGuided) else 0.0,
        "precision": precision(args, choice),
    }


def _flat(section: dict[str, Any]) -> dict[str, Any]:
    """Return settings side by side: a section within goes by its kind, its settings by their names after its own."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        inner = _flat(value) if isinstance(value, dict) else {"kind": value}
        flat |= {key if name == "kind" else f"{key}_{name}": setting for name, setting in inner.items()}
    return flat


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """Return the numbers in "0-63" or "3,5,8-10".

    Raises:
        ConfigError: anything else, or more than ten million.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part)
        if match is None:
            raise ConfigError(f"{option}: {part!r} is not a number or a range; write 0-63, or 3,5,8-10")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low or high - low + len(seeds) >= _SEEDS_LIMIT:
            raise ConfigError(f"{option}: {part!r} must ascend, and all together be at most {_SEEDS_LIMIT} numbers")
        seeds.extend(range(low, high + 1))
    return seeds


def write(out: Path, drawn: Samples, event: tuple[int, ...]) -> None:
    """Write samples as the extension of ``out`` says."""
    try:
        if out.suffix == ".npz":
            images = len(event) == 3
            np.savez_compressed(out, x=(to_unit(drawn.x) if images else drawn.x).cpu().numpy())
        elif out.suffix in _FILMS:
            if drawn.trajectory is None:
                raise ConfigError("--frames must be at least 1 for a film")
            save_film(out, drawn.trajectory.cpu())
        else:
            save_grid(out, drawn.x)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror or error}") from error


def check_out(name: str, kinds: tuple[str, ...]) -> Path:
    """Return the path of --out; refuse what cannot work before anything is computed."""
    out = Path(name)
    if out.suffix not in kinds:
        raise ConfigError(f"--out {out}: the extension must be {', '.join(kinds[:-1])} or {kinds[-1]}")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: the folder {out.parent} does not exist")
    return out


def _sentence(report: dict[str, Any]) -> str:
    return (
        f"{report['out']}: {report['n']} samples by {report['sampler']['kind']}, "
        f"{report['evaluations_per_sample']} network evaluations each, {report['seconds']:.1f} s"
    )
