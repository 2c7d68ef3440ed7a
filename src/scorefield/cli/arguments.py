"""What every command accepts. Nothing heavy is imported, so that ``--help`` answers at once."""

from importlib.util import find_spec
from typing import Any

from jsonargparse import ArgumentParser, set_parsing_settings

import scorefield
from scorefield.cli import reproduce
from scorefield.cli.drawing_arguments import (
    command,
    evaluate_parser,
    inpaint_parser,
    likelihood_parser,
    plugin,
    sample_parser,
    solve_parser,
)
from scorefield.cli.kinds import settings

__all__ = ["SECTIONS", "TOYS", "TOY_OBJECTIVES", "build_parser"]

SECTIONS = {
    "data": "what to learn",
    "process": "forward noising",
    "network": "a function of noisy data and of the noise; channels, size and levels come from the data and the model",
    "model": "what the network predicts, and the units of the data",
    "objective": "the loss",
    "train": "optimisation, and how often to look",
    "guide": "a weaker version that guides the last one when drawing: the step at which it is kept, its weight, an interval of noise",
    "sampling": "the sampler and the grid of the pictures drawn on the way, such as --sampling.sampler.kind ald --sampling.grid.levels 60",
}
"""The sections of a configuration; kinds and settings come from the library (`scorefield.cli.kinds`)."""

TOYS = ("circle", "mixture", "banana", "moons", "ring8", "checkerboard", "funnel")
TOY_OBJECTIVES = ("dsm", "multilevel", "dae", "ssm", "ssmvr", "implicit", "fdssm")


def build_parser() -> ArgumentParser:
    """Return the parser of the whole command line; with shtab installed, ``--print_completion shtab-zsh`` is a script for zsh."""
    set_parsing_settings(add_print_completion_argument=find_spec("shtab") is not None)
    parser = ArgumentParser(
        prog="scorefield", description="Score-based generative models: train, sample, check.", exit_on_error=False
    )
    parser.add_argument("--version", action="version", version=f"scorefield {scorefield.__version__}")
    commands = parser.add_subcommands(required=True, metavar="COMMAND")
    commands.add_subcommand("quickstart", _quickstart(), help="learn 8x8 digits in about two minutes, and draw them")
    commands.add_subcommand("toy", _toy(), help="learn a density of the plane whose score is known, and compare")
    commands.add_subcommand("train", _train(), help="train a model from a configuration")
    commands.add_subcommand("sample", sample_parser(), help="draw samples from a run, a checkpoint or a shipped model")
    commands.add_subcommand(
        "inpaint", inpaint_parser(), help="restore the hidden part of an image, and compare with the truth"
    )
    commands.add_subcommand(
        "solve", solve_parser(), help="super-resolution, deblurring and other linear inverse problems"
    )
    commands.add_subcommand("evaluate", evaluate_parser(), help="measure samples, with real data beside them")
    commands.add_subcommand(
        "likelihood", likelihood_parser(), help="how probable a model finds held-out data: bits/dim of images, nats"
    )
    commands.add_subcommand(
        "suggest", _suggest(), help="settings from your data: noise levels, step sizes, a configuration"
    )
    commands.add_subcommand("reproduce", reproduce.parser(), help="measure claims of the papers, and say which hold")
    commands.add_subcommand("convert", _convert(), help="weights of NCSN, NCSNv2 and score-SDE in, and out again")
    commands.add_subcommand("doctor", _doctor(), help="say what this machine has, and what is missing")
    return parser


