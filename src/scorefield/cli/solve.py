"""``scorefield solve``: measure an image, y = A x_0 + ς z, and draw images that may have been measured so."""

import math

import torch
from jaxtyping import Float
from jsonargparse import Namespace
from torch import Tensor
from torch.nn.functional import interpolate

from scorefield._errors import ConfigError
from scorefield._tensors import derive_seed
from scorefield.cli.images import parameter
from scorefield.cli.restore import NOISE, Problem, restore, subject
from scorefield.guidance import Blur, Downsample, LinearOperator, MatrixFree, Project
from scorefield.plotting import to_unit

__all__ = ["run"]

_MOST = 4096  # random projections: a matrix of as many rows is held, and its square is decomposed


def run(args: Namespace) -> int:
    """Solve --problem; return the exit code."""
    it = subject(args)
    A = operator(args.problem, it.loaded.event, args.seed)
    noise = NOISE if args.noise is None else args.noise
    if noise < 0:  # the parser lets no NaN and no infinity through
        raise ConfigError(f"--noise must be a standard deviation, at least 0; received {noise}")
    y = A.apply(it.truth)
    generator = torch.Generator().manual_seed(derive_seed(args.seed, "measurement"))
    y = y + noise * torch.randn(y.shape, generator=generator)
    image = y.ndim == 4
    problem = Problem(
        what=f"{args.problem}, noise {noise:g}",
        A=A,
        y=y,
        hidden=None,
        title="measured" if image else f"{y.shape[1]} measurements, put back",
        picture=to_unit(interpolate(y, it.loaded.event[1:]) if image else _least(A, y), it.loaded.model.ends),
    )
    return restore(args, it, problem)


def operator(text: str, event: tuple[int, ...], seed: int) -> LinearOperator:
    """Return the operator called ``text``.

    ``downsample:K`` takes means of K × K pixels, ``blur:S`` convolves with a Gaussian of standard deviation S pixels (edges wrap around),
    ``grey`` takes the mean of the colours, ``project:M`` M random vectors of N(0, I/D), D the numbers of an image.

    Raises:
        ConfigError: no such problem, a number that is missing or out of range, an image it does not fit.
    """
    kind, count = text.partition(":")[0], math.prod(event)
    if kind == "downsample":
        return Downsample(
            int(parameter("--problem", text, "a whole number, at least 2", lambda k: k >= 2 and _whole(k)))
        )
    if kind == "blur":
        return Blur.gaussian(parameter("--problem", text, "a number of pixels above 0", lambda s: 0 < s < max(event)))
    if kind == "project":
        most = min(count, _MOST)
        expected = f"a whole number from 1 to {most}"
        rows = int(parameter("--problem", text, expected, lambda m: 1 <= m <= most and _whole(m)))
        generator = torch.Generator().manual_seed(derive_seed(seed, "projections"))
        return Project(torch.randn(rows, count, generator=generator) / count**0.5, event)
    if text != "grey":
        raise ConfigError(f"--problem {text}: no such problem; give downsample:4, blur:1.5, grey or project:100")
    if event[0] == 1:
        raise ConfigError("--problem grey: takes the mean of colours; the model draws grey images")
    channels = event[0]
    return MatrixFree(lambda x: x.mean(1, keepdim=True), lambda v: v.expand(-1, channels, -1, -1) / channels)


def _least(A: LinearOperator, y: Float[Tensor, "1 m"]) -> Float[Tensor, "1 c h w"]:
    """Return Aᵀ (A Aᵀ)⁻¹ y, the smallest image of that measurement."""
    return A.adjoint(A.solve(y, torch.ones((), dtype=torch.float64), 1e-6))


def _whole(value: float) -> bool:
    return value.is_integer()
