"""``scorefield sample``: draw samples from a run, a checkpoint or a shipped model."""

import json

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import warn
from scorefield.cli.files import is_picture, writable
from scorefield.cli.options import Whole1, command, refuse, sampling


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command("Draw samples. The extension of --out decides what is written.")
    sampling(parser, n=64)
    parser.option(
        "--out FILE",
        ".png, .pdf or .svg: a grid of pictures; .gif or .mp4: their way from noise; .npz: the array in the data's units; .csv: a "
        "table of vectors; by default samples.png, or samples.npz for data other than images",
    )
    parser.option("--frames N", "frames of an animation", Whole1, default=40)
    return parser


def run(args: Namespace) -> int:
    """Draw and write samples; return the exit code."""
    from scorefield.cli.drawing import FILMS, chosen, count, decides, draw, labels_of, require_drawable, setting, write
    from scorefield.cli.shared import shared
    from scorefield.data.tables import TABLE_SUFFIXES
    from scorefield.pretrained import load_model
    from scorefield.training import in_turn, processes

    if args.seeds is not None:
        refuse(args, ("seed",), f"--seeds {args.seeds} names the seed of every sample")
    kinds = (".png", ".pdf", ".svg", ".npz", *TABLE_SUFFIXES, *FILMS)
    if args.out is not None:
        writable(args.out, kinds)
    parallel = processes(args.device)
    loaded = load_model(args.model, parallel.device, warn=warn)
    out = writable(args.out or f"samples.{'png' if is_picture(loaded.drawn) else 'npz'}", kinds)
    require_drawable(out, loaded)
    labels = labels_of(args, loaded)
    choice = chosen(args, loaded, labels)
    frames = args.frames if out.suffix in FILMS else 0
    with shared(parallel, out, loaded, decides(args, loaded, choice, frames)) as each:
        if parallel.world == 1 and count(args)[0] <= args.batch_size:
            each = in_turn  # a single part is written next
        drawn = draw(args, loaded, choice, labels=labels, frames=frames, parallel=parallel, each=each)
        parallel.leave()
        if parallel.rank > 0:
            return 0
        write(out, drawn, loaded.model.ends, loaded.config.data.columns)
        told = {
            "out": str(out),
            "model": args.model,
            **setting(args, loaded, choice),
            "n": count(args)[0],
            "evaluations_per_sample": drawn.evaluations,
            "seconds": round(drawn.seconds, 3),
        }
    samples = "1 sample" if told["n"] == 1 else f"{told['n']} samples"
    sentence = "{out}: {samples} by {kind}, {evaluations_per_sample:g} network evaluations each, {seconds:.1f} s"
    print(json.dumps(told) if args.json else sentence.format(samples=samples, kind=told["sampler"]["kind"], **told))
    return 0
