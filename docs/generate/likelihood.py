"""Theory 4: log densities by the probability flow beside the exact ones, and what a tolerance buys."""

import math
from pathlib import Path

import torch

from generate.drawing import figure, save, save_table
from scorefield import VE, Exact, GaussianMixture, log_likelihood
from scorefield.plotting import Square
from scorefield_claims.wording import plain

TARGET = GaussianMixture.song2019()
SQUARE = Square(half=9.0)
SIDE = 28


def write(folder: Path) -> None:
    """Draw and measure."""
    exact = Exact(TARGET, VE(0.1, 100.0))
    low, top = (exact.marginal(torch.tensor(t)) for t in (exact.process.t_min, exact.process.t_max))
    points = SQUARE.points(SIDE)
    truth = low.log_prob(points)
    rows = []
    for rtol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        flow = log_likelihood(exact, points, rtol=rtol, atol=rtol, terminal=top)
        error = ((flow.log_prob - truth).abs().max() / math.log(2)).item()
        rows.append([plain(f"{rtol:.0e}"), f"{flow.evaluations / 3:.0f}", plain(f"{error:.2g}")])
        if rtol == 1e-4:
            _picture(folder, truth, flow.log_prob)
    save_table(folder, "likelihood", ["tolerance", "evaluations of the ODE", "largest error, bits"], rows)


def _picture(folder: Path, truth: torch.Tensor, found: torch.Tensor) -> None:
    """Both log densities, and their difference."""
    sheet, panels = figure(3, width=3.6)
    (x, y), h = SQUARE.centre, SQUARE.half
    reach = (x - h, x + h, y - h, y + h)
    panes = (
        ("exact log p", truth, "viridis"),
        ("by the flow", found, "viridis"),
        ("difference", found - truth, "PuOr"),
    )
    for axes, (title, values, colours) in zip(panels, panes, strict=True):
        high = values.abs().max().item()
        low, top = (-high, high) if title == "difference" else (truth.min().item(), truth.max().item())
        grid = values.reshape(SIDE, SIDE).numpy()
        shown = axes.imshow(grid, extent=reach, origin="lower", cmap=colours, vmin=low, vmax=top)
        axes.set_title(title)
        sheet.colorbar(shown, ax=axes, location="bottom", label="nats")
    save(sheet, folder, "likelihood")
