"""Weights of other projects into run folders, and a run's weights into their files."""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from scorefield import advice
from scorefield.config import RunConfig, merge, refusals, to_yaml, validate
from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop import Imported, Layout, Moments, read_weights, write_weights
from scorefield.loaded import LoadedModel
from scorefield.models import NoisyModel, ScoreModel
from scorefield.preconditioning import LadderNet
from scorefield.processes import Process
from scorefield.runs.folder import RunFolder
from scorefield.training import checkpoint, environment, load_weights

__all__ = ["Brought", "bring_in", "bring_out"]

_NET = "net."  # where a LadderNet keeps its network
_LAYOUT = {"cond_refinenet": "ncsn", "ncsnv2": "ncsnv2"}
_SIZE = {1: 28, 3: 32}  # MNIST's and CIFAR-10's


class Brought(NamedTuple):
    """What was found in a file, and assumed of it.

    Attributes:
        imported: the weights, and what is known of them.
        size: height and width of the images.
        process: whose ends are those of the ladder.
    """

    imported: Imported
    size: int
    process: Process


def bring_in(
    source: Path,
    layout: Layout,
    out: Path,
    *,
    given: dict[str, Any] | None = None,
    blamed: str | None = None,
    size: int | None = None,
) -> Brought:
    """Write the folder that training would have left, from a file of another project.

    Args:
        source: the file.
        layout: whose it is.
        out: the run folder; must not exist.
        given: settings that weights do not tell.
        blamed: names where ``given`` is from in errors.
        size: height and width of the images; 28 for one channel, 32 for three.

    Raises:
        ConfigError: ``out`` exists or cannot be written, or settings do not fit the weights.
        CheckpointError: a file of another layout, or damaged.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new folder for the run")
    imported = read_weights(source, layout)
    size = _size(size, imported.network.channels)
    event, blamed = (imported.network.channels, size, size), blamed or str(source)
    config = configure(imported, given or {}, blamed)
    with refusals(blamed):
        model = config.build_model(event)
        config.build_objective()
    _write_run(out, config, event, imported.step, _groups(imported, model, source))
    return Brought(imported, size, model.process)


def _size(asked: int | None, channels: int) -> int:
    """Return the height and width of the images."""
    size = _SIZE.get(channels) if asked is None else asked
    if size is None or size < 2:
        raise ConfigError(
            f"size: expected the height and width of the images, of {channels} channel(s), at least 2; received {asked}"
        )
    return size


def configure(imported: Imported, given: dict[str, Any], source: str) -> RunConfig:
    """Return the run's configuration: what the user gave, over what the file says and the papers' settings.

    Raises:
        ConfigError: neither says how many levels there are, or what the user gave is wrong.
    """
    model = given.get("model")
    levels = imported.network.levels or (model.get("levels") if isinstance(model, dict) else None)
    if not isinstance(levels, int) or levels < 2:
        raise ConfigError(
            f"{source}: expected two or more noise levels, in the file or as model.levels of a configuration; found {levels!r}"
        )
    sigma_1, sigma_L = (1.0, 0.01) if imported.sigmas is None else _ends(imported.sigmas, source)
    ladder = {"sigma_1": sigma_1, "sigma_L": sigma_L}
    known = {
        "name": "converted",
        "process": {"kind": "ve", "sigma_min": sigma_L, "sigma_max": sigma_1},
        "network": {"kind": imported.network.kind, "ngf": imported.network.ngf},
        "model": {"kind": "ladder", "levels": levels},
        "objective": {"kind": "multilevel_dsm", **ladder, "levels": levels},
        "train": {"warmup": 0, "decay": "constant", "clip": None, "batch_size": 128, "learning_rate": 1e-3},
        "sampling": {"kind": "ald", "steps": levels, **_steps(imported, sigma_1, sigma_L, levels)},
    }
    values = merge(merge(RunConfig().model_dump(mode="json"), known), given)
    return validate(RunConfig, values, source)


def _ends(sigmas: Tensor, source: str) -> tuple[float, float]:
    """Return σ_1 and σ_L as they were written before float32 rounded them."""
    if (sigmas <= 0).any() or (sigmas.diff() >= 0).any():
        raise CheckpointError(
            f"{source}: expected noise levels that are positive and descend; found {sigmas[:3].tolist()} …; use another file"
        )
    first, last = (float(f"{value:.6g}") for value in (sigmas[0].item(), sigmas[-1].item()))
    return first, last


def _steps(imported: Imported, sigma_1: float, sigma_L: float, levels: int) -> dict[str, float]:
    """Return Langevin steps per level and their size: NCSN's, or NCSNv2's by its Technique 4."""
    if imported.network.kind == "cond_refinenet":
        return {"repeats": 100, "relative_step": 0.4}  # 2 · 2e-5 / 0.01²
    ratio = (sigma_1 / sigma_L) ** (1 / (levels - 1))
    return {"repeats": 5, "relative_step": round(2 * advice.step_size(ratio, sigma_L, 5) / sigma_L**2, 4)}


def _groups(imported: Imported, model: NoisyModel, source: Path) -> dict[str, dict[str, Tensor]]:
    """Return the groups of a checkpoint of ``model`` with the imported weights.

    Raises:
        ConfigError: a model that is no ladder.
        CheckpointError: weights or levels other than those of ``model``.
    """
    if not isinstance(model, LadderNet):
        raise ConfigError(f"{source}: weights of {imported.network.kind} need model.kind=ladder; received another")
    if imported.sigmas is not None and len(imported.sigmas) == len(model.levels):
        _check_levels(imported.sigmas, model.levels, source)
    index = {name: k for k, (name, _) in enumerate(model.net.named_parameters())}
    weights = {}
    for group, state in (("model", imported.model), ("ema", imported.ema)):
        # score-SDE keeps the levels out of its files; they are the configuration's.
        kept = {f"{_NET}{name}": buffer for name, buffer in model.net.named_buffers()}
        weights[group] = kept | {_NET + name: value for name, value in state.items()}
        load_weights(model, weights[group])
    moments = {
        f"{index[name]}.{key}": value for name, entry in imported.moments.items() for key, value in entry.items()
    }
    return {**weights, "optim": moments}


def _check_levels(found: Tensor, expected: Tensor, source: Path) -> None:
    if not torch.allclose(found.double(), expected, rtol=1e-4, atol=0.0):
        raise CheckpointError(
            f"{source}: its noise levels, {found[0]:.4g}, {found[1]:.4g} … {found[-1]:.4g}, are not the geometric ladder "
            f"{expected[0]:.4g}, {expected[1]:.4g} … {expected[-1]:.4g}; other ladders cannot be converted"
        )


def _write_run(
    out: Path, config: RunConfig, event: tuple[int, ...], step: int, tensors: dict[str, dict[str, Tensor]]
) -> None:
    """Write the folder that training would have left."""
    folder = RunFolder(out)
    extra = {"config": config.model_dump(mode="json"), "event": list(event), "seed": config.seed}
    checkpoint.save(folder.checkpoints, step, tensors, extra, keep=config.train.keep)
    folder.config.write_text(to_yaml(config), encoding="utf-8")
    folder.metrics.touch()
    (folder.path / "environment.json").write_text(json.dumps(environment(torch.device("cpu")), indent=2))


def bring_out(loaded: LoadedModel[ScoreModel], out: Path, layout: Literal["ncsn", "ncsnv2"]) -> int:
    """Write a file of another project from a run's weights; return the step they are of.

    Raises:
        ConfigError: a model of another network than the layout is for.
        CheckpointError: the file exists or cannot be written.
    """
    kind = loaded.config.network.kind
    if _LAYOUT.get(kind) != layout or not isinstance(loaded.model, LadderNet):
        raise ConfigError(
            f"{loaded.source}: a model of network {kind}; ncsn takes a ladder of cond_refinenet, ncsnv2 one of ncsnv2"
        )
    found = checkpoint.load(loaded.source)
    ema = _stripped(found.tensors["ema"])
    names = [name for name, _ in loaded.model.net.named_parameters()]
    train = loaded.config.train
    write_weights(
        out,
        layout,
        model=_ordered(loaded.model.net, _stripped(found.tensors.get("model", found.tensors["ema"]))),
        ema=_ordered(loaded.model.net, ema),
        moments=_moments(names, found.tensors.get("optim", {})),
        step=found.step,
        learning_rate=train.learning_rate,
        betas=train.betas,
    )
    return found.step


def _stripped(group: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(_NET): value for name, value in group.items()}


def _ordered(net: torch.nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` in the order of the network: an optimiser numbers parameters by it, and a checkpoint forgets it."""
    return {name: weights[name] for name in net.state_dict()}


def _moments(names: list[str], group: dict[str, Tensor]) -> Moments:
    """Return Adam's moments by the names of parameters."""
    found: Moments = {}
    for key, value in group.items():
        index, moment = key.split(".", 1)
        found.setdefault(names[int(index)], {})[moment] = value
    return found
