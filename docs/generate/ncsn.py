"""Theory 2: the ladder of noise levels, Langevin dynamics with and without it, and what a step size does to the variance."""

from pathlib import Path

import torch

from generate.drawing import BLUE, RED, arrows, figure, law, save, save_table
from scorefield import (
    VE,
    AnnealedLangevin,
    Constant,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Karras,
    Ladder,
    Langevin,
    geometric,
    mode_weights,
    sample,
)
from scorefield.plotting import Square
from scorefield.sampling import Samples
from scorefield_claims.wording import plain

TARGET = GaussianMixture.song2019()
SQUARE = Square(half=9.5)
DRAWS = 10_000


def write(folder: Path) -> None:
    """Draw and measure."""
    _levels(folder)
    _chains(folder)
    _stationary(folder)


def _levels(folder: Path) -> None:
    """The distribution and its score at some of the levels; arrows show the direction and, below one cell, the size."""
    levels = geometric(10.0, 0.1, 10)[[0, 3, 6, 9]]
    exact = Exact(TARGET, VE(0.1, 10.0))
    sheet, panels = figure(4, width=2.9, height=3.3)
    for axes, sigma in zip(panels, levels, strict=True):
        t, points = exact.process.time(sigma), SQUARE.points(13)
        law(axes, exact.marginal(t), SQUARE)
        score = exact.score(points, t)
        arrows(axes, points, 1.4 * score / (score.norm(dim=1, keepdim=True) + 0.2), RED)
        axes.set_title(f"σ = {sigma.item():.2f}")
    save(sheet, folder, "levels")


def _chains(folder: Path) -> None:
    """Samples and weights of modes by Langevin dynamics, its annealing, and the probability flow, all with the exact score."""
    init = Square(half=8.0).uniform(DRAWS, torch.Generator().manual_seed(0))
    # So wide that the prior, centred at the origin, does not miss the mean of the data.
    exact = Exact(TARGET, VE(0.1, 1000.0))
    levels = Ladder(geometric(10.0, 0.1, 10))
    drawn: dict[str, Samples] = {
        "Langevin": sample(exact, Langevin(0.1), grid=Constant(0.0, 1000), init=init, denoise=False),
        "annealed Langevin": sample(exact, AnnealedLangevin(0.003, repeats=300), grid=levels, init=init, denoise=False),
        "probability flow, Heun": sample(exact, Heun(), (DRAWS, 2), grid=Karras(47)),
    }
    rows = []
    sheet, panels = figure(3)
    for axes, (name, samples) in zip(panels, drawn.items(), strict=True):
        law(axes, TARGET, SQUARE)
        axes.scatter(*samples.x[:2000].T, s=3, color=RED, alpha=0.5, linewidths=0)
        axes.set_title(name)
        found = mode_weights(samples.x, TARGET)
        share = f"{found.shares[0]:.3f} ({found.low[0]:.3f} to {found.high[0]:.3f})"
        chance = plain(f"{found.p_value:.2g}") if found.p_value else "below 10⁻³⁰⁰"
        rows.append([name, f"{samples.evaluations:g}", share, f"{found.expected[0]:.3f}", chance])
    save(sheet, folder, "chains")
    head = ["sampler", "evaluations", f"share of the smaller mode, n = {DRAWS}, 95 % interval", "true share", "p-value"]
    save_table(folder, "chains", head, rows)


def _stationary(folder: Path) -> None:
    """Variance of a chain over that of its level, formula and measurement."""
    point = Exact(Gaussian([0.0], 1e-12), VE(0.01, 10.0))
    one = point.process.time(torch.tensor(1.0, dtype=torch.float64)).item()
    steps = torch.tensor([0.1, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2])
    found = [
        sample(
            point, Langevin(a), grid=Constant(one, 200), init=torch.zeros(4000, 1), denoise=False, seed=k
        ).x.var().item()
        for k, a in enumerate(steps.tolist())
    ]  # fmt: skip
    sheet, (axes,) = figure(1, width=5.0, height=3.0)
    fine = torch.linspace(0, 3.4, 200)
    axes.plot(fine, 1 / (1 - fine / 4), color=BLUE, label="1 / (1 − α/4σ²)")
    axes.plot(steps, found, "o", color=RED, label="measured, 4000 chains")
    axes.set(xlabel="step size α/σ²", ylabel="variance / σ²")
    axes.legend(frameon=False)
    save(sheet, folder, "stationary")
