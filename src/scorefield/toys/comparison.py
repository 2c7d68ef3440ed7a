"""A learned score beside the exact one: samples by three samplers, and the pictures of both."""

from collections.abc import Callable
from pathlib import Path

import torch

from scorefield._noise import derive_seed
from scorefield.models import Exact, ScoreModel
from scorefield.plotting import (
    Terrain,
    histogram_panels,
    sample_panels,
    save_path_film,
    score_panels,
    trajectory_panels,
)
from scorefield.sampling import Samples, sample
from scorefield.toys.known import REPEATS, Plan, Toy, chains
from scorefield.toys.measures import Rows

_BATCH = 2048  # activations of the network that stay in a core's cache: twice as fast as one batch of 20 000
_FILMED = 400


def transitions(toy: Toy, levels: Plan, n: int) -> int:
    """Return how many transitions `draw` takes in all."""
    return sum(len(chain.times) - 1 for chain in chains(toy, levels).values()) * -(-n // _BATCH)


def draw(
    model: ScoreModel,
    toy: Toy,
    levels: Plan,
    n: int,
    seed: int,
    *,
    trajectories: bool = False,
    on_step: Callable[[str], object] | None = None,
) -> dict[str, Samples]:
    """Return n samples by each of the three samplers, with all states on the way if asked; ``on_step`` is called with its name."""
    drawn: dict[str, Samples] = {}
    generator = torch.Generator().manual_seed(derive_seed(seed, "start"))
    for name, (sampler, times, start) in chains(toy, levels).items():
        drawn[name] = sample(
            *(model, sampler, (n, 2)),
            grid=times,
            seed=seed,
            init=None if start is None else start.uniform(n, generator),
            frames=len(times) + 1 if trajectories else 0,
            batch_size=_BATCH,
            on_step=None if on_step is None else lambda _, name=name: on_step(name),
        )
    return drawn


def pictures(
    out: Path, model: ScoreModel, exact: Exact, toy: Toy, levels: Plan, rows: Rows, *, seed: int, frames: int
) -> None:
    """Write the pictures of field, samples, histograms and trajectories, and path.gif, the film of the annealed path, into ``out``."""
    final = exact.marginal(torch.tensor(levels.process.t_min))
    score_panels(out / "field.png", model, exact, levels.t, toy.view)
    sample_panels(out / "samples.png", rows, Terrain.of(final, toy.view))
    histogram_panels(out / "histograms.png", rows["learned score"], final, toy.view)
    n = min(_FILMED, *(len(drawn.x) for drawn in rows["exact score"].values()))
    paths = {
        name: drawn.trajectory
        for name, drawn in draw(model, toy, levels, n, seed, trajectories=True).items()
        if drawn.trajectory is not None
    }
    annealed, times = paths["annealed Langevin"], chains(toy, levels)["annealed Langevin"].times
    # All of an annealed chain would be a tangle: its steps are as long as its noise.
    by_level = torch.cat([annealed[:-1:REPEATS], annealed[-1:]])
    panels = {
        "Langevin": paths["Langevin"],
        "annealed Langevin, a point per level": by_level,
        "probability flow": paths["probability flow"],
    }
    trajectory_panels(out / "trajectories.png", panels, Terrain.of(final, toy.square.wider(1.8), side=260))
    shown = torch.linspace(0, len(times), frames).round().long()
    moments = torch.cat([times, times[-1:]])[shown]
    save_path_film(out / "path.gif", annealed[shown], moments, exact, toy.view)
