"""Weights of other projects into run folders, and a run's weights into their files."""

from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from scorefield._replacing import replacing, unwritten
from scorefield.config.migrate import named
from scorefield.errors import ConfigError
from scorefield.interop import Moments, Weights, write_score_sde, write_weights
from scorefield.interop.diffusers_out import write_pipeline
from scorefield.interop.score_sde_file import require_score_sde
from scorefield.loaded import LoadedModel
from scorefield.networks import NCSNpp
from scorefield.preconditioning import LadderNet, Networked
from scorefield.runs.brought import NET, Brought
from scorefield.runs.folder import RunFolder
from scorefield.runs.ladders import bring_ladder
from scorefield.runs.published import bring_diffusers, bring_edm, bring_score_sde
from scorefield.training import checkpoint

In = Literal["ncsn", "ncsnv2", "score_sde", "edm", "diffusers"]
Out = Literal["ncsn", "ncsnv2", "score_sde", "diffusers"]
_NETWORK: dict[Out, str] = {"ncsn": "cond_refinenet", "ncsnv2": "ncsnv2", "score_sde": "ncsnpp", "diffusers": "unet2d"}


def bring_in(
    source: Path,
    layout: In,
    out: Path,
    *,
    given: dict[str, Any] | None = None,
    blamed: str | None = None,
    size: int | None = None,
) -> Brought:
    """Write the folder that training would have left, from a file of another project.

    Args:
        source: the file; of diffusers, a folder.
        layout: which project's.
        out: the run folder; must not exist.
        given: settings that the weights do not contain (`scorefield.runs.published.settings`). Weights of score_sde are those of NCSN or
            NCSNv2 unless these name network.kind=ncsnpp.
        blamed: what errors call the source of ``given``.
        size: height and width of the images; 28 for one channel, 32 for three.

    Raises:
        ConfigError: ``out`` exists or cannot be written, or settings do not fit the weights.
        CheckpointError: a file of another layout, or damaged.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new folder for the run")
    given, blamed = given or {}, blamed or str(source)
    if layout == "edm":
        brought = bring_edm(source, given, blamed)
    elif layout == "diffusers":
        brought = bring_diffusers(source, given, blamed)
    elif layout == "score_sde" and named(given.get("network")).get("kind") == "ncsnpp":
        brought = bring_score_sde(source, given, blamed, size)
    else:
        brought = bring_ladder(source, layout, given, blamed, size)
    _write_run(out, brought)
    return brought


def _write_run(out: Path, brought: Brought) -> None:
    """Write the folder that training would have left."""
    config = brought.config
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as place:
            folder = RunFolder(place)
            checkpoint.save(
                folder.checkpoints, brought.step, brought.tensors, config.kept(brought.event), keep=config.train.keep
            )
            folder.begin(config, torch.device("cpu"), step=0)
            folder.metrics.touch()
    except OSError as error:
        raise ConfigError(str(unwritten(out, error))) from error


def bring_out(loaded: LoadedModel, out: Path, layout: Out) -> int:
    """Write a file of another project from a run's weights; return the step they are of."""
    kind, model = loaded.config.network.kind, loaded.model
    if _NETWORK[layout] != kind or not isinstance(model, LadderNet if layout in ("ncsn", "ncsnv2") else Networked):
        raise ConfigError(
            f"{loaded.source}: a model of network {kind}; ncsn takes a ladder of cond_refinenet, ncsnv2 one of ncsnv2, "
            "score_sde a model of ncsnpp, diffusers one of unet2d"
        )
    found = checkpoint.load(loaded.source)
    train = loaded.config.train
    adam = {"learning_rate": train.learning_rate, "betas": train.betas}
    weights = Weights(
        found.tensors.get("score_sde", {}).get("sigmas"),
        found.step,
        _ordered(model.net, found.tensors.get("model", found.group("ema"))),
        _ordered(model.net, found.group("ema")),
        averaged=True,
        moments=_moments([name for name, _ in model.net.named_parameters()], found.tensors.get("optim", {})),
    )
    sections = loaded.config.model_dump(mode="json")
    if layout == "score_sde":
        require_score_sde(sections)
        write_score_sde(out, cast(NCSNpp, model.net), weights, **adam, decay=train.ema_decay)
    elif layout == "diffusers":
        write_pipeline(out, sections, {name.removeprefix("unet."): value for name, value in weights.ema.items()})
    else:
        write_weights(
            out, layout, model=weights.model, ema=weights.ema, moments=weights.moments, step=weights.step, **adam
        )
    return found.step


def _ordered(net: torch.nn.Module, group: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in the order of the network: an optimiser numbers parameters by it, and a checkpoint forgets it."""
    return {name: group[NET + name] for name in net.state_dict()}


def _moments(names: list[str], group: dict[str, Tensor]) -> Moments:
    """Return Adam's moments by the names of parameters."""
    found: Moments = {}
    for key, value in group.items():
        index, moment = key.split(".", 1)
        found.setdefault(names[int(index)], {})[moment] = value
    return found
