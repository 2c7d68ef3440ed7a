"""Which settings may change when a run is resumed; and what a run has in common with its test examples and with what it starts from."""

from typing import Any

from scorefield._found import described
from scorefield.config import RunConfig
from scorefield.config.data import DataConfig
from scorefield.data import Dataset
from scorefield.errors import ConfigError
from scorefield.loaded import LoadedModel
from scorefield.models import NoisyModel
from scorefield.training.checkpoint import Checkpoint

FREE = frozenset(
    {
        *("comment", "sampling", "guide.weight", "guide.interval", "data.dir"),
        *("train.device", "train.sharding", "train.keep"),
        *("train.log_every", "train.checkpoint_every", "train.sample_every"),
    }
)
"""What may differ between a run and its resumption: nothing of it changes a step before the checkpoint."""


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Return "key: old → new" for every setting that differs and matters."""
    found: list[str] = []
    for key in sorted({*old, *new}):
        name, before, after = prefix + key, old.get(key), new.get(key)
        if name in FREE or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, name + ".")
        else:
            found.append(f"{name}: {before!r} → {after!r}")
    return found


def changed(found: Checkpoint, config: RunConfig) -> list[str]:
    """Return "key: old → new" for every setting that matters and is another than when the checkpoint was written."""
    before = described(found)[0].model_dump(mode="json")
    # A run that took no step yet has none.
    before["train"]["generator"] = before["train"]["generator"] or config.train.generator
    return differences(before, config.model_dump(mode="json"))


def require_alike(config: DataConfig, data: Dataset) -> None:
    """Refuse examples of one's own to test with, before the training, that are not of the data's shape or lack its columns."""
    if config.test is None:
        return
    test = config.model_copy(update={"columns": data.columns and list(data.columns)}).load(train=False)
    if test.event != data.event:
        raise ConfigError(
            f"data.test: {config.test} has examples of shape {test.event}; data.path has {data.event}: test with examples of the same kind"
        )


def start_of(
    config: RunConfig, pretrained: LoadedModel[NoisyModel] | None, teacher: LoadedModel | None
) -> LoadedModel[NoisyModel] | None:
    """Return the trained model whose weights a run starts from: the one it names, else a teacher that has its network."""
    if config.pretrained is None:
        return teacher if teacher is not None and teacher.config.network == config.network else None
    if pretrained is None:
        raise ConfigError(
            f"pretrained={config.pretrained}: give the run that model, load_trained({config.pretrained!r})"
        )
    known, asked = (
        each.model_dump(mode="json", include={"process", "network", "model"}) for each in (pretrained.config, config)
    )
    if known["network"].get("classes") is None:
        known["network"]["classes"] = asked["network"].get("classes")  # which are new
    if changes := differences(known, asked):
        raise ConfigError(
            f"pretrained={config.pretrained}: {'; '.join(changes)}; a run has those of the model it starts from: leave out what differs"
        )
    return pretrained
