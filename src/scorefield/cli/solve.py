"""``scorefield solve``: super-resolution, deblurring and other linear inverse problems."""

from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.options import MEASURED, command, restoring

if TYPE_CHECKING:
    from torch import Tensor

    from scorefield.guidance import LinearOperator


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Measure an image, y = A x + noise, and draw n images that it could have come from. Writes truth, measurement and restorations "
        "side by side, and reports their errors. Vectors, series and arrays of any channels are restored likewise, and written as .npz."
    )
    restoring(parser, MEASURED, out="solve")
    parser.option(
        "--problem PROBLEM",
        "downsample:4 (means of 4x4 pixels), blur:1.5 (Gaussian, in pixels), grey (of colours), project:100 (random projections)",
        required=True,
    )
    return parser


def run(args: Namespace) -> int:
    """Solve --problem; return the exit code."""
    from scorefield.cli.images import operator
    from scorefield.cli.restore import NOISE, Problem, restore, subject
    from scorefield.evaluation import measured
    from scorefield.plotting import to_unit

    it = subject(args, "solve")
    A = operator(args.problem, it.loaded.event, args.seed)
    noise = NOISE if args.noise is None else args.noise
    y = measured(it.truth, A, noise, args.seed)
    problem = Problem(
        what=f"{args.problem}, noise {noise:g}",
        A=A,
        y=y,
        hidden=None,
        title="measured" if y.ndim == 4 else f"{y.shape[1]} measurements, put back",
        picture=to_unit(_shown(y, A, it.loaded.event), it.loaded.model.ends) if it.shown else None,
    )
    return restore(args, it, problem)


def _shown(y: "Tensor", A: "LinearOperator", event: tuple[int, ...]) -> "Tensor":
    """Return the measurement of an image as an image."""
    import torch
    from torch.nn.functional import interpolate

    if y.ndim == 4:
        return interpolate(y, event[1:])
    return A.adjoint(A.solve(y, torch.ones((), dtype=torch.float64), 1e-6))
