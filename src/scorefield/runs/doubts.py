"""What a run says before it begins: of settings and data that are valid but probably not intended."""

from collections.abc import Iterator

import torch

from scorefield.config import RunConfig
from scorefield.config.guide import GuideConfig
from scorefield.data import Dataset

_LOOKED_AT = 2**22  # numbers
_ENOUGH = 100  # rows that have a middle half
_NARROW = 0.02  # of a standard deviation: a few times the least noise of the usual process


def doubts(config: RunConfig, data: Dataset, classes: int | None, seen: list[int] | None) -> Iterator[str]:
    """Yield a sentence for each doubt; ``seen`` are the labels that the data have, of the ``classes`` that the model knows."""
    guide, last = config.guide.step or 0, config.train.steps
    if guide > last:
        yield f"guide.step {guide} lies beyond the last step, {last}: the run keeps no guide"
    if config.guide.step is None and config.guide != GuideConfig():
        yield "guide.weight and guide.interval change nothing without guide.step, at which the weaker version is kept"
    if config.train.decoder_steps and (len(data.event) != 3 or data.x.dtype != torch.uint8):
        yield "train.decoder_steps trains nothing: only 8-bit images have a decoder of bytes"
    if seen is not None and (unseen := set(range(classes or 0)).difference(seen)):
        yield f"no example has the label {min(unseen)}, of {classes} classes: the model will not know what it looks like"
    if len(data.event) == 1 and len(data) > 1:
        yield from _columns(data)


def _columns(data: Dataset) -> Iterator[str]:
    """Yield doubts of the columns of a table."""
    told = [f"column {k}" for k in range(data.event[0])] if data.columns is None else [*map(repr, data.columns)]
    # A network errs by a share of the column's scale, which a value that never changes does not have.
    fixed = (data.x.amin(dim=0) == data.x.amax(dim=0)).nonzero().flatten().tolist()
    if fixed:
        named = ", ".join(f"{told[k]} is {data.x[0, k].item():g}" for k in fixed[:3]) + ", …" * (len(fixed) > 3)
        how = "" if data.columns is None else " (data.columns)"
        yield f"in every row {named}: a model draws near such values, not at them; leave these columns out{how}"
    some = data.x[:: max(1, data.x.numel() // _LOOKED_AT)].double()
    if len(some) < _ENOUGH:
        return
    low, high = some.quantile(some.new_tensor([0.25, 0.75]), dim=0)
    share = (high - low) / some.std(dim=0)
    hidden = ((share > 0) & (share < _NARROW)).nonzero().flatten().tolist()
    for k in hidden[:1]:
        yield (
            f"half of {told[k]} lies between {low[k].item():g} and {high[k].item():g}, {share[k].item():.2g} of its standard deviation, "
            "which a few far values make: the model will not see the rest apart. Learn logarithms, say, or leave the far ones out"
        )
