"""How the library answers the pages: work for the line of `scorefield.app.jobs`, made of a request that is in order."""

import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from scorefield.app import recipes
from scorefield.app.asks import NOISE, RESAMPLE, ZETA, Draw, Explore, Likelihood, Picture, Restore
from scorefield.app.jobs import Job
from scorefield.app.pictures import arrays, encoded, hidden_of, packed, picture_of, png, sprite
from scorefield.app.shelf import Entry, Shelf
from scorefield.errors import ConfigError
from scorefield.evaluation import compared, conditioned, deviation, likelihood_of, measured
from scorefield.guidance import Blur, Downsample, LinearOperator, Mask
from scorefield.guidance.guided import Guided
from scorefield.models import ScoreModel, State, Time
from scorefield.plotting import grid_image, to_unit
from scorefield.plotting.images import exposed, gif
from scorefield.sampling import Samples, sample

__all__ = ["Answer", "draw", "explore", "likelihood", "picture", "restore"]

Answer = dict[str, Any]
Work = Callable[[Job[Answer]], Answer]

_FRAMES = 40  # as the command's --frames


def draw(ask: Draw, shelf: Shelf) -> Work:
    """Return the work of `scorefield.LoadedModel.sample`."""
    entry = shelf[ask.model]
    choice = entry.sampling(ask.sampler, ask.steps)
    sampler, grid = choice.build(entry.loaded.model.process)
    labels = _labels(ask, entry)

    def work(job: Job[Answer]) -> Answer:
        job.total = entry.steps(choice)
        began = time.perf_counter()
        drawn = entry.loaded.sample(
            ask.n,
            seed=ask.seed,
            labels=labels,
            weight=ask.weight,
            guide=ask.guide,
            sampler=sampler,
            grid=grid,
            frames=_FRAMES,
            on_step=lambda _: job.advance(),
        )
        seconds = time.perf_counter() - began
        shown, ends = _shown(drawn, entry), entry.loaded.model.ends
        files = {
            "digits.png": packed(grid_image(drawn.x, ends=ends)),
            "digits.gif": gif(shown.pop("trajectory"), ends=ends),
            "digits.npz": arrays(x=drawn.x),
        }
        return shown | _told(files, seconds) | recipes.draw(ask, entry, choice)

    return work


def restore(ask: Restore, shelf: Shelf) -> Work:
    """Return the work of drawing from the posterior of a measured image, as ``scorefield inpaint`` and ``solve`` do."""
    entry = shelf[ask.model]
    entry.loaded.require_score("a restoration")
    event, ends = entry.loaded.event, entry.loaded.model.ends
    truth = _valued(picture_of(ask.image, event)[None], ends)
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
            frames=_FRAMES,
            on_step=lambda _: job.advance(),
        )
        seconds = time.perf_counter() - began
        x = drawn.x.cpu()
        shown = _shown(drawn, entry)
        seen = _picture_of_measurement(y, hidden, truth, ends)
        spread = x.std(0, correction=0).mean(0, keepdim=True)
        files = {
            "restored.png": packed(grid_image(x, ends=ends)),
            "restored.gif": gif(shown.pop("trajectory"), ends=ends),
            "restored.npz": arrays(x=x, truth=truth[0], y=y[0], **({} if hidden is None else {"hidden": hidden})),
            "image.png": png(picture_of(ask.image, event)),
            **({} if hidden is None else {"mask.png": png(hidden.float())}),
        }
        more = {
            "measured": encoded(png(to_unit(seen, ends)[0])),
            "spread": encoded(png(spread / spread.max().clamp_min(1e-9))),
            "widest": spread.max().item() / (ends[1] - ends[0]),
            "compared": compared(x, truth, A, y, hidden=hidden, judge=entry.judge),
            "read": _read(entry, seen, truth, x),
        }
        return shown | more | _told(files, seconds) | recipes.restore(ask, entry, choice, hidden)

    return work


def explore(ask: Explore, shelf: Shelf) -> Work:
    """Return the work of one look at a noise level: x_t, E[x_0 | x_t], and the length of the score at each pixel."""
    entry = shelf[ask.model]
    entry.loaded.require_score("a look at a noise level")
    model, ends = entry.loaded.model, entry.loaded.model.ends
    image = picture_of(ask.image, entry.loaded.event)
    ratio = torch.tensor(ask.noise, dtype=torch.float64)
    t = model.process.time(ratio)
    if not model.process.t_min <= t <= model.process.t_max:
        low, high = entry.described()["noise"]
        raise ConfigError(f"noise: the model knows the levels {low:.4g} to {high:.4g}; received {ask.noise:g}")

    def work(job: Job[Answer]) -> Answer:
        job.total = 1
        x0 = model.standardise(_valued(image[None], ends))
        z = torch.randn(x0.shape, generator=torch.Generator().manual_seed(ask.seed))
        x_t = model.process.perturb(x0, t, z).to(entry.device)
        with torch.no_grad():
            denoised, score = model.denoise(x_t, t).cpu(), model.score(x_t, t).cpu()
        job.advance()
        strength = score[0].norm(dim=0, keepdim=True)
        noisy, guess = model.restore(x_t).cpu(), model.restore(denoised)
        seen, meant = exposed(noisy, ends)[0], to_unit(guess, ends)[0]
        map_ = strength / strength.max().clamp_min(1e-30)
        files = {
            "level.png": png(torch.cat([seen, meant, map_.expand_as(seen)], dim=2)),
            "level.npz": arrays(x_t=noisy[0], denoised=guess[0], score=score[0]),
            "image.png": png(image),
        }
        return {
            "noisy": encoded(png(seen)),
            "denoised": encoded(png(meant)),
            "score": encoded(png(map_)),
            "longest": strength.max().item(),
            "length": score.norm().item(),
            "error": (denoised - x0).square().mean().sqrt().item(),
            **_told(files),
            **recipes.explore(ask, entry),
        }

    return work


