"""From a training checkpoint to a model to ship: averaged weights, the guide's, decoder and configuration, without optimiser."""

import os
from collections.abc import Callable
from pathlib import Path

from scorefield._replacing import making, unwritten
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint

_GROUPS = ("ema", "guide", "decoder", "moments")


def export(source: checkpoint.Checkpoint, folder: Path, finish: Callable[[Path], object] = lambda _: None) -> None:
    """Write a new ``folder``, whole or not at all: a checkpoint that `scorefield sample` accepts and training does not need.

    ``finish`` is called with the folder where it is made, to add to it.
    """
    if folder.exists():
        raise CheckpointError(f"{folder}: exists already; remove it or choose another name")
    if "ema" not in source.tensors:
        raise CheckpointError(f"{source.path}: holds {sorted(source.tensors)}, expected averaged weights under 'ema'")
    weights = {group: source.tensors[group] for group in _GROUPS if group in source.tensors}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with making(folder.parent) as temporary:
            written = temporary / folder.name
            checkpoint.write(written, source.step, weights, source.state)
            finish(written)
            os.rename(written, folder)
    except OSError as error:
        raise CheckpointError(str(unwritten(folder, error))) from error
