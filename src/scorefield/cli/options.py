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


class Command(ArgumentParser):
    """The parser of a command."""

    def option(self, named: str, text: str, type: Any = str, *, rival: bool = False, **more: Any) -> None:  # noqa: ANN401
        """Add what is ``named`` as ``--help`` shows it, "-n --n N", or "model RUN" without a dash; ``more`` goes to ``add_argument``.

        Of the options that are each other's ``rival``, one may be given.
        """
        words = named.split(" ")
        names = [word for word in words if word.startswith("-")] or words[:1]
        metavar = {"metavar": " ".join(words[len(names) :])} if len(names) < len(words) else {}
        added = self.add_argument(*names, help=text, **({} if "choices" in more else {"type": type}), **metavar, **more)
        if rival and added is not None:  # added by the group itself, its value would not be checked as that of others
            (self._mutually_exclusive_groups or [self.add_mutually_exclusive_group()])[0]._group_actions.append(added)


def command(description: str) -> Command:
    """Return the parser of a command, with the options that every command has."""
    parser = Command(description=description, exit_on_error=False)
    parser.option(
        "--verbose LEVEL",
        "debug (with tracebacks of errors; the same as --verbose alone), info, warning or critical (errors alone)",
        choices=LEVELS,
        default="info",
    )
    parser.option("--threads N", "processor cores to use; by default OMP_NUM_THREADS, or as many as are idle", Whole1)
    return parser


def refuse(args: Namespace, names: tuple[str, ...], why: str) -> None:
    """Refuse options that would have no effect."""
    if idle := [f"--{name.replace('_', '-')}" for name in names if args[name]]:
        raise ConfigError(f"{why}: leave out {', '.join(idle)}")


def plugin(parser: Command) -> None:
    """Add the option of every command that reads a configuration."""
    parser.option(
        "--plugin FILE.py",
        "run a Python file of yours first, which registers networks, samplers, ... (scorefield.register); may be repeated",
        action="append",
    )


def model(parser: Command) -> None:
    """Add the trained model."""
    plugin(parser)
    parser.option(
        "model RUN", "a run folder, a checkpoint, a shipped model's name, or hf:ORG/NAME of the Hugging Face Hub"
    )


def device(parser: Command, default: str | None = "auto") -> None:
    """Add the option that says where to compute."""
    parser.option(
        "--device NAME", "auto (a GPU where there is one), cpu, cuda, cuda:N or mps", _Device, default=default
    )


def data_dir(parser: Command, *, test: bool = False) -> None:
    """Add the options that say where data files are, and those to ``test`` with."""
    if test:
        parser.option(
            "--test PATH",
            "where the data is your own: examples that the model was not trained on, in the format of data.path",
        )
    parser.option("--data-dir DIR", "folder of data files; by default SCOREFIELD_DATA, or the folder of downloads")


def report(parser: Command) -> None:
    """Add the report for programs."""
    parser.add_argument("--json", action="store_true", help="report as one JSON object")


def judge(parser: Command, use: str) -> None:
    """Add the classifier by whose features samples are compared."""
    parser.option("--judge RUN", f"a classifier, itself a run of train, {use}")


def judge_of(args: Namespace, kind: str) -> str | None:
    """Return the judge that was named, or the one that comes with the package for a kind of data; None where there is none."""
    return args.judge or ("mnist-judge" if kind == "mnist" else None)


def drawing(parser: Command, n: int) -> None:
    """Add the options of every command that draws samples."""
    model(parser)
    parser.option("--sampler KIND", f"{', '.join(table()['sampler'])}; the run's own by default")
    parser.option(
        "--steps N", "transitions from noise to data; of a ladder, its levels; the run's own by default", Whole1
    )
    parser.option(
        "--options {KEY: VALUE}",
        "other settings of sampler and grid, such as --options.snr 0.2 or --options.rho 5",
        dict[str, Any],
        default={},
    )
    parser.option("--seed", "decides the noise: the same seed gives the same samples", int, default=0)
    parser.option("-n --n N", "how many samples", Whole1, default=n, rival=True)
    parser.option("--seeds 0-63", "one seed per sample: a range or a comma-separated list", rival=True)
    parser.option("--class 0-9", "the class of every sample, or several that take turns; for models that know classes")
    parser.option(
        "--weight WEIGHT",
        "weight of classifier-free guidance: 0 draws the class as learned, 2 exaggerates it",
        Finite,
        default=0.0,
    )
    parser.option("--batch-size N", "samples drawn at a time", Whole1, default=256)
    device(parser)
    parser.option(
        "--precision KIND",
        "number format of the network: fp32, bf16, or auto: bf16 where the processor is faster in it",
        choices=("auto", "fp32", "bf16"),
        default="auto",
    )
    report(parser)


def sampling(parser: Command, n: int) -> None:
    """Add the options that `sample` and `evaluate` share."""
    drawing(parser, n)
    parser.option(
        "--evaluations N",
        "at most so many network evaluations for each sample, those of guidance included: chooses the sampler and its noise levels, "
        "in place of --sampler and --steps",
        Whole1,
    )
    parser.option(
        "--guide WEIGHT",
        "weight of autoguidance: how many times the difference to a weaker version of the model, saved early in training, is added; "
        "0 draws without it; the run's own by default",
        NotNegative,
    )
    parser.option(
        "--decode HOW",
        "how samples of 8-bit images become bytes: draw them from the model's probabilities, do so without the decoder's network, four "
        "times as fast (counts), take the most probable (mode), or leave values as they are (none); draw by default where the model keeps "
        "a decoder",
        choices=("draw", "counts", "mode", "none"),
    )


def restoring(parser: Command, methods: tuple[str, ...], out: str) -> None:
    """Add the options that `inpaint` and `solve` share; the first method is the default."""
    drawing(parser, n=8)
    parser.option("--image IMAGE", EXAMPLE, required=True)
    parser.option(
        "--method METHOD", f"{', '.join(methods)}; {methods[0]} by default", choices=methods, default=methods[0]
    )
    parser.option(
        "--noise",
        "with pigdm, dps, particles: standard deviation of the measurement's noise; 0.05 by default",
        NotNegative,
    )
    parser.option("--zeta", "with dps: length of its step towards the measurement; 1 by default", Positive)
    parser.option("--particles", "with particles: how many for each sample; 16 by default", Whole1)
    parser.option(
        "--out",
        f".png, .pdf or .svg: pictures side by side; .npz: arrays in the data's units; {out}.png by default, or .npz",
    )
    data_dir(parser)
