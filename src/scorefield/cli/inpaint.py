"""``scorefield inpaint``: hide a part of an image, restore it, and compare with what was there."""

from jsonargparse import Namespace

from scorefield.cli.images import read_mask
from scorefield.cli.restore import Problem, restore, subject
from scorefield.guidance import Mask
from scorefield.plotting import to_unit, veil

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Restore what --mask hides; return the exit code."""
    it = subject(args)
    hidden = read_mask(args.mask, it.loaded.event, args.seed)
    observe = Mask(~hidden.expand(it.loaded.event))
    problem = Problem(
        what=f"mask {args.mask}",
        A=observe,
        y=observe.apply(it.truth),
        hidden=hidden,
        title="masked (blue: hidden)",
        picture=veil(to_unit(it.truth, it.loaded.model.ends), hidden),
    )
    return restore(args, it, problem)
