"""The pictures of a run: grids of samples while it trains, and at its end also the way there and the curve of its loss."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from scorefield.config import RunConfig
from scorefield.grids import times_of
from scorefield.models import ScoreModel
from scorefield.plotting import loss_curve, save_film, save_grid, sigma_strip
from scorefield.runs.folder import RunFolder
from scorefield.samplers import AnnealedLangevin
from scorefield.sampling import sample

_SHOWN = 64  # samples in a grid
_FILMED = 16  # of them in the film: noise does not compress
_ROWS, _COLUMNS = 8, 12  # of the strip
_FRAMES = 62  # at most: sixty transitions, the first state and the noise-free step


def draw_due(
    folder: RunFolder, averaged: Callable[[], ScoreModel | None], config: RunConfig, event: tuple[int, ...], step: int
) -> None:
    """Write the pictures that are due at a step: of images, samples of the averaged model; after the last step those of the whole run."""
    done = step >= config.train.steps
    lines = folder.read_metrics()
    if done and lines:
        loss_curve(folder.path / "loss.png", [int(line["step"]) for line in lines], [line["loss"] for line in lines])
    model = averaged() if len(event) == 3 and event[0] in (1, 3) else None
    if model is None:
        return
    grid = folder.samples / f"step-{step:08d}.png"
    if done:
        draw_way(folder.path, grid, model, config, event)
    else:
        draw_grid(grid, model, config, event)


def draw_grid(path: Path, model: ScoreModel, config: RunConfig, event: tuple[int, ...]) -> None:
    """Write a grid of samples, drawn as the configuration says, the same noise every time."""
    sampler, grid = config.sampling.fitted(model, event).build(model.process)
    save_grid(path, sample(model, sampler, (_SHOWN, *event), grid=grid, seed=0).x, ends=model.ends)


def draw_way(folder: Path, grid: Path, model: ScoreModel, config: RunConfig, event: tuple[int, ...]) -> None:
    """Write the same ``grid``, movie.gif of its first samples and, of annealed Langevin dynamics, sigma-strip.png.

    Cost: that of `draw_grid`; all three are drawn at once.
    """
    sampler, cut = config.sampling.fitted(model, event).build(model.process)
    times = times_of(cut, model.process)
    per_level = 1
    if isinstance(sampler, AnnealedLangevin):
        per_level = _divisor(sampler.repeats, _FRAMES // len(times))
        sampler = replace(sampler, repeats=sampler.repeats // per_level)
        # The same chain in more transitions, so that a film of ten levels has more than ten frames.
        times = torch.cat([times[:-1].repeat_interleave(per_level), times[-1:]])
    frames = min(len(times) + 1, _FRAMES)
    drawn = sample(model, sampler, (_SHOWN, *event), grid=times, seed=0, frames=frames)
    save_grid(grid, drawn.x, ends=model.ends)
    if drawn.trajectory is None:
        return
    trajectory = drawn.trajectory.cpu()
    save_film(folder / "movie.gif", trajectory[:, :_FILMED], ends=model.ends)
    if isinstance(sampler, AnnealedLangevin):
        _strip(folder / "sigma-strip.png", model, trajectory, times, per_level)


def _divisor(number: int, limit: int) -> int:
    """Return the largest divisor that is at most ``limit``, or 1."""
    return max((d for d in range(1, limit + 1) if number % d == 0), default=1)


def _strip(path: Path, model: ScoreModel, trajectory: Tensor, times: Tensor, per_level: int) -> None:
    """Write the states at the end of each level, or of some where there are many; the chain is at a level's end every ``per_level``."""
    # How many transitions were made before each frame: `sample` spaces frames evenly, the noise-free step counts as one.
    made = torch.linspace(0, len(times), len(trajectory)).round().int().tolist()
    ends = [k for k, number in enumerate(made) if 0 < number < len(times) and number % per_level == 0]
    some = torch.linspace(0, len(ends) - 1, min(_COLUMNS, len(ends))).round().int().tolist()
    shown = [ends[k] for k in some]
    _, sigma = model.process.alpha_sigma(times[[made[k] - 1 for k in shown]])
    sigma_strip(path, trajectory[shown, :_ROWS], sigma.tolist(), trajectory[-1, :_ROWS], model.ends)
