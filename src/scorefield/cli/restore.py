"""What ``inpaint`` and ``solve`` share: they measure an image, or another example, restore it several times, and compare with the truth."""

import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from jsonargparse import Namespace
from torch import Tensor

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.drawing import asked, count, labels_of, precision, require_drawable, setting
from scorefield.cli.files import is_picture, writable, written
from scorefield.cli.images import places, read_truth
from scorefield.cli.options import MEASURED
from scorefield.config import refusals
from scorefield.config.sampling import SamplingConfig
from scorefield.errors import ConfigError
from scorefield.evaluation import compared, conditioned, deviation
from scorefield.grids import times_of
from scorefield.guidance import LinearOperator
from scorefield.loaded import LoadedModel
from scorefield.plotting import grid_image, picture_row
from scorefield.pretrained import load_judge, load_model
from scorefield.sampling import sample
from scorefield.training import pick_device
from scorefield.units import INSIDE, Units

NOISE = 0.05
_SETTINGS = {  # the default of each setting of a method, and the methods that have it
    "resample": (10, ("repaint",)),
    "zeta": (1.0, ("dps",)),
    "particles": (16, ("particles",)),
    "noise": (NOISE, MEASURED),
}
_STEPS = 100


class Subject(NamedTuple):
    """The model, and the example to be measured and restored."""

    loaded: LoadedModel
    truth: Float[Tensor, "1 *d"]
    name: str
    out: Path

    @property
    def shown(self) -> bool:
        """Whether a panel is drawn: for images, unless arrays are asked for."""
        return self.out.suffix != ".npz"


class Problem(NamedTuple):
    """A measurement y = A x_0, with or without noise, of an example."""

    what: str
    """Its name on the command line."""
    A: LinearOperator
    y: Float[Tensor, "1 *m"]
    hidden: Bool[Tensor, "..."] | None
    """Pixels, or coordinates, of which y says nothing; None where every one was measured, if only with others."""
    title: str
    picture: Float[Tensor, "1 c h w"] | None
    """What can be shown of y, in [0, 1]; None where no panel is drawn."""


def subject(args: Namespace, name: str) -> Subject:
    """Return what is restored and where it is written, by default ``name``; refuse settings of other methods."""
    kinds, read = (".png", ".pdf", ".svg", ".npz"), (args.image, args.get("mask"))
    if args.out is not None:
        writable(args.out, kinds, read=read)
    for option, (_, methods) in _SETTINGS.items():
        if args.get(option) is not None and args.method not in methods:
            raise ConfigError(f"--{option} belongs to --method {' or '.join(methods)}; received --method {args.method}")
    loaded = load_model(args.model, pick_device(args.device), warn=warn)
    loaded.require_score("a restoration")
    out = writable(args.out or f"{name}.{'png' if is_picture(loaded.event) else 'npz'}", kinds, read=read)
    require_drawable(out, loaded)
    return Subject(loaded, *read_truth(args.image, loaded, args.data_dir), out)


