"""Long work of commands, shared among the processes that torchrun started; finished parts are kept until the result is written."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorefield.loaded import LoadedModel
from scorefield.training import Each, Parallel, Parts, fingerprint, in_turn

_NAME = 100  # bytes of the result's name in that of the folder: file systems take 255


@contextmanager
def shared(
    parallel: Parallel, base: Path, loaded: LoadedModel, setting: dict[str, Any], *more: Tensor
) -> Iterator[Each]:
    """Yield a function that computes parts; the first process, which writes the result, removes them when the context ends without error.

    So leave the context when everything made of the parts is written, and the other processes have left (`Parallel.leave`). Parts are
    kept in a folder beside ``base``, the result, for everything that decides them: the model, the ``setting`` and ``more`` tensors.
    """
    modules = [part for part in (loaded.model, loaded.weak, loaded.decoder) if part is not None]
    weights = [tensor for part in modules for tensor in part.state_dict().values()]
    kept = {} if loaded.byte_decoder is None else loaded.byte_decoder.tensors
    setting = {**setting, "model": loaded.config.model_dump(mode="json")}
    named = fingerprint(setting, *weights, *kept.values(), *more)
    device = base.exists() and not base.is_file()
    if parallel.world == 1 and (device or not os.access(base.parent, os.W_OK)):
        yield in_turn  # nothing can be kept
        return
    name = os.fsdecode(os.fsencode(base.name)[:_NAME])
    parts = Parts(parallel, base.with_name(f"{name}.parts-{named}"))
    try:
        yield parts.each
        if parallel.rank == 0:
            parts.clear()
    finally:
        parts.close()


def once(each: Each, name: str, work: Callable[[], bytes]) -> bytes:
    """Return the result of ``work``, kept as a part of its own."""
    ((kept,),) = each(name, 1, lambda _: (torch.frombuffer(bytearray(work()), dtype=torch.uint8),))
    return kept.numpy().tobytes()
