"""Theory 5: classes by an exact classifier, and posteriors given one of two coordinates."""

from pathlib import Path

import torch
from torch import Tensor

from generate.drawing import BLUE, RED, figure, histogram, law, save
from scorefield import (
    VE,
    Ancestral,
    ClassifierGuided,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Inpaint,
    Karras,
    LinearGaussian,
    LogSNR,
    Mask,
    Particles,
    ScoreModel,
    sample,
)
from scorefield.plotting import Square

CENTRES = torch.tensor([[-1.0, -0.6], [1.0, -0.6], [0.0, 1.1]], dtype=torch.float64)
VARIANCE = 0.35
PROCESS = VE(0.01, 30.0)
OBSERVED, NOISE, DRAWS = 0.5, 0.1, 1000
TILTED = GaussianMixture(
    torch.tensor([[-1.3, -1.0], [0.2, 1.3], [1.0, -0.8]]),
    torch.tensor([[[0.5, 0.4], [0.4, 0.5]], [[0.6, -0.35], [-0.35, 0.3]], [[0.25, 0.1], [0.1, 0.3]]]),
    [0.3, 0.45, 0.25],
)
FIRST = torch.tensor([True, False])


def write(folder: Path) -> None:
    """Draw."""
    _classes(folder)
    _posteriors(folder)


def _classes(folder: Path) -> None:
    """Samples of one of three overlapping classes as the scale of guidance grows."""
    mixture, square = GaussianMixture(CENTRES, VARIANCE), Square((0.0, 0.2), 3.0)
    exact = Exact(mixture, PROCESS)

    def classifier(x: Tensor, t: Tensor) -> Tensor:
        return torch.log(mixture.diffuse(*PROCESS.alpha_sigma(t)).responsibilities(x))

    sheet, panels = figure(3)
    for axes, scale in zip(panels, (0.0, 1.0, 4.0), strict=True):
        model = ClassifierGuided(exact, classifier, 2, scale)
        x = sample(model, Heun(), (600, 2), grid=Karras(23)).x
        law(axes, Gaussian(CENTRES[2], VARIANCE), square)
        axes.scatter(*x.T, s=5, color=RED, alpha=0.6, linewidths=0)
        axes.set_title(f"scale {scale:g}")
    save(sheet, folder, "classes")


def _posteriors(folder: Path) -> None:
    """The second coordinate of a mixture given the first, by three methods, over its exact law."""
    times = LogSNR(96).times(PROCESS)
    exact, square = Exact(TILTED, PROCESS), Square(half=3.6)
    y = torch.tensor([[OBSERVED]])
    measured = LinearGaussian(exact, Mask(FIRST), y, NOISE, sigma_data=1.2)
    methods: dict[str, tuple[ScoreModel, Heun | Ancestral | Particles, float]] = {
        "Inpaint, Heun": (Inpaint(exact, torch.tensor([[OBSERVED, 0.0]]), FIRST), Heun(), 0.0),
        "LinearGaussian, Ancestral": (measured, Ancestral(), NOISE),
        "LinearGaussian, Particles(16)": (measured, Particles(16), NOISE),
    }
    sheet, panels = figure(4, width=3.1, height=3.2)
    law(panels[0], TILTED, square)
    panels[0].axvline(OBSERVED, color=RED)
    panels[0].set_title(f"data, and x₁ = {OBSERVED:g}")
    grid = torch.linspace(-3, 3, 301, dtype=torch.float64)
    for axes, (title, (model, sampler, noise)) in zip(panels[1:], methods.items(), strict=True):
        x = sample(model, sampler, (DRAWS, 2), grid=times).x
        histogram(axes, x[:, 1], grid, _exact(grid, noise), BLUE)
        axes.set(title=title, xlabel="x₂", yticks=[])
    save(sheet, folder, "posteriors")


def _exact(grid: Tensor, noise: float) -> Tensor:
    """Return p(x₂ | y) on the grid, y = x₁ + noise z, by summation over x₁."""
    near = (
        OBSERVED + noise * torch.linspace(-4, 4, 41, dtype=torch.float64)
        if noise
        else torch.tensor([OBSERVED]).double()
    )
    weight = torch.exp(-0.5 * ((near - OBSERVED) / (noise or 1.0)) ** 2)
    plane = torch.cartesian_prod(near, grid)
    joint = TILTED.log_prob(plane).exp().reshape(len(near), len(grid))
    values = (weight[:, None] * joint).sum(dim=0)
    return values / (values.sum() * (grid[1] - grid[0]))
