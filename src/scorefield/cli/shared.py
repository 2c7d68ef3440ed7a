"""Long work of commands, shared among the processes that torchrun started, and kept part by part until its result is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from scorefield.loaded import LoadedModel
from scorefield.models import ScoreModel
from scorefield.training import Each, Parallel, Parts, fingerprint, in_turn

__all__ = ["shared"]


@contextmanager
def shared(
    parallel: Parallel, base: Path, loaded: LoadedModel[ScoreModel], setting: dict[str, Any], *more: Tensor
) -> Iterator[Each]:
    """Yield what computes parts; the first process, which alone writes the result, removes them when the context ends well.

    Args:
        parallel: the processes, which wait for each other at the end.
        base: of the name of the folder beside the result in which parts are kept.
        loaded: the model.
        setting: all that decides the parts beside the model and ``more``.
        more: tensors that do.
    """
    modules = [part for part in (loaded.model, loaded.weak, loaded.decoder) if part is not None]
    weights = [tensor for part in modules for tensor in part.state_dict().values()]
    kept = {} if loaded.byte_decoder is None else loaded.byte_decoder.tensors
    setting = {**setting, "model": loaded.config.model_dump(mode="json")}
    named = fingerprint(setting, *weights, *kept.values(), *more)
    if parallel.world == 1 and not os.access(base.parent, os.W_OK):
        yield in_turn  # nothing can be kept
        return
    parts = Parts(parallel, base.with_name(f"{base.name}.parts-{named}"))
    try:
        yield parts.each
        parallel.wait()  # for those that still read
        if parallel.rank == 0:
            parts.clear()
    finally:
        parts.close()
