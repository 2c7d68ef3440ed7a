"""How to reproduce a result: the lines of Python and the command that give exactly the same, made from the objects that gave it."""

import inspect
import shlex

import torch
from torch import Tensor

import scorefield as sf
from scorefield._noise import derive_seed
from scorefield.app.asks import NOISE, RESAMPLE, ZETA, Draw, Explore, Likelihood, Restore
from scorefield.app.shelf import Entry
from scorefield.config.sampling import SamplingConfig
from scorefield.evaluation import DRAWS, TOLERANCE, deviation
from scorefield.grids import geometric
from scorefield.guidance import HIDDEN_PARTS, hidden_part

Recipe = dict[str, str]
_READ = "torch.tensor(read_image(Path('{}')))"


def draw(ask: Draw, entry: Entry, choice: SamplingConfig) -> Recipe:
    """Return the recipe of samples."""
    own = entry.loaded.config.sampling
    classes = entry.loaded.model.classes
    drawn = [str(ask.n), f"seed={ask.seed}"]
    if choice != own:
        sampler, grid = choice.build(entry.loaded.model.process)
        drawn += [f"sampler={written(sampler)}", f"grid={written(grid)}"]
    if ask.label is not None:
        drawn.append(f"labels=torch.arange({ask.n}) % {classes}" if ask.label == "all" else f"labels={ask.label}")
    drawn += [f"{name}={value!r}" for name, value in (("weight", ask.weight), ("guide", ask.guide)) if value]
    drawn += ["guide=0.0"] if ask.guide == 0 else []
    asked = ["sample", entry.name, "-n", ask.n, "--seed", ask.seed, *_sampling(ask.sampler, ask.steps)]
    asked += [] if ask.label is None else ["--class", f"0-{(classes or 1) - 1}" if ask.label == "all" else ask.label]
    asked += ["--weight", ask.weight] if ask.weight else []
    asked += [] if ask.guide is None else ["--guide", ask.guide]
    return {
        "python": _lines(entry, f"x = model.sample({', '.join(drawn)}).x", loads="model", torch="torch." in str(drawn)),
        "command": _command(entry, *asked, "--out", "digits.npz"),
    }


def restore(ask: Restore, entry: Entry, choice: SamplingConfig, hidden: Tensor | None) -> Recipe:
    """Return the recipe of restorations, which reads the files image.png and mask.png."""
    part = None if hidden is None else _part(hidden)
    sampler, grid = choice.build(entry.loaded.model.process)
    what = [f"truth = {_valued(entry)}"]
    if hidden is not None:
        mask = f"{_READ.format('mask.png')} >= 128" if part is None else f"hidden_part('{part}', *truth.shape[2:])"
        what.append(f"hidden = {mask}")
    if ask.method in ("replace", "repaint"):
        model, stepped = "sf.Inpaint(model, truth, ~hidden)", written(sampler)
        stepped = f"sf.RePaint({stepped}, {RESAMPLE})" if ask.method == "repaint" else stepped
    else:
        what += _measurement(ask)
        model, stepped = (
            f"sf.LinearGaussian(model, A, y, {NOISE}, {deviation(entry.loaded.config)!r})",
            written(sampler),
        )
        stepped = f"sf.DPS({stepped}, {ZETA})" if ask.method == "dps" else stepped
    shape = (ask.n, *entry.loaded.event)
    lines = [
        *what,
        "model = loaded.steered(guide=0.0, precision='auto')",
        f"model = {model}",
        f"sampler = {stepped}",
        f"x = sf.sample(model, sampler, {shape}, grid={written(grid)}, seed={ask.seed}).x",
    ]
    measured = ["inpaint", entry.name, "--mask", part or "mask.png"] if ask.problem == "mask" else ["solve", entry.name]
    measured += (
        []
        if ask.problem == "mask"
        else ["--problem", f"{ask.problem}:{int(ask.size) if ask.size.is_integer() else ask.size!r}"]
    )
    settings = {"repaint": ["--resample", RESAMPLE], "dps": ["--zeta", ZETA]}.get(ask.method, [])
    settings += [] if ask.method in ("replace", "repaint") else ["--noise", NOISE]
    asked = [*measured, "--image", "image.png", "--method", ask.method, *settings, "--steps", ask.steps]
    return {
        "python": _lines(entry, *lines, reads=True),
        "command": _command(entry, *asked, "-n", ask.n, "--seed", ask.seed, "--out", "restored.npz"),
    }


def explore(ask: Explore, entry: Entry) -> Recipe:
    """Return the recipe of a look at a noise level: no command takes one, so its lines are saved and run as level.py."""
    lines = [
        "model = loaded.model",
        f"x0 = model.standardise({_valued(entry)})",
        f"t = model.process.time(torch.tensor({ask.noise!r}, dtype=torch.float64))",
        f"z = torch.randn(x0.shape, generator=torch.Generator().manual_seed({ask.seed}))",
        "x_t = model.process.perturb(x0, t, z)",
        "with torch.no_grad():",
        "    denoised, score = model.denoise(x_t, t), model.score(x_t, t)",
        "x_t, denoised = model.restore(x_t), model.restore(denoised)",
        "np.savez('level.npz', x_t=x_t[0], denoised=denoised[0], score=score[0])",
    ]
    return {"python": _lines(entry, *lines, reads=True), "command": "python level.py"}


