"""Checkpoint files as other projects write them, of networks small enough for a test."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from scorefield import CondRefineNet, NCSNv2Net, geometric

LEVELS = geometric(5.0, 0.01, 6)


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
