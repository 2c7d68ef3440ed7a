"""The plane as pictures see it: a square of it, and the heights of a density there."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from scorefield._checks import positive, reals
from scorefield._noise import generator_at
from scorefield.densities import Density
from scorefield.errors import ConfigError

_ROWS = 8192  # points evaluated at a time: a density with quadrature holds hundreds of numbers per point
_MASSES = (0.99, 0.9, 0.5)
_SHADES = ("#dbe9f4", "#b3cfe6", "#7fb0d6")


@dataclass(frozen=True)
class Square:
    """The square of edge 2 ``half`` around ``centre``."""

    centre: tuple[float, float] = (0.0, 0.0)
    half: float = 8.0

    def __post_init__(self) -> None:
        positive(half=self.half)

    def wider(self, factor: float) -> "Square":
        """Return the square ``factor`` times as wide around the same centre."""
        return Square(self.centre, factor * self.half)

    def edges(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ``side`` abscissae and ordinates, border to border."""
        span = np.linspace(-self.half, self.half, side)
        return self.centre[0] + span, self.centre[1] + span

    def points(self, side: int) -> Float[Tensor, "n 2"]:
        """Return the side² grid points in float64, abscissa fastest."""
        x, y = np.meshgrid(*self.edges(side))
        return torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1))

    def uniform(self, n: int, generator: torch.Generator) -> Float[Tensor, "n 2"]:
        """Return n draws from the uniform distribution on the square."""
        return torch.tensor(self.centre) + self.half * (2 * torch.rand(n, 2, generator=generator) - 1)

    def frame(self, axes: Axes) -> None:
        """Make the axes show this square, equal units both ways."""
        (x, y), h = self.centre, self.half
        axes.set(xlim=(x - h, x + h), ylim=(y - h, y + h), aspect="equal")
        axes.tick_params(labelsize=9)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


@dataclass(frozen=True)
class Terrain:
    """log p over a square, and the log-densities above which 99, 90 and 50 % of the mass lies.

    Attributes:
        square: where.
        log_prob: on the grid of `Square.points`, shape (side, side).
        levels: ascending, one per share of the mass.
    """

    square: Square
    log_prob: np.ndarray
    levels: list[float]

    @classmethod
    def of(cls, density: Density, square: Square, *, side: int = 200, draws: int = 10_000) -> "Terrain":
        """Return the terrain of ``density``; ``draws`` decide how well its levels are known."""
        height = in_parts(density.log_prob, square.points(side)).reshape(side, side).numpy()
        return cls(square, height, [mass_level(density, mass, n=draws) for mass in _MASSES])

    def fill(self, axes: Axes) -> None:
        """Shade the smallest regions that hold 99, 90 and 50 % of the mass."""
        x, y = self.square.edges(len(self.log_prob))
        bounds = [*self.levels, max(self.log_prob.max(), self.levels[-1]) + 1]
        axes.contourf(x, y, self._finite(), levels=_ascending(bounds), colors=_SHADES)

    def outline(self, axes: Axes) -> None:
        """Draw the border of the region that holds 99 % of the mass: white, and dark at its edges, so seen on any colour."""
        x, y = self.square.edges(len(self.log_prob))
        border = axes.contour(
            x, y, self._finite(), levels=self.levels[:1], colors="white", linewidths=1.5, linestyles="-"
        )
        border.set(path_effects=[withStroke(linewidth=3.2, foreground="black")])

    def lines(self, axes: Axes) -> None:
        """Draw contours of log p, equally spaced in √(max − log p): where p is Gaussian, at equal distances."""
        x, y = self.square.edges(len(self.log_prob))
        depth = np.sqrt(np.maximum(self.log_prob.max() - self._finite(), 0))
        axes.contour(x, y, depth, levels=8, colors="white", linewidths=0.7, alpha=0.5, linestyles="-")

    def _finite(self) -> np.ndarray:
        """Return log p with −∞, which no contour can be interpolated to, replaced by a low number."""
        return np.maximum(self.log_prob, min(self.levels) - 1e4)


def mass_level(density: Density, mass: float, *, n: int = 10_000, seed: int = 0) -> float:
    """Return the log-density above which ``mass`` of the distribution lies: the (1 − mass)-quantile of log p over n draws."""
    draws = density.sample(n, generator_at(seed)).double()
    return torch.quantile(in_parts(density.log_prob, draws), 1 - mass).item()


def planar(x: Float[Tensor, "*rows 2"], what: str) -> Float[Tensor, "*rows 2"]:
    """Return finite points of the plane, one at least, on the CPU."""
    points = reals(x, what).detach().cpu()
    if points.ndim < 2 or points.shape[-1] != 2 or not points.numel():
        raise ConfigError(f"{what} must be points of the plane, of shape (..., 2); received {tuple(points.shape)}")
    return points


def in_parts(function: Callable[[Tensor], Tensor], x: Float[Tensor, "n 2"]) -> Tensor:
    """Return function(x), computed on a few thousand rows at a time."""
    with torch.no_grad():
        return torch.cat([function(part) for part in x.split(_ROWS)])


def _ascending(levels: list[float]) -> list[float]:
    """Return levels that strictly increase, as contours must: a flat density has all its mass at one height."""
    gap = 1e-6 * (1 + abs(levels[0]))
    return [level + k * gap for k, level in enumerate(levels)]
