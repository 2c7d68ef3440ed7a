"""What the checkpoint files of NCSN, NCSNv2 and score-SDE hold, and where.

    ncsn        [model, optimizer]
    ncsnv2      [model, optimizer, epoch, step] and, with averaging, the averaged parameters by name
    score_sde   {model, optimizer, step, ema: {shadow_params, ...}}, the averaged parameters a list in the model's order; what was
                left out of it but model and step is done without

A file of the model alone is read too. Their model is a state dict, often with ``module.`` before every name. Of two networks,
`scorefield.networks.CondRefineNet` and `scorefield.networks.NCSNv2Net` on images in [0, 1], names tell which one a file holds, and shapes
of tensors its sizes. Those of score_sde_pytorch itself, `scorefield.networks.NCSNpp`, are read elsewhere
(`scorefield.interop.score_sde_file`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop import torch_file
from scorefield.interop.recognition import BUFFER, Recognized, recognize

Layout = Literal["ncsn", "ncsnv2", "score_sde"]
Moments = dict[str, dict[str, Tensor]]  # Adam's step, exp_avg and exp_avg_sq, by the name of the parameter

PREFIX = "module."  # of torch.nn.DataParallel, in which the references wrap their networks
_EXPECTED = {
    "ncsn": "a list [model, optimizer]",
    "ncsnv2": "a list [model, optimizer, epoch, step] or [model, optimizer, epoch, step, ema]",
    "score_sde": "a dict with model, ema, optimizer and step",
}


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights from another project, under the names of the scorefield network that they fit.

    Attributes:
        sigmas: its noise levels, where the file has them.
        step: optimiser steps taken.
        model: the weights.
        ema: the averaged weights, to sample with; ``model`` itself where nothing was averaged.
        averaged: whether ``ema`` is an average.
        moments: Adam's; empty where the file's do not fit its weights.
    """

    sigmas: Tensor | None
    step: int
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    averaged: bool
    moments: Moments


@dataclass(frozen=True, eq=False)
class Imported(Weights):
    """Weights, and the network that they are of.

    Attributes:
        network: its kind and sizes.
    """

    network: Recognized


class Parts(NamedTuple):
    """A file taken apart, its tensors not yet looked at."""

    model: object
    optimizer: object
    step: int | None
    ema: object  # a dict by name, a list in the model's order, or None


def read_weights(path: Path, layout: Layout) -> Imported:
    """Return the weights in a checkpoint of another project; nothing in the file is executed.

    Raises:
        CheckpointError: the file cannot be read as plain data, has another layout, or holds a network that is not supported.
    """
    parts = take_apart(path, layout, torch_file.read(path))
    model = state_dict(path, "model", parts.model)
    parameters = {name: value for name, value in model.items() if name != BUFFER}
    network = recognize(path, model)
    averaged = None if parts.ema is None else averages(path, parts.ema, parameters)
    moments = adam_moments(parts.optimizer, parameters)
    step = max((int(entry["step"]) for entry in moments.values()), default=0) if parts.step is None else parts.step
    ema = model if averaged is None else {**model, **averaged}
    return Imported(model.get(BUFFER), step, model, ema, averaged is not None, moments, network)


def write_weights(
    path: Path,
    layout: Literal["ncsn", "ncsnv2"],
    *,
    model: Mapping[str, Tensor],
    ema: Mapping[str, Tensor],
    moments: Moments,
    step: int,
    learning_rate: float,
    betas: tuple[float, float],
) -> None:
    """Write weights as the checkpoint of another project.

    ``ncsn`` has room for one set of weights: the averaged ones, which samples are drawn with.

    Raises:
        CheckpointError: the file exists or cannot be written.
    """
    names = [name for name in model if name != BUFFER]
    optimizer = adam_state(names, moments, learning_rate, betas)
    if layout == "ncsn":
        value: list[object] = [prefixed(ema), optimizer]
    else:
        value = [prefixed(model), optimizer, 0, step, {name: ema[name] for name in names}]
    torch_file.write(path, value)


def adam_state(
    names: list[str], moments: Moments, learning_rate: float, betas: tuple[float, float]
) -> dict[str, object]:
    """Return the state of Adam, which numbers parameters in the order of their names."""
    state = {index: moments[name] for index, name in enumerate(names) if name in moments}
    group = {"lr": learning_rate, "betas": betas, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False}
    return {"state": state, "param_groups": [{**group, "params": list(range(len(names)))}]}


