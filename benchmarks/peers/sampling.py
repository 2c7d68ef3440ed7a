"""What a step of each library's sampler costs beside the network, and how fast it draws from an exact score; ratios are of time, to ours.

Every sampler is given the same model E[x_0 | x] at noise level σ; beside the network: one that returns half of x. Those compared as Euler's
method follow the same grid, and are first checked to draw the same. Progress bars are off.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from benchmarks.peers import samplers
from benchmarks.peers.libraries import available, versions
from benchmarks.peers.samplers import Draw, Maker, Sigmas
from benchmarks.timing import Note, Row, compare, in_turn, lasting
from scorefield import EDM, Euler, Exact, Gaussian, GaussianMixture, Heun, LogSNR, Sampler, ScoreModel, sample

PROCESS = EDM(0.01, 20.0)
IMAGES, IMAGE_STEPS = (64, 1, 28, 28), 100
POINTS, POINT_STEPS = (10_000, 2), 32


class Free(ScoreModel):
    """A model that costs nothing."""

    process = PROCESS

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """Return half of x."""
        return 0.5 * x


def run(rounds: int = 8) -> list[Row | Note]:
    """Return microseconds per step, and points/s of eight modes in the plane."""
    check(available(starting(EULER, Exact(Gaussian([0.0, 0.0]), PROCESS), (16, 2), 8))[0])
    rows: list[Row] = []
    missing: list[Note] = []
    for methods in (EULER, HEUN):
        draws, absent = available(starting(methods, Free(), IMAGES, IMAGE_STEPS))
        missing += absent
        draws = {f"{name}: a step beside the network": draw for name, draw in draws.items()}
        rows += lasting(in_turn(draws, rounds), next(iter(draws)), "µs", 1e6, dict.fromkeys(draws, IMAGE_STEPS))
    for methods in (EULER, HEUN):
        draws, _ = available(starting(methods, Exact(GaussianMixture.ring(), PROCESS), POINTS, POINT_STEPS))
        draws = {f"{name}: {POINTS[0]} exact points in {POINT_STEPS} steps": draw for name, draw in draws.items()}
        rows += compare(in_turn(draws, rounds, warmup=1), next(iter(draws)), "points/s", POINTS[0])
    return [versions(), *rows, *missing]


def starting(
    methods: Mapping[str, Maker], model: ScoreModel, shape: tuple[int, ...], steps: int
) -> dict[str, Callable[[], Callable[[], Tensor]]]:
    """Return for every method how to build a draw from the same noise along the same grid."""
    sigmas = LogSNR(steps).times(PROCESS)
    x = sigmas[0].float() * torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def build(make: Maker) -> Callable[[], Tensor]:
        return partial(make(model, sigmas), x)

    return {name: partial(build, make) for name, make in methods.items()}


def check(draws: Mapping[str, Callable[[], Tensor]]) -> None:
    """Make sure that what is compared is the same function."""
    first, *others = draws
    expected = draws[first]()
    for name in others:
        where = f"{name} and {first} draw differently: "
        torch.testing.assert_close(draws[name](), expected, rtol=1e-3, atol=1e-3, msg=where.__add__)


def ours(sampler: Sampler, model: ScoreModel, sigmas: Sigmas) -> Draw:
    """Return `sample` without its closing denoising step, which the others do not take."""
    return lambda x: sample(model, sampler, init=x, grid=sigmas, denoise=False).x


EULER: dict[str, Maker] = {
    "scorefield, Euler": partial(ours, Euler()),
    "azula, EulerSampler": partial(samplers.azula, "EulerSampler"),
    "smalldiffusion, samples": samplers.smalldiffusion,
    "k-diffusion, sample_euler": partial(samplers.k_diffusion, "sample_euler"),
    "diffusers, EulerDiscreteScheduler": samplers.diffusers,
}
HEUN: dict[str, Maker] = {
    "scorefield, Heun": partial(ours, Heun()),
    "azula, HeunSampler": partial(samplers.azula, "HeunSampler"),
    "k-diffusion, sample_heun": partial(samplers.k_diffusion, "sample_heun"),
    "denoising-diffusion-pytorch, ElucidatedDiffusion.sample": samplers.denoising_diffusion_pytorch,
}
