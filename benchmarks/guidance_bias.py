"""``python -m benchmarks.guidance_bias``: how far each way of conditioning is from the exact posterior; writes docs/guidance_bias.md.

Laws of two coordinates whose posterior given the first is known, exact scores, and the methods as they are used: what is left is the
method's own error, and that of 128 steps. Deterministic on one machine: seeds are fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scorefield import (
    DPS,
    VE,
    Ancestral,
    Density,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Inpaint,
    LinearGaussian,
    LogSNR,
    Mask,
    Particles,
    RePaint,
    Sampler,
    ScoreModel,
    sample,
)

PAGE = Path(__file__).parents[1] / "docs" / "guidance_bias.md"
PROCESS = VE(sigma_min=0.02, sigma_max=50.0)
TIMES = LogSNR(128).times(PROCESS)
NOISE, DRAWS = 0.1, 2000
FIRST = torch.tensor([True, False])

INTRODUCTION = f"""# How exact is each way of conditioning?

Written by `python -m benchmarks.guidance_bias`; every number was measured, none was typed.

A diffusion model can be conditioned on a measurement in several ways, most of them approximate. This page measures how far each is from the
exact posterior (the distribution of the data given the measurement), where that is known.

The data have two coordinates and an exact score. The first coordinate is measured, and the tables are about the second: by how many
posterior standard deviations the mean of its samples is off, and the ratio of the standard deviations of samples and posterior (1 is
right); for the mixture also the total variation distance between the shares of its modes and those of the posterior.
{DRAWS} samples, {len(TIMES) - 1} steps; after ± stands one standard error of that many samples. `Inpaint` and `RePaint` are given the value
itself; the others measure it with noise {NOISE}, and each is compared with its own posterior.

Every method is exact for coordinates that are independent of the measured one. ΠGDM (`LinearGaussian`) is exact where the data are Gaussian
of covariance σ_d² I and `sigma_data` is σ_d, for any A and any sampler, up to the sampler's error. `Particles` is exact for any data in the
limit of many particles and steps. Replacement and DPS are biased wherever coordinates depend on each other. DPS takes a step of the same
size at every noise level, so its result depends on the number of steps; its ζ was chosen for images, where the misfit has hundreds of
coordinates.
"""


@dataclass(frozen=True)
class Problem:
    """Data and a value of its first coordinate."""

    means: Tensor
    covariances: Tensor
    shares: Tensor
    value: float

    @property
    def data(self) -> Density:
        """The law of both coordinates."""
        if len(self.shares) == 1:
            return Gaussian(self.means[0], self.covariances[0])
        return GaussianMixture(self.means, self.covariances, self.shares)

    def posterior(self, noise: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return shares, means and variances of the second coordinate given the first, component by component."""
        total = self.covariances[:, 0, 0] + noise**2
        gain = self.covariances[:, 1, 0] / total
        error = self.value - self.means[:, 0]
        shares = torch.softmax(torch.log(self.shares) - 0.5 * (error**2 / total + torch.log(total)), dim=0)
        return shares, self.means[:, 1] + gain * error, self.covariances[:, 1, 1] - gain * self.covariances[:, 1, 0]


def _tensor(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


PROBLEMS = {
    "Gaussian, independent coordinates": Problem(
        _tensor([[0.5, -0.5]]), _tensor([[[1, 0], [0, 1]]]), _tensor([1.0]), 1.5
    ),
    "Gaussian, correlation 0.8": Problem(_tensor([[0.5, -0.5]]), _tensor([[[1, 0.8], [0.8, 1]]]), _tensor([1.0]), 1.5),
    "Mixture of two": Problem(
        _tensor([[-0.5, -2.0], [0.5, 1.0]]),
        _tensor([[[0.3, 0.0], [0.0, 0.2]]]).expand(2, 2, 2),
        _tensor([0.5, 0.5]),
        0.3,
    ),
}


def inpaint(problem: Problem) -> ScoreModel:
    """Return the model that knows the value."""
    return Inpaint(Exact(problem.data, PROCESS), torch.tensor([[problem.value, 0.0]]), FIRST)


def measure(problem: Problem) -> ScoreModel:
    """Return the model that has measured it."""
    return LinearGaussian(Exact(problem.data, PROCESS), Mask(FIRST), torch.tensor([[problem.value]]), NOISE)


METHODS: dict[str, tuple[Callable[[Problem], ScoreModel], Sampler]] = {
    "`Inpaint`, `Heun`": (inpaint, Heun()),
    "`Inpaint`, `Ancestral`": (inpaint, Ancestral()),
    "`Inpaint`, `RePaint(Ancestral, 1)`": (inpaint, RePaint(Ancestral(), 1)),
    "`Inpaint`, `RePaint(Ancestral, 4)`": (inpaint, RePaint(Ancestral(), 4)),
    "`Inpaint`, `RePaint(Ancestral, 16)`": (inpaint, RePaint(Ancestral(), 16)),
    "`LinearGaussian`, `Heun`": (measure, Heun()),
    "`LinearGaussian`, `Ancestral`": (measure, Ancestral()),
    "`LinearGaussian`, `DPS(Ancestral, 0.03)`": (measure, DPS(Ancestral(), 0.03)),
    "`LinearGaussian`, `DPS(Ancestral, 0.3)`": (measure, DPS(Ancestral(), 0.3)),
    "`LinearGaussian`, `Particles(1)`": (measure, Particles(1)),
    "`LinearGaussian`, `Particles(4)`": (measure, Particles(4)),
    "`LinearGaussian`, `Particles(16)`": (measure, Particles(16)),
    "`LinearGaussian`, `Particles(64)`": (measure, Particles(64)),
}


def row(problem: Problem, name: str) -> str:
    """Return a line of the table."""
    build, sampler = METHODS[name]
    drawn = sample(build(problem), sampler, (DRAWS, 2), grid=TIMES, seed=1, batch_size=500)
    shares, means, variances = problem.posterior(0.0 if build is inpaint else NOISE)
    mean = (shares * means).sum()
    std = ((shares * (variances + means**2)).sum() - mean**2).sqrt()
    x = drawn.x[:, 1].double()
    shift, ratio = (x.mean() - mean) / std, x.std() / std
    # The standard error of a standard deviation, from the fourth moment.
    excess = ((x - x.mean()) ** 4).mean() / x.var() ** 2 - 1
    errors = (ratio / DRAWS**0.5, ratio * (excess / (4 * DRAWS)).sqrt())
    cells = [f"{shift:+.3f} ± {errors[0]:.3f}", f"{ratio:.3f} ± {errors[1]:.3f}"]
    if len(shares) > 1:
        counts = torch.bincount((x[:, None] - means).abs().argmin(1), minlength=len(shares)) / DRAWS
        error = (shares * (1 - shares) / DRAWS).sum().div(2).sqrt()
        cells.append(f"{(counts - shares).abs().sum() / 2:.3f} ± {error:.3f}")
    whole = " | ".join(cells).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
    return f"| {name} | {drawn.evaluations} | {whole} |"


def main() -> None:
    """Measure, then write."""
    lines = [INTRODUCTION]
    for title, problem in PROBLEMS.items():
        shares = len(problem.shares) > 1
        lines += [f"## {title}", ""]
        lines += [f"| method | evaluations | mean, off by | spread, ratio |{' modes, off by |' if shares else ''}"]
        lines += [f"|---|---|---|---|{'---|' if shares else ''}"]
        for name in METHODS:
            lines.append(row(problem, name))
            print(lines[-1], flush=True)
        lines.append("")
    PAGE.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