def likelihood(ask: Likelihood, entry: Entry) -> Recipe:
    """Return the recipe of the bits per dimension of an image."""
    decoder = "" if entry.loaded.byte_decoder is None else "decoder=loaded.byte_decoder, "
    settings = f"{decoder}probes=1, rtol={TOLERANCE}, atol={TOLERANCE}, seed={ask.seed}"
    lines = [
        f"images = {_image(entry)}.expand{(DRAWS, *entry.loaded.event)}",
        f"draws, _ = sf.bits_per_dim(loaded.model, images, {settings})",
        f"bits, error = draws.mean(), draws.std() / {DRAWS}**0.5",
    ]
    return {
        "python": _lines(entry, *lines, reads=True),
        "command": _command(entry, "likelihood", entry.name, "--image", "image.png", "--seed", ask.seed),
    }


def written(value: object) -> str:
    """Return the Python expression of a sampler or a grid: its class, and the settings that are not the class's defaults."""
    if isinstance(value, Tensor):
        even = geometric(value[0].item(), value[-1].item(), len(value))
        if torch.equal(even, value):
            return f"sf.geometric({value[0].item()!r}, {value[-1].item()!r}, {len(value)})"
        return f"torch.tensor({value.tolist()}, dtype=torch.float64)"
    name, module = type(value).__name__, type(value).__module__
    if module == "builtins":
        return repr(value)
    given = {
        key: (getattr(value, key), known.default) for key, known in inspect.signature(type(value)).parameters.items()
    }
    settings = ", ".join(f"{key}={written(held)}" for key, (held, default) in given.items() if held != default)
    package, _, rest = module.partition(".")
    if package != "scorefield":
        return f"import_module({module!r}).{name}({settings})"
    room = "" if hasattr(sf, name) else rest.partition(".")[0] + "."
    return f"sf.{room}{name}({settings})"


def _measurement(ask: Restore) -> list[str]:
    """Return the lines of code that make the operator A and the measurement y."""
    if ask.problem == "mask":
        return ["A = sf.Mask(~hidden.expand(truth.shape[1:]))", "y = A.apply(truth)"]
    A = f"sf.Blur.gaussian({ask.size!r})" if ask.problem == "blur" else f"Downsample({int(ask.size)})"
    seed = derive_seed(ask.seed, "measurement")
    drawn = f"torch.randn(y.shape, generator=torch.Generator().manual_seed({seed}))"
    return [f"A = {A}", "y = A.apply(truth)", f"y = y + {NOISE} * {drawn}"]


def _part(hidden: Tensor) -> str | None:
    """Return the name of the hidden part, where it has one."""
    return next((name for name in HIDDEN_PARTS if torch.equal(hidden, hidden_part(name, *hidden.shape[1:]))), None)


def _image(entry: Entry) -> str:
    """Return the expression of the image, in bytes."""
    event, read = entry.loaded.event, _READ.format("image.png")
    return f"{read}.expand{event}[None]" if event[0] > 1 else f"{read}[None]"


def _valued(entry: Entry) -> str:
    """Return the expression of the image in the units of the model's data."""
    low, high = entry.loaded.model.ends
    unit = f"{_image(entry)}.float() / 255"
    return unit if (low, high) == (0.0, 1.0) else f"{low!r} + {high - low!r} * ({unit})"


def _sampling(sampler: str | None, steps: int | None) -> list[object]:
    return [*([] if sampler is None else ["--sampler", sampler]), *([] if steps is None else ["--steps", steps])]


def _lines(entry: Entry, *lines: str, loads: str = "loaded", reads: bool = False, torch: bool = False) -> str:
    """Return a program: imports, the model, and the lines."""
    text = "\n".join(lines)
    imports = ["from importlib import import_module"] if "import_module(" in text else []
    imports += ["from pathlib import Path"] if reads else []
    imports += [""] if imports else []
    imports += ["import numpy as np"] if "np." in text else []
    imports += ["import torch", ""] if reads or torch else []
    imports += ["import scorefield as sf"]
    imports += ["from scorefield.config import load_plugins"] if entry.plugins else []
    imports += ["from scorefield.data import read_image"] if reads else []
    names = [name for name in ("Downsample", "hidden_part") if f"{name}(" in text]
    imports += [f"from scorefield.guidance import {', '.join(names)}"] if names else []
    device = "" if entry.device.type == "cpu" else f", '{entry.device}'"
    imports += ["", f"load_plugins({[*entry.plugins]})"] if entry.plugins else []
    return "\n".join([*imports, "", f"{loads} = sf.load_model({entry.name!r}{device})", text, ""])


def _command(entry: Entry, *words: object) -> str:
    plugins = [word for plugin in entry.plugins for word in ("--plugin", plugin)]
    return shlex.join(["scorefield", *map(str, words), *plugins])