def likelihood(ask: Likelihood, shelf: Shelf) -> Work:
    """Return the work of ``scorefield likelihood --image``."""
    entry = shelf[ask.model]
    entry.loaded.require_score("its likelihood")
    image = picture_of(ask.image, entry.loaded.event)

    def work(job: Job[Answer]) -> Answer:
        began = time.perf_counter()
        watched = _Watched(entry.loaded.model, job)
        found = likelihood_of(watched, image[None].to(entry.device), entry.loaded.byte_decoder, ask.seed)
        found["evaluations"] = job.done
        return found | _told({"image.png": png(image)}, time.perf_counter() - began) | recipes.likelihood(ask, entry)

    return work


def picture(ask: Picture, shelf: Shelf) -> Answer:
    """Return an upload as an image of the model."""
    return {"image": encoded(png(picture_of(ask.image, shelf[ask.model].loaded.event, cut=True)))}


class _Watched(Guided):
    """A model that tells a job of each evaluation, by which the job can be stopped.

    Args:
        model: to be watched.
        job: hears of each.
    """

    def __init__(self, model: ScoreModel, job: Job[Answer]) -> None:
        super().__init__(model)
        self.job = job

    def denoise(self, x: State, t: Time) -> State:
        """Return E[x_0 | x_t = x], as the model does."""
        self.job.advance()
        return self.model.denoise(x, t)


def _labels(ask: Draw, entry: Entry) -> Tensor | int | None:
    """Return the class of every sample, or one for all."""
    classes = entry.loaded.model.classes
    if ask.label is not None and classes is None:
        raise ConfigError(f"label: {entry.name} was trained without labels; leave it out")
    if isinstance(ask.label, int) and classes is not None and ask.label >= classes:
        raise ConfigError(f"label: {entry.name} knows the classes 0 to {classes - 1}; received {ask.label}")
    return torch.arange(ask.n) % (classes or 1) if ask.label == "all" else ask.label  # pyright: ignore[reportReturnType]


def _valued(image: Tensor, ends: tuple[float, float]) -> Float[Tensor, "n c h w"]:
    """Return bytes as the values of the model's data."""
    low, high = ends
    return low + (high - low) * (image.float() / 255)


def _measured(ask: Restore, truth: Tensor) -> tuple[Bool[Tensor, "1 h w"] | None, LinearOperator, Tensor]:
    """Return what is hidden, the operator, and the measurement."""
    if ask.problem == "mask":
        if ask.mask is None:
            raise ConfigError("mask: is missing; paint over some pixels")
        hidden = hidden_of(ask.mask, tuple(truth.shape[1:]))
        observe = Mask(~hidden.expand(truth.shape[1:]))
        return hidden, observe, observe.apply(truth)
    if ask.method in ("replace", "repaint"):
        raise ConfigError(f"method: {ask.method} restores hidden pixels; choose pigdm or dps for {ask.problem}")
    A = Blur.gaussian(ask.size) if ask.problem == "blur" else Downsample(_whole(ask.size))
    return None, A, measured(truth, A, NOISE, ask.seed)


def _whole(size: float) -> int:
    if not size.is_integer():
        raise ConfigError(f"size: blocks are of a whole number of pixels; received {size:g}")
    return int(size)


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


def _shown(drawn: Samples, entry: Entry) -> Answer:
    """Return samples on their way, as pictures, with the noise level of each."""
    assert drawn.trajectory is not None  # noqa: S101 for the type checker: frames were asked for
    last = len(drawn.times)
    kept = sorted(set(torch.linspace(0, last, _FRAMES).round().int().tolist()))  # as `sample` keeps them
    ratios = [*entry.loaded.model.process.ratio(drawn.times).tolist(), 0.0]
    trajectory = drawn.trajectory.cpu()
    return {
        "trajectory": trajectory,
        "sprite": encoded(sprite(trajectory, entry.loaded.model.ends)),
        "shape": trajectory.shape,
        "noise": [ratios[k] for k in kept],
        "evaluations": drawn.evaluations,
    }


def _told(files: dict[str, bytes], seconds: float | None = None) -> Answer:
    """Return files for the browser, and the seconds that the work took."""
    return {"files": {name: encoded(file) for name, file in files.items()}, "seconds": seconds}
