"""``scorefield suggest``: noise levels and step sizes computed from your data, and a configuration."""

import json
import shlex
from dataclasses import asdict

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import stage
from scorefield.cli.files import writable, write_text
from scorefield.cli.kinds import table
from scorefield.cli.options import Positive, Whole1, command, data_dir, report


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command("Compute NCSNv2's settings from data, say why, and write a configuration that train accepts.")
    parser.add_argument("data", type=str, metavar="DATA", help=f"{', '.join(_named())}, or a path of your own")
    data_dir(parser)
    parser.option("--size", "cut pictures of a folder square, and resize them to this many pixels", Whole1)
    parser.option("--array NAME", "which array of an .npz file with several")
    parser.option("--channels WHERE", "where the channels of an array are: first, last or none")
    parser.option(
        "--sigma_L",
        "smallest noise level, where bytes are scaled to [0, 1] and other data to a standard deviation of 1/2",
        Positive,
        default=0.01,
    )
    parser.option("--repeats", "Langevin steps per level", Whole1, default=5)
    parser.option("--out FILE", "write a configuration to this file")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Measure, explain, and write the configuration if asked; return the exit code."""
    from scorefield.config import to_yaml, validate
    from scorefield.config.data import DataConfig
    from scorefield.config.suggested import advise, suggested

    out = None if args.out is None else writable(args.out, read=(args.data,))
    kind = args.data if args.data in _named() else "path"
    data = {"kind": kind, "dir": args.data_dir, "path": args.data if kind == "path" else None}
    data |= {name: args[name] for name in ("size", "array", "channels")}
    section = validate(DataConfig, data, "command line")
    section.require_read()
    with stage(f"reading {args.data}"):
        dataset = section.load()
    with stage(f"measuring {len(dataset)} examples"):
        advice, units = advise(dataset, sigma_L=args.sigma_L, repeats=args.repeats)
    if args.json:
        print(json.dumps(asdict(advice)))
    else:
        print(advice.explained(dataset.name, len(dataset), units))
    if out is not None:
        write_text(out, to_yaml(suggested(advice, section, dataset.event)))
        if not args.json:
            print(f"\n{out}: written. Train with: scorefield train --config {shlex.quote(str(out))}")
    return 0


def _named() -> list[str]:
    """Return the data sets that have names."""
    return [kind for kind in table()["kinds of data"] if kind not in ("path", "density")]
