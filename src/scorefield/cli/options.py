"""Options that several commands share, and their possible values. Nothing heavy is imported, so that ``--help`` answers at once."""

import math
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import restricted_number_type, restricted_string_type

from scorefield.cli.kinds import table
from scorefield.errors import ConfigError

# Their names are what a refusal says was expected.
Whole0 = restricted_number_type("a whole number, at least 0", int, (">", -1))
Whole1 = restricted_number_type("a whole number, at least 1", int, (">=", 1))
Whole2 = restricted_number_type("a whole number, at least 2", int, (">=", 2))
Finite = restricted_number_type("a finite number", float, [(">", -math.inf), ("<", math.inf)])
Positive = restricted_number_type("a finite number above 0", float, [(">", 0), ("<", math.inf)])
NotNegative = restricted_number_type("a finite number, at least 0", float, [(">=", 0), ("<", math.inf)])
_Device = restricted_string_type("auto, cpu, cuda, cuda:N or mps", r"^(auto|cpu|mps|cuda(:\d+)?)$")

DRAWN = ("sampler", "steps", "options", "evaluations", "seeds", "weight", "guide", "decode")
"""Options that decide how samples are drawn."""
LEVELS = ("debug", "info", "warning", "critical")
"""How much is printed."""
EXAMPLE = "a picture of the model's size, a .npy of the shape of its samples, or a number: which example of the test set of its data"
"""What `scorefield.cli.images.read_truth` reads."""
MASKS = ("left", "right", "top", "bottom", "center", "vertical", "horizontal")
REPLACED = ("repaint", "replace")
"""Methods that replace the known pixels at each step."""
MEASURED = ("pigdm", "dps", "particles")
"""Methods of `restoring` for any linear measurement."""


def command(description: str) -> ArgumentParser:
    """Return the parser of a command, with the options that every command has."""
    parser = ArgumentParser(description=description, exit_on_error=False)
    parser.add_argument(
        "--verbose",
        choices=LEVELS,
        default="info",
        metavar="LEVEL",
        help="debug (with tracebacks of errors; the same as --verbose alone), info, warning or critical (errors alone)",
    )
    parser.add_argument(
        "--threads",
        type=Whole1,
        metavar="N",
        help="processor cores to use; by default OMP_NUM_THREADS, or as many as are idle",
    )
    return parser


