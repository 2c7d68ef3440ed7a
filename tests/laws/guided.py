"""Guided problems whose answers are known: classes of a mixture, and Gaussian and mixture posteriors under a linear measurement."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scorefield import (
    Blur,
    Downsample,
    Gaussian,
    GaussianMixture,
    LinearOperator,
    Mask,
    MatrixFree,
    NoiseNet,
    Process,
    Project,
    Sampler,
    ScoreModel,
)
from scorefield.grids import steps_of

from .cases import normal
from .nets import beside

MEANS = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.5, -2.5]], dtype=torch.float64)
VARIANCES = torch.tensor([0.15, 0.3, 0.2], dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
CLASSES = GaussianMixture(MEANS, VARIANCES, SHARES)


class Told(nn.Module):
    """The exact network of `CLASSES` under VE, for `NoiseNet`: the noise of a class when told one, of the mixture when not."""

    classes = 3

    def forward(self, y: Tensor, condition: Tensor, labels: Tensor | None = None) -> Tensor:
        rho = torch.exp(4 * condition)
        x = y * beside(torch.sqrt(1 + rho**2), y).to(y)
        free = CLASSES.diffuse(1.0, rho).score(x)
        if labels is None:
            return -beside(rho, x).to(x) * free
        means = torch.cat([MEANS, torch.zeros(1, 2)]).to(x)[labels]
        spread = torch.cat([VARIANCES, torch.ones(1)]).to(x)[labels][:, None] + beside(rho, x).to(x) ** 2
        told = torch.where((labels < 3)[:, None], (means - x) / spread, free)
        return -beside(rho, x).to(x) * told


def told(process: Process) -> NoiseNet:
    return NoiseNet(Told(), process)


def of_class(label: int) -> Gaussian:
    return Gaussian(MEANS[label], VARIANCES[label])


def dense(A: LinearOperator, event: tuple[int, ...]) -> Tensor:
    """Return the matrix of an operator over the flattened event, shape (m, D)."""
    size = torch.Size(event).numel()
    units = torch.eye(size, dtype=torch.float64).reshape(size, *event)
    return A.apply(units).reshape(size, -1).T


def posterior(mean: Tensor, cov: Tensor, matrix: Tensor, y: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Return the mean and covariance of x given y = matrix x + noise z (flattened)."""
    total = matrix @ cov @ matrix.T + noise**2 * torch.eye(len(matrix), dtype=torch.float64)
    gain = cov @ matrix.T @ torch.linalg.inv(total)
    return mean + gain @ (y - matrix @ mean), cov - gain @ matrix @ cov


def mixture_posterior(
    means: Tensor, covariances: Tensor, shares: Tensor, matrix: Tensor, y: Tensor, noise: float
) -> GaussianMixture:
    """Return the posterior of a mixture, whose components are posteriors and whose shares are evidences."""
    parts = [posterior(m, c, matrix, y, noise) for m, c in zip(means, covariances, strict=True)]
    evidence = [
        torch.distributions.MultivariateNormal(
            matrix @ m, matrix @ c @ matrix.T + noise**2 * torch.eye(len(matrix), dtype=torch.float64)
        ).log_prob(y)
        for m, c in zip(means, covariances, strict=True)
    ]
    shares = torch.softmax(torch.log(shares) + torch.stack(evidence), dim=0)
    return GaussianMixture(torch.stack([m for m, _ in parts]), torch.stack([c for _, c in parts]), shares)


KERNEL = torch.tensor([0.2, 0.5, 0.1], dtype=torch.float64)
MATRIX = normal(3, 16, seed=4) / 4
OPERATORS: dict[str, tuple[LinearOperator, tuple[int, ...]]] = {
    "mask": (Mask(normal(6) > 0), (6,)),
    "mask-image": (Mask(normal(1, 4, 4) > 0), (1, 4, 4)),
    "downsample": (Downsample(2), (2, 4, 4)),
    "downsample-signal": (Downsample(3, axes=1), (6,)),
    "blur": (Blur(KERNEL[:, None] * KERNEL), (1, 4, 5)),
    "blur-signal": (Blur(KERNEL), (7,)),
    "blur-gaussian": (Blur.gaussian(0.6), (1, 6, 6)),
    "project": (Project(MATRIX), (16,)),
    "project-image": (Project(MATRIX, event=(1, 4, 4)), (1, 4, 4)),
    "matrix-free": (
        MatrixFree(lambda x: x.flatten(1) @ MATRIX.T.to(x), lambda v: (v @ MATRIX.to(v)).reshape(-1, 4, 4)),
        (4, 4),
    ),
}


class Pulses:
    """Stands in for noise: coordinate c of draw j is one in row 1 + D + D j + c, and zero in all others."""

    def __init__(self, rows: int, event: tuple[int, ...]) -> None:
        self.rows, self.event, self.at = rows, event, 1 + torch.Size(event).numel()

    def normal(self) -> Tensor:
        size = torch.Size(self.event).numel()
        z = torch.zeros(self.rows, size, dtype=torch.float64)
        z[self.at : self.at + size] = torch.eye(size, dtype=torch.float64)
        self.at += size
        return z.reshape(self.rows, *self.event)


@dataclass(frozen=True)
class Moments:
    mean: Tensor
    covariance: Tensor

    def through(
        self, model: ScoreModel, sampler: Sampler, times: Tensor, draws: int, event: tuple[int, ...]
    ) -> "Moments":
        """Return the exact moments after a run, for a model whose score is affine: no samples.

        Every state is an affine function of where it began and of each draw; row 0 begins at 0, row 1 + c at unit vector c, and row
        1 + D + D j + c feels coordinate c of draw j alone.
        """
        size = len(self.mean)
        noise: Any = Pulses(1 + size * (1 + draws), event)
        x = torch.zeros(noise.rows, size, dtype=torch.float64)
        x[1 : 1 + size] = torch.eye(size, dtype=torch.float64)
        x = x.reshape(-1, *event)
        memory = None
        with torch.no_grad():
            for step in steps_of(times, model.process):
                x, memory = sampler.step(model, x, step, memory, noise)
        offset, feels = x.flatten(1)[0], x.flatten(1)[1:] - x.flatten(1)[0]
        slope, drawn = feels[:size].T, feels[size:]
        return Moments(slope @ self.mean + offset, slope @ self.covariance @ slope.T + drawn.T @ drawn)

    def noised(self, process: Process, t: Tensor) -> "Moments":
        alpha, sigma = process.alpha_sigma(t)
        eye = torch.eye(len(self.mean), dtype=torch.float64)
        return Moments(alpha * self.mean, alpha**2 * self.covariance + sigma**2 * eye)

    def error(self, exact: "Moments") -> float:
        """Return the larger relative error: of the mean in units of the spread, and of the covariance."""
        scale = exact.covariance.diagonal().sum().sqrt()
        mean = (self.mean - exact.mean).norm() / scale
        return max(mean.item(), ((self.covariance - exact.covariance).norm() / exact.covariance.norm()).item())
