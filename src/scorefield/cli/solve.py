"""``scorefield solve``: super-resolution, deblurring and other linear inverse problems."""

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.options import MEASURED, command, restoring

__all__ = ["parser", "run"]


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Measure an image, y = A x + noise, and draw n images from that. Writes truth, measurement and restorations side by side, and "
        "reports their errors."
    )
    restoring(parser, MEASURED, out="solve.png")
    parser.add_argument(
        "--problem",
        type=str,
        required=True,
        metavar="PROBLEM",
        help="downsample:4 (means of 4x4 pixels), blur:1.5 (Gaussian, in pixels), grey (of colours), project:100 (random projections)",
    )
    return parser


def run(args: Namespace) -> int:
    """Solve --problem; return the exit code."""
    import torch
    from torch.nn.functional import interpolate

    from scorefield._tensors import derive_seed
    from scorefield.cli.images import operator
    from scorefield.cli.restore import NOISE, Problem, restore, subject
    from scorefield.plotting import to_unit

    it = subject(args)
    A = operator(args.problem, it.loaded.event, args.seed)
    noise = NOISE if args.noise is None else args.noise
    y = A.apply(it.truth)
    generator = torch.Generator().manual_seed(derive_seed(args.seed, "measurement"))
    y = y + noise * torch.randn(y.shape, generator=generator)
    image = y.ndim == 4
    one = torch.ones((), dtype=torch.float64)
    picture = interpolate(y, it.loaded.event[1:]) if image else A.adjoint(A.solve(y, one, 1e-6))
    problem = Problem(
        what=f"{args.problem}, noise {noise:g}",
        A=A,
        y=y,
        hidden=None,
        title="measured" if image else f"{y.shape[1]} measurements, put back",
        picture=to_unit(picture, it.loaded.model.ends),
    )
    return restore(args, it, problem)
