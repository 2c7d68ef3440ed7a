"""``scorefield inpaint``: restore the hidden part of an image, or of any other example, and compare with the truth."""

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.options import MASKS, MEASURED, REPLACED, Whole1, command, restoring


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Hide a part of an image and restore it n times. Writes truth, masked image and restorations side by side, and reports their "
        "errors over the hidden pixels. Vectors, series and arrays of any channels are restored likewise, and written as .npz."
    )
    restoring(parser, (*REPLACED, *MEASURED), out="inpaint")
    parser.option(
        "--mask MASK",
        f"what is hidden: {', '.join(MASKS)}, bernoulli:0.6 (each pixel with probability 0.6), a picture whose light pixels are "
        "hidden, a .npy file that is true where it hides, or columns of a table, such as height,weight",
        required=True,
    )
    parser.option("--resample", "with repaint: how many times each step is taken; 10 by default", Whole1)
    return parser


def run(args: Namespace) -> int:
    """Restore what --mask hides; return the exit code."""
    from scorefield.cli.images import read_mask
    from scorefield.cli.restore import Problem, restore, subject
    from scorefield.guidance import Mask
    from scorefield.plotting import to_unit, veil

    it = subject(args, "inpaint")
    hidden = read_mask(args.mask, it.loaded.event, args.seed, it.loaded.config.data.columns)
    observe = Mask(~hidden.expand(it.loaded.event))
    problem = Problem(
        what=f"mask {args.mask}",
        A=observe,
        y=observe.apply(it.truth),
        hidden=hidden,
        title="masked (blue: hidden)",
        picture=veil(to_unit(it.truth, it.loaded.model.ends), hidden) if it.shown else None,
    )
    return restore(args, it, problem)
