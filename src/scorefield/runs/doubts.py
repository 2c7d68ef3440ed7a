"""What a run says before it begins: of settings and data that are valid but probably not intended."""

from collections.abc import Iterator

from scorefield.config import RunConfig
from scorefield.data import Dataset


def doubts(config: RunConfig, data: Dataset, classes: int | None, seen: list[int] | None) -> Iterator[str]:
    """Yield a sentence for each doubt.

    Args:
        config: of the run.
        data: what it learns.
        classes: that the model knows.
        seen: labels that the data have, where both know any.
    """
    guide, last = config.guide.step or 0, config.train.steps
    if guide > last:
        yield f"guide.step {guide} lies beyond the last step, {last}: the run keeps no guide"
    if seen is not None and (unseen := set(range(classes or 0)).difference(seen)):
        yield f"no example has the label {min(unseen)}, of {classes} classes: the model will not know what it looks like"
    # A network errs by a share of the column's scale, which a value that never changes does not have.
    if len(data.event) == 1 and len(data) > 1:
        fixed = (data.x.amin(dim=0) == data.x.amax(dim=0)).nonzero().flatten().tolist()
        named = (f"column {k}" if data.columns is None else repr(data.columns[k]) for k in fixed[:3])
        told = [f"{name} is {data.x[0, k].item():g}" for name, k in zip(named, fixed, strict=False)]
        if told:
            more, how = ", …" if len(fixed) > len(told) else "", "" if data.columns is None else " (data.columns)"
            yield f"in every row {', '.join(told)}{more}: a model draws near such values, not at them; leave these columns out{how}"