def restore(args: Namespace, it: Subject, problem: Problem) -> int:
    """Draw, compare, write and report; return the exit code."""
    choice = _choice(args, it.loaded)
    n, seeds = count(args)
    with refusals("command line"):
        model = it.loaded.steered(
            labels=labels_of(args, it.loaded), weight=args.weight, guide=0.0, precision=precision(args, choice)
        )
        sampler, grid = choice.build(model.process)
        asked = {"noise": NOISE, **_settings(args), "sigma_data": deviation(it.loaded.config)}
        if args.method in MEASURED:
            _doubt(asked["noise"], it.loaded.model.units)
        model, sampler = conditioned(
            *(args.method, model, sampler, it.truth, problem.A, problem.y, problem.hidden), **asked
        )
        steps = (len(times_of(grid, model.process)) - 1) * -(-n // args.batch_size)
    tell_device(args.device)
    began = time.perf_counter()
    with Progress(steps, f"restoring {it.name}, {n} times") as progress, refusals("sampler"):
        drawn = sample(
            *(model, sampler, (n, *it.loaded.event)),
            grid=grid,
            seed=args.seed,
            seeds=seeds,
            batch_size=args.batch_size,
            on_step=lambda _: progress.advance(),
        )
    seconds = time.perf_counter() - began
    x = drawn.x.cpu()
    reason = _unread(it.loaded)
    judge = load_judge() if reason is None else None
    report = {
        "out": str(it.out),
        "model": args.model,
        "image": it.name,
        "problem": problem.what,
        "method": args.method,
        **_settings(args),
        **setting(args, it.loaded, choice) | {"guide": 0.0},
        "n": len(x),
        **compared(x, it.truth, problem.A, problem.y, hidden=problem.hidden, judge=judge),
        **({} if reason is None else {"agreement_left_out": reason}),
        "evaluations_per_sample": drawn.evaluations,
        "seconds": round(seconds, 3),
    }
    _write(x, it, problem, report)
    print(json.dumps(report) if args.json else _sentence(report))
    return 0


def _choice(args: Namespace, loaded: LoadedModel) -> SamplingConfig:
    """Return the sampling configuration: the run's own or, where a method pulls towards a measurement, ancestral steps.

    They are small enough for that pull. Particles are a sampler themselves, and take the grid alone.
    """
    if args.method == "particles" and args.sampler is not None:
        raise ConfigError(f"--method particles is a sampler itself; leave out --sampler {args.sampler}")
    kind, steps = args.sampler, args.steps
    if args.method in MEASURED and kind is None:
        kind, steps = "ancestral", steps or _STEPS
    return asked(loaded, kind, steps, args.options)


def _settings(args: Namespace) -> dict[str, Any]:
    """Return the settings of the method, its defaults where they are not given."""
    own = {option: default for option, (default, methods) in _SETTINGS.items() if args.method in methods}
    return {option: default if args[option] is None else args[option] for option, default in own.items()}


def _unread(loaded: LoadedModel) -> str | None:
    """Return why the judge that reads digits is not asked; None where it is."""
    if loaded.event != (1, 28, 28):
        return f"the judge reads digits of shape (1, 28, 28); the model draws {loaded.event}"
    if loaded.config.data.kind in ("fashion_mnist", "kmnist"):
        return f"the judge reads digits; the model draws {loaded.config.data.kind}"
    return None


def _write(x: Float[Tensor, "n *d"], it: Subject, problem: Problem, report: dict[str, Any]) -> None:
    """Write the arrays, or the panel, as the extension says."""
    with written(it.out) as place:
        if problem.picture is None:
            none = torch.zeros(places(it.loaded.event), dtype=torch.bool)
            hidden = none if problem.hidden is None else problem.hidden
            arrays = {"x": x, "truth": it.truth[0], "y": problem.y[0], "hidden": hidden}
            np.savez_compressed(place, allow_pickle=False, **{name: array.numpy() for name, array in arrays.items()})
            return
        drawings = "restoration" if len(x) == 1 else f"{len(x)} restorations"
        rows = math.ceil((len(x) / 2) ** 0.5)  # about twice as wide as high
        panels = {
            "ground truth": grid_image(it.truth, ends=it.loaded.model.ends),
            problem.title: grid_image(problem.picture),
            f"{drawings} by {report['method']}": grid_image(x, math.ceil(len(x) / rows), it.loaded.model.ends),
        }
        picture_row(place, panels, f"{it.name}, {problem.what}: {_measured(report)}")


def _doubt(noise: float, units: Units | None) -> None:
    """Warn of noise that is more than a coordinate of the data varies, such as a column of a table in small units."""
    least = math.inf if units is None else INSIDE * units.scale.min().item()
    if noise > least:
        warn(
            f"the measurement's noise, {noise:g}, is more than a coordinate of the data varies, {least:.3g}, and says nothing of it; "
            "set --noise in the units of the data"
        )


def _measured(report: dict[str, Any]) -> str:
    """Return what was measured, in words."""
    name = "masked_mse" if "masked_mse" in report else "mse"
    words = [f"{name.replace('_', ' ').replace('mse', 'MSE')} {report[f'{name}_mean']:.4g}"]
    if report["diversity"] is not None:
        words.append(f"diversity {report['diversity']:.3g}")
    if report["agreement"] is not None:
        words.append(f"{round(report['agreement'] * report['n'])} of {report['n']} read as {report['digit']}")
    return ", ".join(words)


def _sentence(report: dict[str, Any]) -> str:
    left_out = f"; no classifier agreement: {report['agreement_left_out']}" if report["agreement"] is None else ""
    return (
        f"{report['out']}: {report['image']}, {report['problem']}, {report['n']} restored by {report['method']}: {_measured(report)}; "
        f"{report['evaluations_per_sample']:g} network evaluations each, {report['seconds']:.1f} s{left_out}"
    )
