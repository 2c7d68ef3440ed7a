"""What the commands that draw from a trained model accept. Nothing heavy is imported, so that ``--help`` answers at once."""

from typing import Any

from jsonargparse import ArgumentParser

from scorefield.cli.kinds import table

__all__ = [
    "MASKS",
    "MEASURED",
    "REPLACED",
    "command",
    "evaluate_parser",
    "inpaint_parser",
    "likelihood_parser",
    "plugin",
    "sample_parser",
    "solve_parser",
]

PRECISIONS = ("auto", "fp32", "bf16")
MASKS = ("left", "right", "top", "bottom", "center", "vertical", "horizontal")
REPLACED = ("replace", "repaint")  # methods that put the known pixels back
MEASURED = ("pigdm", "dps", "particles")  # methods for any linear measurement


def command(description: str) -> ArgumentParser:
    """Return the parser of a command, with what every one of them accepts."""
    parser = ArgumentParser(description=description, exit_on_error=False)
    parser.add_argument("--verbose", action="store_true", help="show tracebacks of errors")
    return parser


def plugin(parser: ArgumentParser) -> None:
    """Add what every command that builds from a configuration accepts."""
    parser.add_argument(
        "--plugin",
        type=str,
        action="append",
        metavar="FILE.py",
        help="run a Python file of yours first, which registers networks, samplers, ... (scorefield.register); may be repeated",
    )


def sample_parser() -> ArgumentParser:
    """Return the parser of ``scorefield sample``."""
    parser = command("Draw samples. The extension of --out decides what is written.")
    _drawing(parser, n=64)
    _guide(parser)
    parser.add_argument(
        "--out",
        type=str,
        help="samples.png by default, or samples.npz of what is no picture: .png grid; .gif or .mp4 the path; .npz the array",
    )
    parser.add_argument("--frames", type=int, default=40, help="frames of a film")
    return parser


def _guide(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--guide",
        type=float,
        metavar="WEIGHT",
        help="of the run's weaker version, which shows where not to go: 0 draws without it; the run's own by default",
    )


def _model(parser: ArgumentParser) -> None:
    plugin(parser)
    parser.add_argument(
        "model",
        type=str,
        metavar="RUN",
        help="a run folder, a checkpoint, a shipped model's name, or hf:ORG/NAME of the Hugging Face Hub",
    )


def _drawing(parser: ArgumentParser, n: int) -> None:
    """Add what every command that draws samples of a model accepts."""
    _model(parser)
    parser.add_argument(
        "--sampler",
        type=str,
        metavar="KIND",
        help=f"{', '.join(table()['sampler'])}; the run's own by default",
    )
    parser.add_argument("--steps", type=int, help="transitions of the grid of times; of a ladder, levels")
    parser.add_argument(
        "--options",
        type=dict[str, Any],
        default={},
        metavar="{KEY: VALUE}",
        help="more of the sampler: --options.snr 0.2",
    )
    parser.add_argument("-n", "--n", type=int, default=n, help="how many samples")
    parser.add_argument("--seed", type=int, default=0, help="names the draw")
    parser.add_argument(
        "--seeds", type=str, metavar="0-63", help="one seed per sample: a range or a comma-separated list"
    )
    parser.add_argument(
        "--class",
        type=str,
        metavar="0-9",
        help="the class of every sample, or several that take turns; for models that know classes",
    )
    parser.add_argument(
        "--weight", type=float, default=0.0, help="of classifier-free guidance: 0 the class as learned, 2 exaggerated"
    )
    parser.add_argument("--batch-size", type=int, default=256, help="samples drawn at a time")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        metavar="KIND",
        help="of the network: fp32, bf16, or auto: bf16 where the processor has it",
    )
    parser.add_argument("--json", action="store_true", help="report as one JSON object")


