"""Checkpoint files as other projects write them, of networks small enough for a test."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from scorefield import CondRefineNet, NCSNv2Net, geometric
from scorefield.interop.score_sde import settings_of_score_sde, to_score_sde
from scorefield.networks import NCSNpp

LEVELS = geometric(5.0, 0.01, 6)
SHARED = {"nf": 8, "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [4], "image_size": 8, "num_channels": 3}
SMALL: dict[str, dict[str, Any]] = {
    "small ncsn++ of ve": {"sde": "vesde", "centered": False, "scale_by_sigma": True},
    "small ddpm++ of vp": {
        "sde": "vpsde",
        "centered": True,
        "embedding_type": "positional",
        "fir": False,
        "progressive_input": "none",
    },
    "small ncsn++ of subvp": {"sde": "subvpsde", "centered": True, "embedding_type": "positional"},
    "small ddpm": {"sde": "vpsde", "centered": True, "name": "ddpm", "nf": 32},
    "small, as on ffhq": {
        "sde": "vesde",
        "centered": False,
        "progressive": "output_skip",
        "progressive_input": "input_skip",
    },
}


def network(kind: str, channels: int = 1) -> nn.Module:
    torch.manual_seed(3)
    return CondRefineNet(channels, 6, 2) if kind == "cond_refinenet" else NCSNv2Net(channels, LEVELS, 2)


def trained(net: nn.Module) -> dict:
    """Take two steps as the references do, wrapped in DataParallel; return the optimiser's state."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = torch.rand(2, net.begin_conv.in_channels, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        optimizer.zero_grad()
        net(x, torch.tensor([0, 5])).square().mean().backward()
        optimizer.step()
    return optimizer.state_dict()


def state(net: nn.Module, prefix: str = "module.") -> "OrderedDict[str, Tensor]":
    return OrderedDict((prefix + name, value) for name, value in net.state_dict().items())


def shadow(net: nn.Module) -> dict[str, Tensor]:
    """An average of the parameters that is not the parameters."""
    return {name: 0.5 * parameter.detach() for name, parameter in net.named_parameters()}


def contents(layout: str, net: nn.Module) -> object:
    """What a file of this layout holds."""
    optimizer = trained(net)
    if layout == "ncsn":
        return [state(net), optimizer]
    if layout == "ncsnv2":
        return [state(net), optimizer, 7, 2, shadow(net)]
    model = state(net)
    model.pop("module.sigmas", None)  # score-SDE keeps the levels as an attribute
    ema = {"decay": 0.999, "num_updates": 2, "shadow_params": list(shadow(net).values())}
    return {"optimizer": optimizer, "model": model, "ema": ema, "step": 2}


def write(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def small(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration of a network of score_sde_pytorch, and random weights under its names."""
    meta = {**SHARED, **SMALL[name]}
    net = NCSNpp(3, 8, **settings_of_score_sde(meta, centered=meta["centered"]))
    weights = {key: torch.randn_like(value) / 8 for key, value in net.state_dict().items()}
    return meta, {"sigmas": torch.rand(5, dtype=torch.float64), **to_score_sde(net, weights)}


def checkpoint(state: dict[str, Tensor]) -> dict[str, Any]:
    """Return a checkpoint as score_sde_pytorch writes it, its averages ``state``: frequencies are a parameter that is not trained."""
    parameters = {name: value for name, value in state.items() if name != "sigmas"}
    trained = [name != "all_modules.0.W" for name in parameters]
    moments = {
        index: {"step": torch.tensor(7.0), "exp_avg": torch.randn_like(value), "exp_avg_sq": torch.rand_like(value)}
        for index, value in enumerate(parameters.values())
        if trained[index]
    }
    group = {"lr": 2e-4, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "params": list(range(len(parameters)))}
    shadow = [value for value, is_trained in zip(parameters.values(), trained, strict=True) if is_trained]
    now = {name: value if name in ("sigmas", "all_modules.0.W") else 2 * value for name, value in state.items()}
    return {
        "optimizer": {"state": moments, "param_groups": [group]},
        "model": {f"module.{name}": value for name, value in now.items()},
        "ema": {"decay": 0.999, "num_updates": 7, "shadow_params": shadow},
        "step": 7,
    }


def configuration(path: Path, meta: dict[str, Any]) -> Path:
    """Write a configuration in the form of the reference's."""
    section = {
        "sde": "training",
        "image_size": "data",
        "num_channels": "data",
        "centered": "data",
        "corrector": "sampling",
    }
    lines = [
        f"  config.{section.get(key, 'model')}.{key} = {value!r}"
        for key, value in meta.items()
        if key not in ("config", "parameters", "continuous")
    ]
    top = ["from configs.default_cifar10_configs import get_default_configs", "", "def get_config():"]
    path.write_text(
        "\n".join(
            [*top, "  config = get_default_configs()", "  config.model.ema_rate = 0.999", *lines, "  return config"]
        )
    )
    return path


def pictures(folder: Path, size: int) -> None:
    """Write a folder of pictures in colour."""
    folder.mkdir()
    for index in range(24):
        pixels = np.random.default_rng(index).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
