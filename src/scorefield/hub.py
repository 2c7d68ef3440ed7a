"""The Hugging Face Hub: a model's name there, its files on this machine, and the card that says what it is.

A repository holds what `save_pretrained` writes: a checkpoint of averaged weights (safetensors, state.json, manifest.json) and README.md.
Nothing else is downloaded, nothing is executed, and every file is held to the manifest's SHA-256.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import scorefield
from scorefield.config import RunConfig, to_yaml
from scorefield.errors import ConfigError
from scorefield.interop.diffusers import is_pipeline
from scorefield.metrics import Estimate

__all__ = ["HUB", "download", "model_card", "results_table"]

HUB = "hf:"
"""What a name on the Hub begins with: a path can look like ORG/NAME, and a mistyped path should not be looked up in public."""

_NAME = re.compile(rf"{HUB}([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?", re.ASCII)
_FILES = ["manifest.json", "state.json", "*.safetensors", "README.md", "*config.json", "model_index.json"]
_DATASETS = ("mnist", "fashion_mnist")  # those the Hub knows by the names used here


def download(name: str) -> Path:
    """Return the folder of ``hf:ORG/NAME``, or ``hf:ORG/NAME@REVISION``, in the Hub's cache, fetching what is missing or out of date.

    As for every client of the Hub, ``HF_HOME`` says where the cache is; with ``HF_HUB_OFFLINE=1`` nothing but the cache is used.

    Raises:
        ConfigError: not such a name, nothing there, or the Hub cannot be reached and the cache does not have it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *args: object, **settings: object) -> None:
            disable = settings.pop("disable", None) or None  # None: shown on a terminal alone
            super().__init__(*args, **settings, disable=disable)

    found = _NAME.fullmatch(name)
    if found is None or ".." in name:
        raise ConfigError(
            f"{name}: expected a folder that exists, or hf:ORG/NAME (hf:ORG/NAME@REVISION) of the Hugging Face Hub"
        )
    repository, revision = found.groups()
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=_FILES, tqdm_class=Bar))
    except Exception as error:  # a network's errors are those of whatever library carries it
        raise ConfigError(
            f"{name}: the Hub gave no such model, and its cache has none ({_reason(error)}); check name, connection and "
            f"HF_HUB_OFFLINE, log in to what is private (hf auth login), fetch it where there is a network (hf download {repository}), "
            "or name a folder"
        ) from error
    if not (folder / "manifest.json").exists() and not is_pipeline(folder):
        raise ConfigError(
            f"{name}: holds neither a manifest.json, as models of scorefield.save_pretrained do, nor a pipeline of diffusers"
        )
    return folder


def _reason(error: Exception) -> str:
    """Return the gist of an error on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:200]


def model_card(
    config: RunConfig,
    event: tuple[int, ...],
    *,
    parameters: int,
    step: int,
    seconds: float | None,
    evaluation: str,
    license_id: str,
    name: str = HUB + "ORG/NAME",
) -> str:
    """Return README.md of a model: a header that the Hub reads, then what was trained, how, and how to use it.

    Args:
        config: of the run.
        event: shape of one sample.
        parameters: how many the network has.
        step: optimiser steps behind the weights.
        seconds: of training, where known.
        evaluation: what was measured, in Markdown (`results_table`); empty where nothing was.
        license_id: the Hub's identifier of the licence, such as mit or apache-2.0.
        name: by which the commands know the model.
    """
    from huggingface_hub import ModelCard, ModelCardData

    reads = config.model.kind == "classifier"
    task = "image-classification" if reads else "unconditional-image-generation"
    data = ModelCardData(
        library_name="scorefield",
        license=license_id,
        tags=["score-based-generative-modelling", config.process.kind, config.network.kind],
        datasets=[config.data.kind] if config.data.kind in _DATASETS else None,
        pipeline_tag=task if len(event) == 3 else None,
    )
    start = "" if config.pretrained is None else f" from the weights of {config.pretrained}"
    duration = "" if seconds is None else f", {seconds / 60:.1f} minutes"
    facts = {
        "data": ", ".join(f"{key} {value}" for key, value in config.data.model_dump(exclude_none=True).items()),
        "one sample": "×".join(map(str, event)),
        "model": f"{config.model.kind} of {config.network.kind}, {parameters:,} parameters",
        "process": ", ".join(f"{key} {value}" for key, value in config.process.model_dump().items()),
        "trained": f"{step} steps of {config.train.batch_size}{start}, seed {config.seed}{duration}",
        "weights": f"averaged, decay {config.train.ema_decay}" if config.train.ema_decay else "of the last step",
        "licence": license_id,
        "saved by": f"scorefield {scorefield.__version__}",
    }
    what = _SCORE if config.teacher is None else _DISTILLED.format(teacher=config.teacher)
    body = _BODY.format(
        title=config.name,
        comment=f"{config.comment}\n\n" if config.comment else "",
        use=(_READING if reads else _DRAWING).format(name=name, what=what),
        facts=_table(facts),
        evaluation=f"## Evaluation\n\n{evaluation}\n\n" if evaluation else "",
        config=to_yaml(config).strip(),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def results_table(results: Mapping[str, Any]) -> str:
    """Return results, nested as they may be, as a table; a ``{"value": …, "error": …}`` is shown as value ± error."""
    return _table(dict(_flat(results)))


def _table(rows: Mapping[str, object]) -> str:
    lines = (f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(value: object) -> str:
    """Return text that stays in its cell."""
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the leaves of nested results with the path to each."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping) and value.keys() >= {"value", "error"}:
            yield name, str(Estimate(value["value"], value["error"]))
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(_cell, value))
        else:
            yield name, value


_SCORE = """A score model: it knows E[x_0 | x_t] at every noise level, and with it ∇ log p_t, for any sampler of
scorefield."""
_DISTILLED = """Distilled from {teacher}: it takes each stretch of the probability flow in one evaluation, along its own grid
alone. It knows no score; for likelihoods and restorations ask its teacher."""

_DRAWING = """{what}

```python
import scorefield as sf

drawn = sf.from_pretrained("{name}").sample(64, seed=0)  # or a folder with its files; drawn.x holds the samples
```

```sh
scorefield sample {name} -n 64 --out samples.png
```"""

_READING = """A classifier of noisy data: it knows log p(class | x_t) at every noise level, with which
scorefield steers a score model, or reads clean images.

```python
import scorefield as sf

classifier = sf.load_classifier("{name}").model  # ClassifierGuided takes it
judge = sf.load_judge("{name}")  # judge.probabilities(images), judge.features(images)
```

```sh
scorefield evaluate {name}
```"""

_BODY = """# {title}

{comment}{use}

## What it is

{facts}

{evaluation}## Configuration

`scorefield train --config` takes it and trains the model again.

```yaml
{config}
```
"""