def _quickstart() -> ArgumentParser:
    parser = command("Train an NCSN on the embedded 8x8 digits, sample it three ways, write pictures and metrics.")
    parser.add_argument(
        "--run", type=str, metavar="DIR", help="folder to write; by default runs/quickstart, or the next free number"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps")
    return parser


def _toy() -> ArgumentParser:
    parser = command(
        "Learn the score of a density of the plane, and lay it beside the exact one: the field and its error, samples by Langevin, "
        "annealed Langevin and probability flow, the weights of the modes. Writes pictures, a film and metrics.json."
    )
    parser.add_argument("name", choices=TOYS, metavar="NAME", help=", ".join(TOYS))
    parser.add_argument(
        "--objective",
        choices=TOY_OBJECTIVES,
        default="dsm",
        metavar="KIND",
        help="denoising score matching (dsm; multilevel on a ladder; dae), sliced (ssm, ssmvr, fdssm) or implicit",
    )
    parser.add_argument("--steps", type=int, default=5000, help="optimiser steps")
    parser.add_argument(
        "-n", type=int, help="samples by each sampler; by default 20000 of a mixture, 1000 of the others"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides initial weights, batches and samples")
    parser.add_argument("--out", type=str, metavar="FOLDER", help="folder to write; toy-NAME by default")
    parser.add_argument("--fast-dev-run", action="store_true", help="four tiny steps through the whole path")
    return parser


def _train() -> ArgumentParser:
    parser = command(
        "Train a model. Any setting can be overridden by its dotted name: --train.steps 1000 --process.kind vp. "
        "--print_config shows all of them."
    )
    parser.add_argument("--config", type=str, metavar="FILE", help="YAML configuration; - reads standard input")
    plugin(parser)
    for section, text in SECTIONS.items():
        parser.add_argument(
            f"--{section}", type=dict[str, Any], default={}, metavar="{KEY: VALUE}", help=f"{text}. {settings(section)}"
        )
    parser.add_argument("--seed", type=int, help="decides initial weights, batches and noise")
    # torchrun takes --run for an abbreviation of an option of its own; --run-dir is the same.
    parser.add_argument("--run", "--run-dir", type=str, metavar="DIR", help="run folder; runs/NAME by default")
    parser.add_argument("--name", type=str, help="name of the run")
    parser.add_argument("--comment", type=str, help="kept in the configuration")
    parser.add_argument("--data-dir", type=str, metavar="DIR", help="where data files are (or SCOREFIELD_DATA)")
    parser.add_argument("--device", type=str, help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--resume", action="store_true", help="go on from the newest good checkpoint of the run")
    parser.add_argument("--override", action="store_true", help="resume although the configuration changed")
    # The parser rewrites a bare --print_config to --print_config= whatever its action, so it has to take a value.
    parser.add_argument("--print_config", nargs="?", const="", type=str, help="print the whole configuration and stop")
    parser.add_argument("--dry-run", action="store_true", help="build everything, train nothing, write nothing")
    parser.add_argument("--fast-dev-run", action="store_true", help="four tiny steps through the whole path")
    return parser


def _suggest() -> ArgumentParser:
    parser = command("Compute NCSNv2's settings from data, say why, and write a configuration that train accepts.")
    parser.add_argument(
        "data", type=str, metavar="DATA", help="digits, mnist, fashion_mnist, kmnist, or a path of your own"
    )
    parser.add_argument("--data-dir", type=str, metavar="DIR", help="where data files are (or SCOREFIELD_DATA)")
    parser.add_argument("--size", type=int, help="cut pictures of a folder square, and resize them to this many pixels")
    parser.add_argument("--array", type=str, metavar="NAME", help="which array of an .npz, where there are several")
    parser.add_argument("--channels", type=str, metavar="WHERE", help="first, last or none: where an array has them")
    parser.add_argument(
        "--sigma_L",
        type=float,
        default=0.01,
        help="smallest noise level; bytes are in [0, 1], other data has standard deviation 1/2",
    )
    parser.add_argument("--repeats", type=int, default=5, help="Langevin steps per level")
    parser.add_argument("--out", type=str, metavar="FILE", help="write a configuration")
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    return parser


def _convert() -> ArgumentParser:
    parser = command(
        "Make a run of a checkpoint file of another project (--from), or such a file of a run (--to). Files are read as plain data: "
        "nothing in them is executed."
    )
    plugin(parser)
    parser.add_argument(
        "source", type=str, metavar="FILE", help="a torch file; with --to, a run folder or a checkpoint"
    )
    parser.add_argument(
        "--from", choices=["ncsn", "ncsnv2", "score_sde"], metavar="LAYOUT", help="ncsn, ncsnv2 or score_sde"
    )
    parser.add_argument(
        "--to", choices=["ncsn", "ncsnv2", "hub"], metavar="LAYOUT", help="ncsn, ncsnv2, or hub: a folder for others"
    )
    parser.add_argument(
        "--out", type=str, required=True, metavar="RUN", help="the run folder to make; with --to, the file or folder"
    )
    parser.add_argument(
        "--evaluation", type=str, metavar="FILE", help="with --to hub: JSON with results, for the model's card"
    )
    parser.add_argument(
        "--config", type=str, metavar="FILE", help="YAML with what weights do not tell: levels, sampling"
    )
    parser.add_argument("--size", type=int, help="height and width of the images; 28 for one channel, 32 for three")
    return parser


def _doctor() -> ArgumentParser:
    parser = command("Say what this machine has: versions, processors, precision, extras, data.")
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    return parser
