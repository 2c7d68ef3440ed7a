"""What the commands that draw share: from options to samples, and from samples to a file."""

import re
import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import torch
from jsonargparse import Namespace
from torch import Tensor

from scorefield._endings import suited
from scorefield.cli.console import Progress, stage, tell_device, warn
from scorefield.cli.files import is_picture, written
from scorefield.cli.options import refuse
from scorefield.config import refusals
from scorefield.config.sampling import SamplingConfig
from scorefield.data.tables import TABLE_SUFFIXES, write_table
from scorefield.errors import ConfigError, MissingExtraError
from scorefield.grids import times_of
from scorefield.loaded import LoadedModel
from scorefield.networks.precision import Precision, uses_bf16
from scorefield.plotting import save_film, save_grid
from scorefield.pretrained import shipped_models
from scorefield.training import Each, Parallel, pick_device

FILMS = (".gif", ".mp4")
_SEEDS_LIMIT = 10_000_000
_SETTING = re.compile(r"^command line: sampling\.(?:sampler|grid)\.(?=\w+: )")
_FEW = 8  # steps below which Heun errs several times as much as others for the same evaluations: docs/choosing


class Drawn(NamedTuple):
    """Samples in parts of one batch, each (x, (evaluations, seconds)), with their trajectory if it was kept; parts may be in files."""

    parts: Iterable[tuple[Tensor, ...]]
    processes: int
    """That shared the parts among them."""

    @property
    def x(self) -> Tensor:
        """All samples."""
        return torch.cat([part[0] for part in self.parts])

    @property
    def trajectory(self) -> Tensor | None:
        """States along the way of all samples, if they were kept."""
        ways = [part[2] for part in self.parts if len(part) > 2]
        return torch.cat(ways, dim=1) if ways else None

    @property
    def evaluations(self) -> float:
        """Network evaluations per sample."""
        spent = [(len(x), cost[0].item()) for x, cost, *_ in self.parts]
        return sum(n * calls for n, calls in spent) / sum(n for n, _ in spent)

    @property
    def seconds(self) -> float:
        """How long drawing took, including the time before a kill."""
        return sum(cost[1].item() for _, cost, *_ in self.parts) / self.processes


def chosen(args: Namespace, loaded: LoadedModel, labels: Tensor | None) -> SamplingConfig:
    """Return how samples are drawn: as the model's run says, changed as asked, or in so many evaluations."""
    if args.evaluations is None:
        return asked(loaded, args.sampler, args.steps, args.options)
    refuse(args, ("sampler", "steps", "options"), f"--evaluations {args.evaluations} chooses the sampler and its steps")
    with refusals("sampler"), stage("fitting the grid of noise levels to the model"):
        return loaded.within(args.evaluations, decode=args.decode, labels=labels, weight=args.weight, guide=args.guide)


def asked(loaded: LoadedModel, kind: str | None, steps: int | None, options: dict[str, Any]) -> SamplingConfig:
    """Return the model's way of drawing, changed as asked; a setting that is wrong or missing is named as it is typed."""
    try:
        return loaded.sampling(kind, steps, options)
    except ConfigError as error:
        raise ConfigError(_SETTING.sub("--options.", str(error))) from error


