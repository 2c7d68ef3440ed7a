"""Theory 1: noise regressed on the noisy state is the score; what Tweedie's formula does; the two losses of Vincent (2011)."""

from pathlib import Path

import torch

from generate.drawing import BLUE, GREEN, ORANGE, RED, arrows, figure, law, save, save_table
from scorefield import DAE, DSM, MLP, VE, Exact, GaussianMixture, Ring, ScoreNet, TwoMoons
from scorefield.objectives import OneLevel, unit_weight
from scorefield.plotting import Square

LINE = GaussianMixture([[-1.5], [1.0]], [0.15, 0.05], [0.4, 0.6])  # pyright: ignore[reportArgumentType]


def write(folder: Path) -> None:
    """Draw and measure."""
    _regression(folder)
    _tweedie(folder)
    _identity(folder)


def _regression(folder: Path) -> None:
    """The targets of denoising score matching, their mean given x, and the score."""
    sigma, generator = 0.4, torch.Generator().manual_seed(0)
    grid = torch.linspace(-3.5, 3.0, 400, dtype=torch.float64)[:, None]
    sheet, (left, right) = figure(2, width=4.6)
    for level, colour in ((0.05, BLUE), (0.4, RED), (1.0, GREEN)):
        left.plot(grid, LINE.diffuse(1.0, level).log_prob(grid).exp(), color=colour, label=f"σ = {level:g}")
    left.set(title="data, noised", xlabel="x", yticks=[])
    left.legend(frameon=False)
    x0 = LINE.sample(4000, generator).double()
    z = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    x, target = x0 + sigma * z, -z / sigma
    right.plot(x, target, ".", color="0.6", markersize=2, alpha=0.5, label="targets −z/σ")
    right.plot(grid, LINE.diffuse(1.0, sigma).score(grid), color=RED, linewidth=2, label="score")
    bins = torch.bucketize(x[:, 0].contiguous(), torch.linspace(-3, 2.5, 45, dtype=torch.float64))
    means = torch.tensor(
        [[x[bins == k].mean(), target[bins == k].mean()] for k in bins.unique() if (bins == k).sum() > 20]
    )
    right.plot(*means.T, "o", color=ORANGE, markersize=5, label="their mean, bin by bin")
    right.set(title=f"regression at σ = {sigma:g}", xlabel="noisy x", xlim=(-3.6, 4.2), ylim=(-9, 9))
    right.legend(loc="upper right", framealpha=1, markerscale=1.5)
    save(sheet, folder, "regression")


def _tweedie(folder: Path) -> None:
    """Arrows from x to E[x_0 | x] at three noise levels."""
    exact, square = Exact(TwoMoons(), VE(0.01, 20.0)), Square(half=4.0)
    sheet, panels = figure(3)
    for axes, sigma in zip(panels, (0.2, 0.7, 2.0), strict=True):
        t = exact.process.time(torch.tensor(sigma, dtype=torch.float64))
        points = square.points(14)
        law(axes, exact.marginal(t), square)
        arrows(axes, points, exact.denoise(points, t) - points, RED)
        axes.set_title(f"σ = {sigma:g}")
    save(sheet, folder, "tweedie")


def _identity(folder: Path) -> None:
    """L_DAE and 2σ⁴ J_DSM of one untrained network on one batch."""
    ring, process = Ring(), VE(0.01, 20.0)
    x0 = ring.sample(1000, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model, rows = ScoreNet(MLP(dim=2), process), []
    for sigma in (0.05, 0.2, 1.0):
        with torch.no_grad():
            dae = DAE(sigma)(model, x0, torch.Generator().manual_seed(1)).mean().item()
            dsm = DSM(OneLevel(sigma), unit_weight)(model, x0, torch.Generator().manual_seed(1)).mean().item()
        rows.append([f"{sigma:g}", f"{dae:.6g}", f"{2 * sigma**4 * dsm:.6g}"])
    save_table(folder, "identity", [r"$\sigma$", r"$L_\text{DAE}$", r"$2\sigma^4 J_\text{DSM}$"], rows)
