"""How a measured image is restored, as by ``scorefield inpaint`` and ``solve``, and what the page reports of it."""

import time

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import interpolate

from scorefield.app import recipes
from scorefield.app.asks import NOISE, RESAMPLE, ZETA, Restore
from scorefield.app.jobs import Job
from scorefield.app.parts import FRAMES, Answer, Work, filmed, told, valued
from scorefield.app.pictures import arrays, encoded, hidden_of, packed, picture_of, png
from scorefield.app.shelf import Entry, Shelf
from scorefield.errors import ConfigError
from scorefield.evaluation import compared, conditioned, deviation, measured
from scorefield.guidance import Blur, Downsample, LinearOperator, Mask
from scorefield.plotting import grid_image, to_unit
from scorefield.plotting.images import gif
from scorefield.sampling import sample


def restore(ask: Restore, shelf: Shelf) -> Work:
    """Return the work of drawing from the posterior of a measured image, as ``scorefield inpaint`` and ``solve`` do."""
    entry = shelf[ask.model]
    entry.loaded.require_score("a restoration")
    event, ends = entry.loaded.event, entry.loaded.model.ends
    truth = valued(picture_of(ask.image, event)[None], ends)
    hidden, A, y = _measured(ask, truth)
    replaced = ask.method in ("replace", "repaint")
    choice = entry.sampling(None if replaced else "ancestral", ask.steps)
    own, grid = choice.build(entry.loaded.model.process)

    def work(job: Job[Answer]) -> Answer:
        job.total = entry.steps(choice)
        began = time.perf_counter()
        steered = entry.loaded.steered(guide=0.0, precision="auto")
        model, sampler = conditioned(
            *(ask.method, steered, own, truth, A, y, hidden),
            sigma_data=deviation(entry.loaded.config),
            noise=NOISE,
            resample=RESAMPLE,
            zeta=ZETA,
        )
        drawn = sample(
            model,
            sampler,
            (ask.n, *event),
            grid=grid,
            seed=ask.seed,
            frames=FRAMES,
            on_step=lambda _: job.advance(),
        )
        seconds = time.perf_counter() - began
        x = drawn.x.cpu()
        shown = filmed(drawn, entry)
        films = {
            "restored.png": packed(grid_image(x, ends=ends)),
            "restored.gif": gif(shown.pop("trajectory"), ends=ends),
        }
        files = films | _files(ask, entry, x, truth, y, hidden)
        more = _seen(entry, x, truth, y, hidden) | {
            "compared": compared(x, truth, A, y, hidden=hidden, judge=entry.judge)
        }
        return shown | more | told(files, seconds) | recipes.restore(ask, entry, choice, hidden)

    return work


def _files(ask: Restore, entry: Entry, x: Tensor, truth: Tensor, y: Tensor, hidden: Tensor | None) -> dict[str, bytes]:
    """Return the numbers of the restorations, and the pictures that the recipe reads."""
    covered = {} if hidden is None else {"hidden": hidden}
    files = {
        "restored.npz": arrays(x=x, truth=truth[0], y=y[0], **covered),
        "image.png": png(picture_of(ask.image, entry.loaded.event)),
    }
    return files if hidden is None else files | {"mask.png": png(hidden.float())}


def _seen(entry: Entry, x: Tensor, truth: Tensor, y: Tensor, hidden: Tensor | None) -> Answer:
    """Return what is shown beside the restorations: the measurement, where they differ, and what is read in each."""
    ends = entry.loaded.model.ends
    seen = _picture_of_measurement(y, hidden, truth, ends)
    spread = x.std(0, correction=0).mean(0, keepdim=True)
    return {
        "measured": encoded(png(to_unit(seen, ends)[0])),
        "spread": encoded(png(spread / spread.max().clamp_min(1e-9))),
        "widest": spread.max().item() / (ends[1] - ends[0]),
        "read": _read(entry, seen, truth, x),
    }


def _measured(ask: Restore, truth: Tensor) -> tuple[Bool[Tensor, "1 h w"] | None, LinearOperator, Tensor]:
    """Return what is hidden, the operator, and the measurement."""
    if ask.problem == "mask":
        if ask.mask is None:
            raise ConfigError("mask: is missing; paint over some pixels")
        hidden = hidden_of(ask.mask, tuple(truth.shape[1:]))
        observe = Mask(~hidden.expand(truth.shape[1:]))
        return hidden, observe, observe.apply(truth)
    if ask.method in ("replace", "repaint"):
        raise ConfigError(f"method: {ask.problem} is undone by pigdm or dps; received {ask.method}")
    A = _operator(ask, *truth.shape[2:])
    return None, A, measured(truth, A, NOISE, ask.seed)


def _operator(ask: Restore, height: int, width: int) -> LinearOperator:
    """Return what blurs or coarsens pictures of a size."""
    of = f"pictures of {height} × {width} pixels"
    if ask.problem == "blur":
        widest = (min(height, width) - 1) // 2 / 3  # it reaches three of its widths to either side
        if ask.size > widest:
            raise ConfigError(f"width: of {of} a blur is at most {widest:.3g} px wide; received {ask.size:g}")
        return Blur.gaussian(ask.size)
    blocks = [k for k in range(2, min(height, width) + 1) if height % k == width % k == 0]
    if ask.size not in blocks:
        found = f"blocks of {', '.join(map(str, blocks))} pixels" if blocks else "no blocks"
        raise ConfigError(f"width: {of} fall into {found}; received {ask.size:g}")
    return Downsample(int(ask.size))


def _picture_of_measurement(y: Tensor, hidden: Tensor | None, truth: Tensor, ends: tuple[float, float]) -> Tensor:
    """Return what was measured as an image: black where it is hidden, in blocks where it is coarse."""
    if hidden is not None:
        return torch.where(hidden, ends[0], truth)
    return interpolate(y, truth.shape[2:])


def _read(entry: Entry, seen: Tensor, truth: Tensor, x: Tensor) -> Answer | None:
    """Return the probabilities that the judge gives each class: of the measurement, the truth, and all restorations."""
    if entry.judge is None:
        return None
    before, true, *after = entry.judge.probabilities(torch.cat([seen, truth, x])).tolist()
    return {"before": before, "true": true, "after": [sum(column) / len(x) for column in zip(*after, strict=True)]}