def refuse(args: Namespace, names: tuple[str, ...], why: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        ConfigError: naming those that were given.
    """
    if idle := [f"--{name.replace('_', '-')}" for name in names if args[name]]:
        raise ConfigError(f"{why}: leave out {', '.join(idle)}")


def plugin(parser: ArgumentParser) -> None:
    """Add the option of every command that reads a configuration."""
    parser.add_argument(
        "--plugin",
        type=str,
        action="append",
        metavar="FILE.py",
        help="run a Python file of yours first, which registers networks, samplers, ... (scorefield.register); may be repeated",
    )


def model(parser: ArgumentParser) -> None:
    """Add the trained model."""
    plugin(parser)
    parser.add_argument(
        "model",
        type=str,
        metavar="RUN",
        help="a run folder, a checkpoint, a shipped model's name, or hf:ORG/NAME of the Hugging Face Hub",
    )


def device(parser: ArgumentParser, default: str | None = "auto") -> None:
    """Add the option that says where to compute."""
    parser.add_argument(
        "--device",
        type=_Device,
        default=default,
        metavar="NAME",
        help="auto (a GPU where there is one), cpu, cuda, cuda:N or mps",
    )


def data_dir(parser: ArgumentParser, *, test: bool = False) -> None:
    """Add the options that say where data files are, and those to ``test`` with."""
    if test:
        parser.add_argument(
            "--test",
            type=str,
            metavar="PATH",
            help="examples that the model was not trained on, stored as the run's data.path is, where that is data of your own",
        )
    parser.add_argument(
        "--data-dir",
        type=str,
        metavar="DIR",
        help="folder of data files; by default SCOREFIELD_DATA, or the folder of downloads",
    )


def report(parser: ArgumentParser) -> None:
    """Add the report for programs."""
    parser.add_argument("--json", action="store_true", help="report as one JSON object")


def judge(parser: ArgumentParser, use: str) -> None:
    """Add the classifier by whose features samples are compared."""
    parser.add_argument("--judge", type=str, metavar="RUN", help=f"a classifier, itself a run of train, {use}")


def judge_of(args: Namespace, kind: str) -> str | None:
    """Return the judge that was named, or the one that comes with the package for a kind of data; None where there is none."""
    return args.judge or ("mnist-judge" if kind == "mnist" else None)


def drawing(parser: ArgumentParser, n: int) -> None:
    """Add the options of every command that draws samples."""
    model(parser)
    parser.add_argument(
        "--sampler",
        type=str,
        metavar="KIND",
        help=f"{', '.join(table()['sampler'])}; the run's own by default",
    )
    parser.add_argument(
        "--steps",
        type=Whole1,
        metavar="N",
        help="transitions from noise to data; of a ladder, its levels; the run's own by default",
    )
    parser.add_argument(
        "--options",
        type=dict[str, Any],
        default={},
        metavar="{KEY: VALUE}",
        help="other settings of sampler and grid, such as --options.snr 0.2 or --options.rho 5",
    )
    parser.add_argument("-n", "--n", type=Whole1, default=n, metavar="N", help="how many samples")
    parser.add_argument("--seed", type=int, default=0, help="decides the noise: the same seed gives the same samples")
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
        "--weight",
        type=Finite,
        default=0.0,
        metavar="WEIGHT",
        help="weight of classifier-free guidance: 0 draws the class as learned, 2 exaggerates it",
    )
    parser.add_argument("--batch-size", type=Whole1, default=256, metavar="N", help="samples drawn at a time")
    device(parser)
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        metavar="KIND",
        help="number format of the network: fp32, bf16, or auto: bf16 where the processor is faster in it",
    )
    report(parser)


def sampling(parser: ArgumentParser, n: int) -> None:
    """Add the options that `sample` and `evaluate` share."""
    drawing(parser, n)
    parser.add_argument(
        "--evaluations",
        type=Whole1,
        metavar="N",
        help="evaluations of the network that each sample may take, guidance and all: chooses the sampler and the noise levels that suit "
        "them, in place of --sampler and --steps",
    )
    parser.add_argument(
        "--guide",
        type=NotNegative,
        metavar="WEIGHT",
        help="weight of autoguidance: how many times the difference to a weaker version of the model, saved early in training, is added; "
        "0 draws without it; the run's own by default",
    )
    parser.add_argument(
        "--decode",
        choices=("draw", "mode", "none"),
        metavar="HOW",
        help="how samples of 8-bit images become bytes: draw them from the model's probabilities, take the most probable (mode), or leave "
        "values as they are (none); draw by default where the model keeps a decoder",
    )


def restoring(parser: ArgumentParser, methods: tuple[str, ...], out: str) -> None:
    """Add the options that `inpaint` and `solve` share; the first method is the default."""
    drawing(parser, n=8)
    parser.add_argument("--image", type=str, required=True, metavar="IMAGE", help=EXAMPLE)
    parser.add_argument(
        "--method",
        choices=methods,
        default=methods[0],
        metavar="METHOD",
        help=f"{', '.join(methods)}; {methods[0]} by default",
    )
    parser.add_argument(
        "--noise",
        type=NotNegative,
        help="with pigdm, dps, particles: standard deviation of the measurement's noise; 0.05 by default",
    )
    parser.add_argument(
        "--zeta", type=Positive, help="with dps: length of its step towards the measurement; 1 by default"
    )
    parser.add_argument("--particles", type=Whole1, help="with particles: how many for each sample; 16 by default")
    parser.add_argument(
        "--out",
        type=str,
        help=f".png, .pdf or .svg: pictures side by side; .npz: arrays in the data's units; {out}.png by default, or .npz",
    )
    data_dir(parser)
