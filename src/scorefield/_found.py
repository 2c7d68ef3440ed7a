"""From what a person calls a trained model to its checkpoint.

A name is a shipped model's, the path of a run or of a checkpoint, or ``hf:ORG/NAME`` (``hf:ORG/NAME@REVISION``) on the Hugging Face Hub.
Only what begins with ``hf:`` goes to the network; `scorefield.from_pretrained` adds that itself, as users of the Hub expect.
"""

import os
import re
import shlex
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from scorefield._checks import SHIPPED
from scorefield.config import RunConfig, merge, stored, validate
from scorefield.errors import CheckpointError, ConfigError
from scorefield.hub import HUB, download
from scorefield.interop.diffusers import is_pipeline, read_pipeline
from scorefield.training import checkpoint

Warn = Callable[[str], None]


def shipped_models() -> list[str]:
    """Return the names of the models inside the package."""
    return sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()) if SHIPPED.is_dir() else []


def find(name: str | os.PathLike[str], warn: Warn) -> checkpoint.Checkpoint:
    """Return the checkpoint called ``name``; ``warn`` is called for every damaged one that was passed over.

    Raises:
        ConfigError: nothing of that name.
        CheckpointError: found, but damaged.
    """
    if not isinstance(name, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]  numbers come, whatever types say
        raise ConfigError(f"a model is named by a path or a string; received {type(name).__name__}")
    name = os.fspath(name)
    if name in shipped_models():
        return checkpoint.load(SHIPPED / name)
    path = download(name) if name.startswith(HUB) else Path(name.removeprefix("diffusers:"))
    if is_pipeline(path) or name.startswith("diffusers:"):
        return _of_pipeline(path)
    if os.path.exists(path / "manifest.json"):  # of whatever name: Path's own refuses what is too long
        return checkpoint.load(path)
    if os.path.isdir(path / "checkpoints"):
        found = checkpoint.latest(path / "checkpoints", warn)
        if found is None:
            raise CheckpointError(f"{path}: has no checkpoint yet; train it first")
        return found
    raise ConfigError(
        f"{name or 'an empty name'}: neither a run folder, nor a checkpoint, nor a shipped model "
        f"(shipped: {', '.join(shipped_models()) or 'none'}); {_meant(name, path)}"
    )


def described(found: checkpoint.Checkpoint) -> tuple[RunConfig, tuple[int, ...]]:
    """Return the configuration of a checkpoint, in today's form, and the shape of an example.

    Raises:
        CheckpointError: it has none.
    """
    values, event = found.state.get("config"), found.state.get("event")
    if not isinstance(values, dict) or not isinstance(event, list):
        raise CheckpointError(f"{found.path}: has no configuration; it was not written by a run")
    where = found.path if is_pipeline(found.path) else found.path / "state.json"
    return validate(RunConfig, stored(values), str(where)), tuple(event)


def _meant(name: str, path: Path) -> str:
    """Return a suggestion for a name under which nothing is found."""
    if os.path.isdir(path.parent / "checkpoints"):
        return f"did you mean the run {path.parent}?"
    if os.path.isfile(path):
        return f"a file of another project becomes a run by: scorefield convert {shlex.quote(name)} --out RUN"
    if near := get_close_matches(name, shipped_models(), n=1):
        return f"did you mean {near[0]}?"
    owner, _, repository = re.sub("^https?://[^/]*/", "", name).partition("/")
    theirs = repository and not re.search(r"[/~\s]", owner + repository) and owner not in ("", ".", "..", "runs")
    theirs = theirs and not os.path.exists(path)
    there = f"{owner}/{repository}" if theirs else "ORG/NAME"
    return f"a model of the Hugging Face Hub is named {HUB}{there}"


def _of_pipeline(path: Path) -> checkpoint.Checkpoint:
    """Return a pipeline of diffusers as a checkpoint of ours would be."""
    pipeline = read_pipeline(path)
    config = merge(
        RunConfig().model_dump(mode="json"),
        {"name": path.resolve().name, "data": {"kind": "path"}, **pipeline.settings},
    )
    return checkpoint.Checkpoint(path, 0, {"ema": pipeline.weights}, {"config": config, "event": list(pipeline.event)})
