"""Trained models by name: built from their checkpoints alone, and saved for others."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from scorefield._found import Warn, described, find, shipped_models
from scorefield._tensors import require_numbers
from scorefield.classifier import Classifier
from scorefield.config import RunConfig, describe, refusals, validate
from scorefield.errors import ConfigError
from scorefield.hub import HUB, model_card, results_table
from scorefield.interop.diffusers import is_pipeline
from scorefield.interop.diffusers_latent import read_decoder
from scorefield.likelihood import ByteDecoder
from scorefield.loaded import LoadedModel, lowered
from scorefield.metrics import Judge
from scorefield.models import NoisyModel, ScoreModel
from scorefield.networks import ADM, MLP, NCSNpp, NoisyClassifier, UNet
from scorefield.networks.precision import Precision, uses_bf16
from scorefield.preconditioning import Networked, unwrapped
from scorefield.training import checkpoint, load_weights, pick_device
from scorefield.training.export import export
from scorefield.units import UNCHANGED, Moments

__all__ = [
    "LoadedModel",
    "from_pretrained",
    "load_classifier",
    "load_judge",
    "load_model",
    "load_trained",
    "lowered",
    "save",
    "save_card",
    "save_pretrained",
    "shipped_models",
    "weighted",
]

Wanted = TypeVar("Wanted", bound=NoisyModel)


def load_model(
    name: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    *,
    precision: Precision = "fp32",
    warn: Warn = warnings.warn,
) -> LoadedModel:
    """Return the score model of a run folder, a checkpoint folder, the Hub, or one shipped with the package (`shipped_models`).

    Args:
        name: a path, a shipped model's name, or hf:ORG/NAME; a folder or a repository may be a pipeline of diffusers.
        device: where to put the model; "auto" is the GPU where there is one.
        precision: of its network; "fp32" keeps that of its weights, float64 where they are. Samples in bfloat16 take half the time of
            those in float32, and differ from them by less than the network errs; likelihoods and adaptive solvers, whose error
            estimates rounding would disturb, need float32.
        warn: called with a message for every damaged checkpoint that was passed over.

    Raises:
        ConfigError: nothing of that name, no such device, or bf16 on one without it.
        CheckpointError: found, but damaged or of another kind.
    """
    loaded = _load(name, device, warn, ScoreModel)
    return lowered(loaded) if uses_bf16(precision, pick_device(device)) else loaded


def load_trained(
    name: str | os.PathLike[str], device: torch.device | str = "cpu", *, warn: Warn = warnings.warn
) -> LoadedModel[NoisyModel]:
    """Return whatever was trained, a score model or a classifier; arguments and errors are those of `load_model`."""
    return _load(name, device, warn, NoisyModel)


def load_classifier(
    name: str | os.PathLike[str], device: torch.device | str = "cpu", *, warn: Warn = warnings.warn
) -> LoadedModel[Classifier]:
    """Return the classifier of a run folder, a checkpoint folder, or one shipped with the package.

    Arguments and errors are those of `load_model`.
    """
    return _load(name, device, warn, Classifier)


def load_judge(
    name: str | os.PathLike[str] = "mnist-judge",
    device: torch.device | str = "cpu",
    event: tuple[int, ...] | None = None,
) -> Judge:
    """Return a classifier as the judge of clean images, of shape ``event`` where that is known; the shipped one reads MNIST's digits.

    Errors are those of `load_model`, and a ConfigError of images of another shape than it reads.
    """
    trained = load_classifier(name, device)
    if event not in (None, trained.event):
        raise ConfigError(f"{name}: judges images of shape {trained.event}, and these have {event}; name another judge")
    return Judge(trained.model)


def _load(
    name: str | os.PathLike[str], device: torch.device | str, warn: Warn, wanted: type[Wanted]
) -> LoadedModel[Wanted]:
    """Return the trained model of that name, if it is a ``wanted``."""
    require_numbers()
    device = pick_device(device)
    found = find(name, warn)
    config, event = described(found)
    model = weighted(config, event, found.group("ema"), str(found.path)).to(device)
    if not isinstance(model, wanted):
        found, needed = (
            ("classifier", "score model") if isinstance(model, Classifier) else ("score model", "classifier")
        )
        raise ConfigError(f"{name}: is a {found}, where a {needed} is needed")
    if isinstance(model, ScoreModel) and "moments" in found.tensors:
        model.moments = Moments.stored(found.tensors["moments"], event)
    guide = found.tensors.get("guide")
    weak = None if guide is None else weighted(config, event, guide, str(found.path)).to(device)
    decoder = read_decoder(found.path, event[0]) if is_pipeline(found.path) else None
    decoder = None if decoder is None else decoder.to(device)
    kept = found.tensors.get("decoder")
    bytes_ = ByteDecoder.stored(model, kept) if kept is not None and isinstance(model, ScoreModel) else None
    loaded: LoadedModel[Any] = LoadedModel(
        model, config, event, found.path, weak, found.step, found.seconds, decoder, bytes_, found.seen
    )
    if config.sampling.unfitted and isinstance(model, ScoreModel):  # the run has not come to its end
        loaded = replace(loaded, config=config.model_copy(update={"sampling": loaded.sampling()}))
    return loaded


def weighted(config: RunConfig, event: tuple[int, ...], weights: Mapping[str, Tensor], source: str) -> NoisyModel:
    """Return the model that a configuration describes with the weights given, in evaluation mode; ``source`` names it in errors.

    It is in float32, and in float64 where a weight is: none is rounded.
    """
    with refusals(source):
        model = config.build_model(event)
    if any(name in weights and weights[name].dtype == torch.float64 for name, _ in model.named_parameters()):
        model.double()
    load_weights(model, weights, source)
    return model.eval()


def from_pretrained(
    name: str | Path, *, revision: str | None = None, device: torch.device | str = "cpu"
) -> LoadedModel:
    """Return the score model in a folder or, where there is no such folder, of the repository ``name`` on the Hugging Face Hub.

    Args:
        name: a folder that `save_pretrained` or training wrote, or ORG/NAME.
        revision: a branch, tag or commit of the repository.
        device: where to put the model.

    Errors are those of `load_model`. A folder is read without the network; with ``HF_HUB_OFFLINE=1`` only the Hub's cache is used.
    """
    if Path(name).is_dir() or name in shipped_models():
        return load_model(str(name), device)
    return load_model(HUB + str(name).removeprefix(HUB) + (f"@{revision}" if revision else ""), device)


def save(
    model: NoisyModel,
    folder: str | Path,
    *,
    event: tuple[int, ...] | None = None,
    name: str = "model",
    comment: str = "",
) -> None:
    """Write a model trained in Python into ``folder``, for `load_model`, the command line and others.

    Its parts, as `scorefield.config.describe` writes them, and its weights are stored; nothing is recorded of its training. Weights in
    float64 come back so, those of half precision in float32, which holds them exactly.

    Args:
        model: of a kind that configurations know (Denoiser, NoiseNet, …, Energy, Classifier), with a network of a registered kind
            (`scorefield.register`), in whatever units.
        folder: must not exist.
        event: the shape of one sample; the network's own where it has one.
        name: of the model.
        comment: kept beside it.

    Raises:
        ConfigError: a part of no registered kind, an event that cannot be read from the network, or weights that are not finite.
        CheckpointError: ``folder`` exists already.
    """
    net = getattr(model, "net", None)
    if net is None:
        raise ConfigError(f"{type(model).__name__} has no network to save; expected a Denoiser, NoiseNet, ScoreNet …")
    if isinstance(model, Networked) and unwrapped(net) is not net:
        net = unwrapped(net)
        model = model._with(net=net)
    if lost := next((name for name, p in model.named_parameters() if not torch.isfinite(p).all()), None):
        raise ConfigError(
            f"{lost} holds numbers that are not finite, of which nothing can be drawn; train the model anew"
        )
    event = _event_of(net) if event is None else (event,) if isinstance(event, int) else tuple(event)
    units = model.units or UNCHANGED
    placed = {"location": units.location.tolist(), "scale": units.scale.tolist(), "ends": units.ends}
    values = {
        "name": name,
        "comment": comment,
        "process": describe(model.process),
        "network": describe(net),
        "model": describe(model) | placed,
    }
    if isinstance(model, Classifier):
        values |= {"objective": {"kind": "cross_entropy"}, "train": {"label_dropout": 0.0}}
    config = validate(RunConfig, values, type(model).__name__)
    tensors = {"ema": model.state_dict()}
    if isinstance(model, ScoreModel) and model.moments is not None and model.moments.mean.ndim:
        tensors["moments"] = model.moments.tensors
    made = checkpoint.Checkpoint(Path(str(folder)), 0, tensors, config.kept(event))
    export(made, Path(folder), save_card)


def _event_of(net: nn.Module) -> tuple[int, ...]:
    """Return the shape of the samples that a network is built for."""
    if isinstance(net, MLP):
        return (net.dim,)
    if isinstance(net, UNet | NoisyClassifier | NCSNpp | ADM):
        return net.shape
    raise ConfigError(f"{type(net).__name__} does not tell the shape of a sample; give event=(channels, height, width)")


def save_pretrained(
    name: str | Path, folder: str | Path, *, evaluation: Mapping[str, Any] | None = None, license_id: str = "mit"
) -> None:
    """Write ``folder`` for others to load by `from_pretrained`: averaged weights, configuration and a model card.

    ``hf upload ORG/NAME FOLDER`` brings it to the Hub.

    Args:
        name: the trained model, as `load_trained` takes it.
        folder: must not exist.
        evaluation: results for the card, such as the content of an evaluation.json.
        license_id: the licence you give it, by the Hub's identifier.

    Raises:
        ConfigError: nothing of that name.
        CheckpointError: found, but damaged or of another kind; or ``folder`` exists already.
    """
    loaded = load_trained(str(name))
    found, data = checkpoint.load(loaded.source), loaded.config.data
    # Where the data were is nobody else's business; what they were called may be.
    named = data.model_copy(update={"path": data.path and Path(data.path).name, "dir": None})
    config = loaded.config.model_copy(update={"data": named}).model_dump(mode="json")
    card = partial(save_card, evaluation=evaluation, license_id=license_id)
    export(replace(found, state={**found.state, "config": config}), Path(folder), card)


def save_card(folder: str | Path, *, evaluation: Mapping[str, Any] | None = None, license_id: str = "mit") -> None:
    """Write README.md, the card of the model in ``folder``; arguments are those of `save_pretrained`."""
    loaded = load_trained(str(folder))
    card = model_card(
        loaded.config,
        loaded.event,
        parameters=loaded.parameters,
        step=loaded.step,
        seconds=loaded.seconds,
        evaluation=results_table(evaluation) if evaluation else "",
        license_id=license_id,
    )
    (Path(folder) / "README.md").write_text(card, encoding="utf-8")
