"""What a log-likelihood costs beside k-diffusion, the only other of these libraries that has one; ratios are of time, to ours.

Both carry x along the probability flow from the least noise to the most by Dormand and Prince's method, at the same tolerances, and
estimate the trace by one vector of random signs. Ours goes in ln σ, with steps of its own for every row, and has the exact trace too;
k-diffusion goes in σ, with the same steps for all. First both must find the density of a Gaussian, for which one vector is exact.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.peers.libraries import available, load, versions
from benchmarks.timing import Note, Row, compare, in_turn, lasting
from scorefield import EDM, Exact, Gaussian, GaussianMixture, ScoreModel, log_likelihood, sample
from scorefield.data import dequantize, quantize
from scorefield.pretrained import load_model

PROCESS = EDM(0.01, 20.0)
TOLERANCE = 1e-4  # relative and absolute
POINTS, IMAGES = (1000, 10_000), 4


class Found(NamedTuple):
    """Log-densities in nats, and how often the slope of the flow was evaluated, per row."""

    log_prob: Tensor
    slopes: float


Method = Callable[[ScoreModel, Tensor], Found]


def run(rounds: int = 5) -> list[Row | Note]:
    """Return points/s of eight modes in the plane, and seconds per digit of the shipped model."""
    methods, missing = available(METHODS)
    check(methods)
    modes = GaussianMixture.ring()
    rows: list[Row | Note] = []
    for points in POINTS:
        x = modes.sample(points, torch.Generator().manual_seed(0))
        sides = named(methods, Exact(modes, PROCESS), x)
        rows += compare(in_turn(sides, rounds, warmup=1), next(iter(sides)), "points/s", points)
    loaded = load_model("mnist")
    sampler, times = loaded.config.sampling.build(loaded.model.process)
    drawn = sample(loaded.model, sampler, (IMAGES, *loaded.event), grid=times).x
    digits = dequantize(quantize(drawn), torch.Generator().manual_seed(0))  # as `bits_per_dim` does
    sides = named({name: method for name, method in methods.items() if name != EXACT}, loaded.model, digits)
    rows += lasting(in_turn(sides, rounds, warmup=0), next(iter(sides)), "s per digit", 1, dict.fromkeys(sides, IMAGES))
    return [versions(), *rows, *missing]


def check(methods: Mapping[str, Method]) -> None:
    """Make sure that what is compared is the log-density."""
    law = Gaussian([0.0, 0.0], 0.25)  # centred, as the noise that both take the end of the flow for
    x = law.sample(16, torch.Generator().manual_seed(0))
    alpha, sigma = PROCESS.alpha_sigma(torch.tensor(PROCESS.t_min, dtype=torch.float64))
    expected = law.diffuse(alpha, sigma).log_prob(x)
    for name, method in methods.items():
        found = method(Exact(law, PROCESS), x).log_prob
        where = f"{name} does not find the log-density of a Gaussian: "
        torch.testing.assert_close(found, expected, rtol=0, atol=0.01, check_dtype=False, msg=where.__add__)


def named(methods: Mapping[str, Method], model: ScoreModel, x: Tensor) -> dict[str, Callable[[], Found]]:
    """Return what is timed, with the evaluations of the slope that it takes in its name."""
    what = "points" if x.ndim == 2 else "digits"
    sides = {name: partial(method, model, x) for name, method in methods.items()}
    return {f"{name}: {len(x)} {what}, {side().slopes:.0f} slopes": side for name, side in sides.items()}


def ours(probes: int | None, model: ScoreModel, x: Tensor) -> Found:
    """Return `log_likelihood`; a slope is a call of the model and as many products with its Jacobian as there are vectors."""
    found = log_likelihood(model, x, probes=probes, rtol=TOLERANCE, atol=TOLERANCE)
    return Found(found.log_prob, found.evaluations / (1 + (probes or math.prod(x.shape[1:]))))


def k_diffusion() -> Method:
    """Return k_diffusion.sampling.log_likelihood, given one of our models whose time is σ."""
    theirs = load("k_diffusion.sampling").log_likelihood

    def method(model: ScoreModel, x: Tensor) -> Found:
        def given(x: Tensor, sigma: Tensor) -> Tensor:
            return model.denoise(x, sigma[0])  # it repeats the one σ for every row

        ends = model.process.t_min, model.process.t_max
        value, info = theirs(given, x, *ends, atol=TOLERANCE, rtol=TOLERANCE)
        return Found(value, info["fevals"])

    return method


EXACT = "scorefield, exact trace"
METHODS: dict[str, Callable[[], Method]] = {
    "scorefield, one vector": lambda: partial(ours, 1),
    EXACT: lambda: partial(ours, None),
    "k-diffusion, log_likelihood": k_diffusion,
}
