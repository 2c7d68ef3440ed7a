"""How the library answers the pages: a valid request becomes work in the queue of `scorefield.app.jobs`."""

import time

import torch
from torch import Tensor

from scorefield.app import recipes
from scorefield.app.asks import Draw, Explore, Likelihood, Picture
from scorefield.app.jobs import Job
from scorefield.app.parts import FRAMES, Answer, Work, filmed, told, valued
from scorefield.app.pictures import arrays, encoded, packed, picture_of, png
from scorefield.app.shelf import Entry, Shelf
from scorefield.errors import ConfigError
from scorefield.evaluation import likelihood_of
from scorefield.guidance.guided import Guided
from scorefield.models import ScoreModel, State, Time
from scorefield.plotting import grid_image, to_unit
from scorefield.plotting.images import exposed, gif


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
            frames=FRAMES,
            on_step=lambda _: job.advance(),
        )
        seconds = time.perf_counter() - began
        shown, ends = filmed(drawn, entry), entry.loaded.model.ends
        files = {
            "digits.png": packed(grid_image(drawn.x, ends=ends)),
            "digits.gif": gif(shown.pop("trajectory"), ends=ends),
            "digits.npz": arrays(x=drawn.x),
        }
        return shown | told(files, seconds) | recipes.draw(ask, entry, choice)

    return work


def explore(ask: Explore, shelf: Shelf) -> Work:
    """Return the work of one view of a noise level: x_t, E[x_0 | x_t], and the length of the score at each pixel."""
    entry = shelf[ask.model]
    entry.loaded.require_score("a look at a noise level")
    model, ends = entry.loaded.model, entry.loaded.model.ends
    image = picture_of(ask.image, entry.loaded.event)
    ratio = torch.tensor(ask.noise, dtype=torch.float64)
    t = model.process.time(ratio)
    if not model.process.t_min <= t <= model.process.t_max:
        low, high = entry.described()["noise"]
        raise ConfigError(f"noise level: the model knows the levels {low:.4g} to {high:.4g}; received {ask.noise:g}")

    def work(job: Job[Answer]) -> Answer:
        job.total = 1
        x0 = model.standardise(valued(image[None], ends))
        z = torch.randn(x0.shape, generator=torch.Generator().manual_seed(ask.seed))
        x_t = model.process.perturb(x0, t, z).to(entry.device)
        with torch.no_grad():
            denoised, score = model.denoise(x_t, t).cpu(), model.score(x_t, t).cpu()
        job.advance()
        strength = score[0].norm(dim=0, keepdim=True)
        noisy, guess = model.restore(x_t).cpu(), model.restore(denoised)
        seen, meant = exposed(noisy, ends)[0], to_unit(guess, ends)[0]
        recipe = recipes.explore(ask, entry)
        map_ = strength / strength.max().clamp_min(1e-30)
        files = {
            "level.png": png(torch.cat([seen, meant, map_.expand_as(seen)], dim=2)),
            "level.npz": arrays(x_t=noisy[0], denoised=guess[0], score=score[0]),
            "image.png": png(image),
            "level.py": recipe["python"].encode(),
        }
        return {
            "noisy": encoded(png(seen)),
            "denoised": encoded(png(meant)),
            "score": encoded(png(map_)),
            "longest": strength.max().item(),
            "length": score.norm().item(),
            "error": (denoised - x0).square().mean().sqrt().item(),
            **told(files),
            **recipe,
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
        return found | told({"image.png": png(image)}, time.perf_counter() - began) | recipes.likelihood(ask, entry)

    return work


def picture(ask: Picture, shelf: Shelf) -> Answer:
    """Return an upload as an image of the model."""
    return {"image": encoded(png(picture_of(ask.image, shelf[ask.model].loaded.event, cut=True)))}


class _Watched(Guided):
    """A model that notifies a job of each evaluation, so that the job can be stopped."""

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
        raise ConfigError(f"class: {entry.name} was trained without classes; leave it out; received {ask.label}")
    if isinstance(ask.label, int) and classes is not None and ask.label >= classes:
        raise ConfigError(f"class: {entry.name} knows the classes 0 to {classes - 1}; received {ask.label}")
    return torch.arange(ask.n) % (classes or 1) if ask.label == "all" else ask.label  # pyright: ignore[reportReturnType]