def require_settings(
    settings: Mapping[str, Mapping[str, Any]], needed: Mapping[str, Mapping[str, tuple[object, ...]]], whose: str
) -> None:
    """Refuse a configuration of which another project's files cannot hold the model, by the first setting that is another."""
    for section, known in needed.items():
        for name, values in known.items():
            if (found := settings[section].get(name)) not in values:
                expected = " or ".join(map(str, values))
                raise ConfigError(f"{section}.{name}: expected {expected}, as {whose} has it; received {found}")


def prefixed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with ``module.`` before every name."""
    return {PREFIX + name: value for name, value in state.items()}


def take_apart(path: Path, layout: Layout, value: object) -> Parts:
    """Return the parts of a file of this layout."""
    match layout, value:
        case "ncsn", [model, optimizer]:
            return Parts(model, optimizer, None, None)
        case "ncsnv2", [model, optimizer, int(), int(step)]:
            return Parts(model, optimizer, step, None)
        case "ncsnv2", [model, optimizer, int(), int(step), ema]:
            return Parts(model, optimizer, step, ema)
        case "score_sde", {
            "model": model,
            "step": int(step),
            "ema": {"shadow_params": list() | tuple() as ema},
            **more,
        }:
            return Parts(model, more.get("optimizer"), step, list(ema))
        case "score_sde", {"model": model, "step": int(step), **more} if "ema" not in more:
            return Parts(model, more.get("optimizer"), step, None)
        case _, {**state} if state and all(isinstance(value, Tensor) for value in state.values()):
            return Parts(state, {}, 0, None)
    raise CheckpointError(
        f"{path}: expected {_EXPECTED[layout]}, or a state dict alone; found {torch_file.said(value)}; choose another layout"
    )


def state_dict(path: Path, what: str, value: object) -> dict[str, Tensor]:
    """Return finite float tensors by name, without the names' prefix."""
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected tensors by name as the {what}; found {torch_file.said(value)}")
    found: dict[str, Tensor] = {}
    for name, tensor in value.items():
        dense = isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.layout == torch.strided
        if not (isinstance(name, str) and dense):
            raise CheckpointError(
                f"{path}: expected tensors of numbers in the {what}; found {name!r}: {torch_file.said(tensor)}"
            )
        if not torch.isfinite(torch_file.stored_whole(path, name, tensor)).all():
            raise CheckpointError(f"{path}: {name} in the {what} is not finite: its training had diverged; use another")
        found[name.removeprefix(PREFIX)] = tensor.detach().float()
    return found


def averages(path: Path, ema: object, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the averaged parameters by name."""
    if isinstance(ema, list):
        ema = dict(zip(parameters, ema, strict=False)) if len(ema) == len(parameters) else {}
    found = state_dict(path, "averaged weights", ema)
    if {name: value.shape for name, value in found.items()} != {n: value.shape for n, value in parameters.items()}:
        raise CheckpointError(f"{path}: the averaged weights are not those of its model; use a file written whole")
    return found


def adam_moments(optimizer: object, parameters: Mapping[str, Tensor], fixed: Collection[str] = ()) -> Moments:
    """Return Adam's moments, or nothing unless there are some for every parameter that is not ``fixed``, of its shape."""
    state = optimizer.get("state") if isinstance(optimizer, dict) else None
    trained = {index: name for index, name in enumerate(parameters) if name not in fixed}
    if not isinstance(state, dict) or set(state) != set(trained):
        return {}
    found = {name: _moment(state[index], parameters[name].shape) for index, name in trained.items()}
    return {} if None in found.values() else {name: entry for name, entry in found.items() if entry is not None}


def _moment(entry: object, shape: torch.Size) -> dict[str, Tensor] | None:
    """Return one parameter's moments, or None if they are not Adam's or of another shape."""
    match entry:
        case {
            "step": int() | float() | Tensor() as step,
            "exp_avg": Tensor() as first,
            "exp_avg_sq": Tensor() as second,
        }:
            step = torch.as_tensor(step, dtype=torch.float32)
            if step.ndim == 0 and step.isfinite() and first.shape == second.shape == shape:
                return {"step": step, "exp_avg": first.float(), "exp_avg_sq": second.float()}
    return None
