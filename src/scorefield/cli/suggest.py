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
    parser.add_argument(
        "--size", type=Whole1, help="cut pictures of a folder square, and resize them to this many pixels"
    )
    parser.add_argument("--array", type=str, metavar="NAME", help="which array of an .npz file with several")
    parser.add_argument(
        "--channels", type=str, metavar="WHERE", help="where the channels of an array are: first, last or none"
    )
    parser.add_argument(
        "--sigma_L",
        type=Positive,
        default=0.01,
        help="smallest noise level, where bytes are scaled to [0, 1] and other data to a standard deviation of 1/2",
    )
    parser.add_argument("--repeats", type=Whole1, default=5, help="Langevin steps per level")
    parser.add_argument("--out", type=str, metavar="FILE", help="write a configuration to this file")
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
