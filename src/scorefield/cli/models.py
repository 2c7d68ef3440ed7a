"""Finding a model by what a person calls it, and building it from its checkpoint alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch

from scorefield._errors import CheckpointError, ConfigError
from scorefield.cli.console import warn
from scorefield.config import RunConfig, validate
from scorefield.models import ScoreModel
from scorefield.training import checkpoint, load_weights

__all__ = ["LoadedModel", "load_model", "refusals", "shipped_models"]


class LoadedModel(NamedTuple):
    """A model ready to sample: averaged weights, evaluation mode."""

    model: ScoreModel
    config: RunConfig
    event: tuple[int, ...]
    source: Path


def load_model(name: str, device: torch.device) -> LoadedModel:
    """Return the model of a run folder, a checkpoint folder, or one shipped with the package.

    Raises:
        ConfigError: nothing of that name.
        CheckpointError: found, but damaged or of another kind.
    """
    found = _find(name)
    values = found.state.get("config")
    event = found.state.get("event")
    if not isinstance(values, dict) or not isinstance(event, list):
        raise CheckpointError(f"{found.path}: has no configuration; it was not written by scorefield train")
    config = validate(RunConfig, values, f"{found.path}/state.json")
    with refusals(str(found.path)):
        model = config.build_model(tuple(event))
    load_weights(model, found.tensors["ema"])
    return LoadedModel(model.to(device).eval(), config, tuple(event), found.path)


def shipped_models() -> list[str]:
    """Return the names of the models inside the package."""
    folder = Path(str(files("scorefield"))) / "weights"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@contextmanager
def refusals(source: str) -> Iterator[None]:
    """Turn the ValueErrors with which constructors refuse settings into configuration errors that name their source."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{source}: {error}") from error


def _find(name: str) -> checkpoint.Checkpoint:
    if name in shipped_models():
        return checkpoint.load(Path(str(files("scorefield"))) / "weights" / name)
    path = Path(name)
    if (path / "manifest.json").exists():
        return checkpoint.load(path)
    if (path / "checkpoints").is_dir():
        found = checkpoint.latest(path / "checkpoints", warn)
        if found is None:
            raise CheckpointError(f"{path}: has no checkpoint yet; train it with scorefield train --run {path}")
        return found
    known = ", ".join(shipped_models()) or "none"
    raise ConfigError(f"{name}: neither a run folder, nor a checkpoint, nor a shipped model (shipped: {known})")
