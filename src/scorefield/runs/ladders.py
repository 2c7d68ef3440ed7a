"""Checkpoints of NCSN and NCSNv2, by whichever project they were written, as runs."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorefield import advice
from scorefield.config import RunConfig, refusals
from scorefield.errors import CheckpointError, ConfigError
from scorefield.grids import ends
from scorefield.interop import Imported, Layout, read_weights
from scorefield.preconditioning import LadderNet
from scorefield.runs.brought import Brought, completed, groups, sized


def bring_ladder(source: Path, layout: Layout, given: dict[str, Any], blamed: str, size: int | None) -> Brought:
    """Return the run in a file; arguments and errors are those of `scorefield.runs.foreign.bring_in`."""
    imported = read_weights(source, layout)
    network = imported.network
    size = sized(size, network.channels)
    config = _configured(imported, given, blamed)
    event = (network.channels, size, size)
    with refusals(blamed):
        model = config.build_model(event)
        config.build_objective()
    if not isinstance(model, LadderNet):
        raise ConfigError(f"{source}: weights of {network.kind} need model.kind=ladder; received another")
    if imported.sigmas is not None and len(imported.sigmas) == len(model.levels):
        _check_levels(imported.sigmas, model.levels, source)
    return Brought(
        config,
        event,
        imported.step,
        groups(model, imported),
        f"{network.kind} of ngf {network.ngf}",
        averaged=imported.averaged,
        kept=bool(imported.moments),
        size=size,
        ends=ends(model.process) if imported.sigmas is None else None,
    )


def _configured(imported: Imported, given: dict[str, Any], source: str) -> RunConfig:
    """Return the run's configuration: what the user gave, over what the file says and the papers' settings."""
    model = given.get("model")
    levels = imported.network.levels or (model.get("levels") if isinstance(model, dict) else None)
    if not isinstance(levels, int) or levels < 2:
        raise ConfigError(
            f"{source}: expected two or more noise levels, in the file or as model.levels of a configuration; found {levels!r}"
        )
    sigma_1, sigma_L = (1.0, 0.01) if imported.sigmas is None else _ends(imported.sigmas, source)
    ladder = {"sigma_1": sigma_1, "sigma_L": sigma_L}
    network: dict[str, Any] = {"kind": imported.network.kind, "ngf": imported.network.ngf}
    if network["kind"] == "ncsnv2":
        network["stages"] = imported.network.stages
    known = {
        "process": {"kind": "ve", "sigma_min": sigma_L, "sigma_max": sigma_1},
        "network": network,
        "model": {"kind": "ladder", "levels": levels},
        "objective": {"kind": "multilevel_dsm", **ladder, "levels": levels},
        "train": {"warmup": 0, "decay": "constant", "clip": None, "batch_size": 128, "learning_rate": 1e-3},
        "sampling": {"kind": "ald", "steps": levels, **_steps(imported, sigma_1, sigma_L, levels)},
    }
    return completed(known, given, source)


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


def _check_levels(found: Tensor, expected: Tensor, source: Path) -> None:
    if not torch.allclose(found.double(), expected, rtol=1e-4, atol=0.0):
        raise CheckpointError(
            f"{source}: its noise levels, {found[0]:.4g}, {found[1]:.4g} … {found[-1]:.4g}, are not the geometric ladder "
            f"{expected[0]:.4g}, {expected[1]:.4g} … {expected[-1]:.4g}; other ladders cannot be converted"
        )