def inpaint_parser() -> ArgumentParser:
    """Return the parser of ``scorefield inpaint``."""
    parser = command(
        "Hide a part of an image and restore it n times. Writes truth, masked image and restorations side by side, and reports their "
        "errors over the hidden pixels."
    )
    _restoring(parser, REPLACED + MEASURED, default="repaint", out="inpaint.png")
    parser.add_argument(
        "--mask",
        type=str,
        required=True,
        metavar="MASK",
        help=f"what is hidden: {', '.join(MASKS)}, bernoulli:0.6 (60 %% of the pixels), or a picture whose light pixels are hidden",
    )
    parser.add_argument("--resample", type=int, help="of repaint: times each step is taken; 10 by default")
    return parser


def solve_parser() -> ArgumentParser:
    """Return the parser of ``scorefield solve``."""
    parser = command(
        "Measure an image, y = A x + noise, and draw n images from that. Writes truth, measurement and restorations side by side, and "
        "reports their errors."
    )
    _restoring(parser, MEASURED, default="pigdm", out="solve.png")
    parser.add_argument(
        "--problem",
        type=str,
        required=True,
        metavar="PROBLEM",
        help="downsample:4 (means of 4x4 pixels), blur:1.5 (Gaussian, in pixels), grey (of colours), project:100 (random projections)",
    )
    return parser


def _restoring(parser: ArgumentParser, methods: tuple[str, ...], default: str, out: str) -> None:
    """Add what `inpaint` and `solve` share."""
    _drawing(parser, n=8)
    parser.add_argument(
        "--image",
        type=str,
        required=True,
        metavar="IMAGE",
        help="a picture of the model's size, or a number: which image of the test set of the model's data",
    )
    parser.add_argument(
        "--method",
        choices=methods,
        default=default,
        metavar="METHOD",
        help=f"{', '.join(methods)}; {default} by default",
    )
    parser.add_argument(
        "--noise",
        type=float,
        help="of pigdm, dps, particles: standard deviation of the measurement's noise; 0.05 by default",
    )
    parser.add_argument("--zeta", type=float, help="of dps: the length of its pull; 1 by default")
    parser.add_argument("--particles", type=int, help="of particles: how many for each sample; 16 by default")
    parser.add_argument("--out", type=str, default=out, help=".png panel, or .npz arrays, images in [0, 1]")
    parser.add_argument("--data-dir", type=str, metavar="DIR", help="where data files are (or SCOREFIELD_DATA)")


def evaluate_parser() -> ArgumentParser:
    """Return the parser of ``scorefield evaluate``."""
    parser = command(
        "Draw samples and measure them, with errors, and with what real data get beside every number. Digits of MNIST are read by a "
        "classifier: FID and KID of its features, precision, recall, density, coverage, its confidence, the shares of the classes; other "
        "data are compared as vectors. Writes evaluation.json, grid.png and the samples."
    )
    _drawing(parser, n=10_000)
    _guide(parser)
    parser.add_argument(
        "--from-samples", type=str, metavar="FILE", help="measure the samples of a .npz, such as sample writes"
    )
    parser.add_argument(
        "--judge",
        type=str,
        metavar="RUN",
        help="a classifier, trained by train, that reads the classes of samples; mnist-judge for MNIST, none for other data",
    )
    parser.add_argument(
        "--likelihood", type=int, default=0, metavar="N", help="bits/dim of N held-out images; 0, the default: none"
    )
    parser.add_argument("--data-dir", type=str, metavar="DIR", help="where data files are (or SCOREFIELD_DATA)")
    parser.add_argument("--out", type=str, metavar="FOLDER", help="folder to write; evaluation-NAME by default")
    return parser


def likelihood_parser() -> ArgumentParser:
    """Return the parser of ``scorefield likelihood``."""
    parser = command(
        "Follow held-out data along the probability flow to noise, and say how probable the model finds them: bits per dimension of 8-bit "
        "images, by uniform and by Gaussian dequantisation, nats of other data. In float32, whatever the processor has."
    )
    _model(parser)
    parser.add_argument("-n", "--n", type=int, default=100, help="how many held-out examples")
    parser.add_argument("--seed", type=int, default=0, help="names the choice of examples and all noise")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--data-dir", type=str, metavar="DIR", help="where data files are (or SCOREFIELD_DATA)")
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    return parser