def draw(
    args: Namespace,
    loaded: LoadedModel,
    choice: SamplingConfig,
    *,
    labels: Tensor | None,
    frames: int = 0,
    parallel: Parallel,
    each: Each,
) -> Drawn:
    """Return the samples that -n, --seed and --seeds ask for, one part per batch; a sample is the same whichever process draws it."""
    n, seeds = count(args)
    with refusals("sampler"):
        sampler, grid = choice.build(loaded.model.process)
        batches = -(-n // args.batch_size)
        transitions = len(times_of(grid, loaded.model.process)) - 1
        steps = transitions * -(-batches // parallel.world)
    if parallel.rank == 0:
        tell_device(args.device)
        if choice.sampler.kind == "heun" and transitions < _FEW:
            spent = 2 * transitions + 1 + (loaded.byte_decoder is not None)
            warn(f"with few steps Heun is far off; --evaluations {spent} in their place costs no more and is nearer")

    def part(k: int) -> tuple[Tensor, ...]:
        began = time.perf_counter()
        drawn = loaded.sample(
            n,
            seed=args.seed,
            seeds=seeds,
            labels=labels,
            weight=args.weight,
            guide=args.guide,
            sampler=sampler,
            grid=grid,
            precision=precision(args, choice),
            decode=args.get("decode"),
            batch_size=args.batch_size,
            frames=frames,
            rows=range(k * args.batch_size, min(n, (k + 1) * args.batch_size)),
            generator=choice.generator,
            on_step=lambda _: progress.advance(),
        )
        way = () if drawn.trajectory is None else (drawn.trajectory,)
        return drawn.x, torch.tensor([drawn.evaluations, time.perf_counter() - began], dtype=torch.float64), *way

    with (
        Progress(steps, f"drawing {n} sample{'s'[: n != 1]}", show=parallel.rank == 0) as progress,
        refusals("sampler"),
    ):
        return Drawn(each("drawn", batches, part), parallel.world)


def decides(args: Namespace, loaded: LoadedModel, choice: SamplingConfig, frames: int = 0) -> dict[str, Any]:
    """Return everything besides the model that decides samples, for `scorefield.cli.shared.shared`."""
    asked = ("n", "seed", "seeds", "class", "weight", "batch_size")
    return (
        setting(args, loaded, choice)
        | {name: args[name] for name in asked}
        | {"generator": choice.generator, "frames": frames}
    )


def precision(args: Namespace, choice: SamplingConfig) -> Precision:
    """Return the precision the network runs in."""
    wanted = suited(args.precision, choice.sampler.build())
    return "bf16" if uses_bf16(wanted, pick_device(args.device)) else "fp32"


def labels_of(args: Namespace, loaded: LoadedModel) -> Tensor | None:
    """Return the class of every sample, taking turns through those asked for; None where none was."""
    if args["class"] is None:
        if args.weight != 0:
            raise ConfigError(f"--weight {args.weight} exaggerates a class; choose one with --class")
        return None
    classes = torch.tensor(parse_seeds(args["class"], "--class"))
    known = loaded.model.classes
    if known is None:
        sister = f"{loaded.config.data.kind}-class"
        such = f"such as {sister}" if sister in shipped_models() else "trained with network.classes"
        raise ConfigError(
            f"--class {args['class']}: {args.model} was trained without labels; name a model that has some, {such}, or leave --class out"
        )
    if classes.max() >= known:
        raise ConfigError(f"--class {args['class']}: {args.model} knows the classes 0 to {known - 1}")
    return classes[torch.arange(count(args)[0]) % len(classes)]


def count(args: Namespace) -> tuple[int, list[int] | None]:
    """Return how many samples are asked for, and the seed of each where they are named."""
    if args.seeds is not None:
        seeds = parse_seeds(args.seeds)
        return len(seeds), seeds
    return args.n, None


def setting(args: Namespace, loaded: LoadedModel, choice: SamplingConfig) -> dict[str, Any]:
    """Return how samples are drawn, for reports."""
    weight = loaded.config.guide.weight if args.get("guide") is None else args.guide
    guided = loaded.weak is not None and args.weight == 0
    ended = {"decode": args.decode or ("none" if loaded.byte_decoder is None else "draw")} if "decode" in args else {}
    return {
        "sampler": _flat({**choice.sampler.model_dump(), "grid": choice.grid.model_dump()}),
        "guide": weight if guided else 0.0,
        "precision": precision(args, choice),
        **ended,
    }


def _flat(section: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings in one mapping: a section becomes its kind, and its settings are prefixed by its name."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        inner = _flat(value) if isinstance(value, dict) else {"kind": value}
        flat |= {key if name == "kind" else f"{key}_{name}": setting for name, setting in inner.items()}
    return flat


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """Return the numbers in "0-63" or "3,5,8-10", ten million at most."""
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


def require_drawable(out: Path, loaded: LoadedModel) -> None:
    """Refuse pictures and animations of samples that are not images, and .mp4 without the package that writes it."""
    if out.suffix in TABLE_SUFFIXES:
        if len(loaded.drawn) != 1:
            raise ConfigError(
                f"--out {out}: a table has rows of numbers; the model draws samples of shape {loaded.drawn}: write .npz instead"
            )
    elif out.suffix != ".npz" and not is_picture(loaded.drawn):
        raise ConfigError(
            f"--out {out}: a picture needs images of 1 or 3 channels; the model draws samples of shape {loaded.drawn}: write .npz instead"
        )
    if out.suffix == ".mp4" and None in map(find_spec, ("imageio", "imageio_ffmpeg")):
        raise MissingExtraError(
            f"--out {out}: writing .mp4 needs the video extra: pip install 'scorefield[video]'; or write .gif"
        )


def write(out: Path, drawn: Drawn, ends: tuple[float, float], columns: Sequence[str] | None = None) -> None:
    """Write samples in the format of ``out``'s extension; black and white are the ends of values, columns the names of coordinates."""
    with written(out) as place:
        if out.suffix == ".npz":
            _save(place, drawn.parts)
        elif out.suffix in TABLE_SUFFIXES:
            write_table(place, drawn.x.cpu(), columns)
        elif (way := drawn.trajectory) is not None:
            save_film(place, way.cpu(), ends=ends)
        else:
            save_grid(place, drawn.x, ends=ends)


def _save(out: Path, parts: Iterable[tuple[Tensor, ...]]) -> None:
    """Write the samples of parts, one after another, as numpy.savez_compressed would all of them: as drawn, not as a picture shows them."""
    rows = sum(len(part[0]) for part in parts)
    first = next(iter(parts))[0].cpu().numpy()
    header = {"descr": first.dtype.str, "fortran_order": False, "shape": (rows, *first.shape[1:])}
    with ZipFile(out, "w", ZIP_DEFLATED) as archive, archive.open("x.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part[0].cpu().contiguous().numpy().tobytes())
