"""``scorefield sample``: draw samples from a run, a checkpoint or a shipped model."""

import json

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import warn
from scorefield.cli.files import is_picture, writable
from scorefield.cli.options import Whole1, command, decode, drawing, guide

__all__ = ["parser", "run"]


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command("Draw samples. The extension of --out decides what is written.")
    drawing(parser, n=64)
    guide(parser)
    decode(parser)
    parser.add_argument(
        "--out",
        type=str,
        metavar="FILE",
        help=".png grid; .gif or .mp4 the path; .npz the array, in the units of the data; samples.png, or samples.npz, by default",
    )
    parser.add_argument("--frames", type=Whole1, default=40, metavar="N", help="frames of a film")
    return parser


def run(args: Namespace) -> int:
    """Draw and write samples; return the exit code."""
    from scorefield.cli.drawing import FILMS, choose, draw, labels_of, require_drawable, setting, write
    from scorefield.pretrained import load_model
    from scorefield.training import pick_device

    kinds = (".png", ".npz", *FILMS)
    if args.out is not None:
        writable(args.out, kinds)
    loaded = load_model(args.model, pick_device(args.device), warn=warn)
    out = writable(args.out or f"samples.{'png' if is_picture(loaded.drawn) else 'npz'}", kinds)
    require_drawable(out, loaded)
    choice = choose(loaded, args.sampler, args.steps, args.options)
    frames = args.frames if out.suffix in FILMS else 0
    drawn, seconds = draw(args, loaded, choice, labels=labels_of(args, loaded), frames=frames)
    write(out, drawn, loaded.model.ends)
    told = {
        "out": str(out),
        "model": str(loaded.source),
        **setting(args, loaded, choice),
        "n": len(drawn.x),
        "evaluations_per_sample": drawn.evaluations,
        "seconds": round(seconds, 3),
    }
    sentence = "{out}: {n} samples by {kind}, {evaluations_per_sample:g} network evaluations each, {seconds:.1f} s"
    print(json.dumps(told) if args.json else sentence.format(kind=told["sampler"]["kind"], **told))
    return 0
