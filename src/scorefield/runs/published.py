"""Networks of score_sde_pytorch, EDM and diffusers as runs: their files, or the name of a published configuration, describe them."""

import os
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from scorefield.config import RunConfig, describe, read_yaml, refusals
from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop import Weights, read_score_sde
from scorefield.interop.diffusers import read_pipeline
from scorefield.interop.diffusers_latent import autoencoder_of
from scorefield.interop.edm import from_edm, network_of_edm, settings_of_edm
from scorefield.interop.edm_file import read_edm
from scorefield.interop.score_sde_config import PUBLISHED, read_score_sde_config, run_of_score_sde
from scorefield.networks import NCSNpp
from scorefield.preconditioning import Networked
from scorefield.runs.brought import Brought, completed, groups, sized

_EDM_LICENCE = (
    "CC BY-NC-SA 4.0, as all weights of EDM are: to share and adapt with attribution, alike, and not for money"
)


def settings(name: str) -> dict[str, Any]:
    """Return the settings that the name of a published configuration, a file of score_sde_pytorch's or a YAML of ours stands for."""
    if name in PUBLISHED:
        return run_of_score_sde(PUBLISHED[name])
    path = Path(name)
    if path.suffix == ".py":
        return run_of_score_sde(read_score_sde_config(path))
    if not os.path.exists(path) and path.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"{name}: expected a file of YAML, a configuration file of score_sde_pytorch, or one of {', '.join(PUBLISHED)}; found none"
        )
    return read_yaml(path)


def bring_score_sde(source: Path, given: dict[str, Any], blamed: str, size: int | None) -> Brought:
    """Return the run in a checkpoint of score_sde_pytorch; arguments and errors are those of `scorefield.runs.foreign.bring_in`."""
    file = read_score_sde(source)
    config = completed({}, given, blamed)
    edge = sized(size or config.data.size, file.channels)
    event = (file.channels, edge, edge)
    model = _built(config, event, blamed)
    net = cast(NCSNpp, model.net)
    weights = file.weights(net)
    tensors = groups(model, weights)
    if weights.sigmas is not None:  # of no use here, kept to be given back
        tensors["score_sde"] = {"sigmas": weights.sigmas}
    return Brought(
        config,
        event,
        weights.step,
        tensors,
        _said(net),
        averaged=weights.averaged,
        kept=bool(weights.moments),
    )


def bring_edm(source: Path, given: dict[str, Any], blamed: str) -> Brought:
    """Return the run in a pickle of EDM; arguments and errors are those of `scorefield.runs.foreign.bring_in`."""
    file = read_edm(source)
    try:
        known = settings_of_edm(file.precond, file.arguments)
        with torch.device("meta"):  # whatever size the file claims, until its weights have it
            net = network_of_edm(file.arguments, file.precond, parts=len(file.state))
        weights = from_edm(net, file.state)
    except (ConfigError, CheckpointError) as error:
        raise type(error)(f"{source}: {error}") from error
    except (
        KeyError,
        TypeError,
        ValueError,
        ArithmeticError,
        RuntimeError,
    ) as error:  # whatever arguments that make no sense lead to
        raise CheckpointError(f"{source}: expected the arguments of a network of EDM; found {error!r}") from error
    config = completed(_trainable({**known, "network": describe(net)}), given, blamed)
    model = _built(config, net.shape, blamed)
    state = {**model.net.state_dict(), **weights}
    return Brought(config, net.shape, 0, groups(model, _averages(state)), _said(net), licence=_EDM_LICENCE)


def bring_diffusers(source: Path, given: dict[str, Any], blamed: str) -> Brought:
    """Return the run in a folder of diffusers; arguments and errors are those of `scorefield.runs.foreign.bring_in`."""
    if autoencoder_of(source) is not None:
        raise ConfigError(f"{source}: a latent pipeline cannot become a run; draw from it as diffusers:{source}")
    pipeline = read_pipeline(source)
    config = completed(_trainable({"data": {"kind": "path"}, **pipeline.settings}), given, blamed)
    model = _built(config, pipeline.event, blamed)
    weights = _averages({name.removeprefix("net."): value for name, value in pipeline.weights.items()})
    return Brought(config, pipeline.event, 0, groups(model, weights), _said(model.net))


def _trainable(known: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the objective that models of noise, score, velocity or data are trained with."""
    plain = {"kind": "dsm", "times": "uniform", "weight": "sigma"}
    return known if known["model"]["kind"] == "denoiser" else {**known, "objective": plain}


def _averages(state: dict[str, Tensor]) -> Weights:
    """Return averaged weights whose decay is not known; they are those to sample with."""
    return Weights(None, 0, state, state, averaged=True, moments={})


def _built(config: RunConfig, event: tuple[int, ...], blamed: str) -> Networked:
    """Return the model of a configuration, which can be trained too."""
    with refusals(blamed):
        model = config.build_model(event)
        config.build_objective()
    if not isinstance(model, Networked):
        raise ConfigError(
            f"{blamed}: expected a model of a score around a network; received model.kind={config.model.kind}"
        )
    return model


def _said(net: nn.Module) -> str:
    return f"{type(net).__name__} of {sum(p.numel() for p in net.parameters()):,} parameters"
