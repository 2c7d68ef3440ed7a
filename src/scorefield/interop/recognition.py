"""Which of our networks weights are of, recognised by their names and the shapes of their tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from scorefield._checks import misfits
from scorefield.errors import CheckpointError
from scorefield.networks import CondRefineNet, NCSNv2Net
from scorefield.networks.refinenet import Stages

BUFFER = "sigmas"  # the one entry of their state dicts that is not a parameter


class Recognized(NamedTuple):
    """A network and its sizes.

    Attributes:
        kind: which one, as configurations call it.
        channels: channels of its images; their height and width are not in the weights.
        ngf: channels of its finest feature maps.
        levels: how many noise levels it knows; None where the weights do not say.
        stages: of residual blocks.
    """

    kind: Literal["cond_refinenet", "ncsnv2"]
    channels: int
    ngf: int
    levels: int | None
    stages: Stages = 4


def recognize(path: Path, model: Mapping[str, Tensor]) -> Recognized:
    """Return which network these weights are of, every name and shape of them checked."""
    found = _guess(path, model)
    some_level = torch.ones(1)
    with torch.device("meta"):
        net: nn.Module = NCSNv2Net(found.channels, some_level, found.ngf, stages=found.stages)
        if found.kind == "cond_refinenet":
            net = CondRefineNet(found.channels, found.levels or 1, found.ngf)
    given = {name: value for name, value in model.items() if name != BUFFER}
    if wrong := misfits(dict(net.named_parameters()), given):
        raise _foreign(path, f"one in which {wrong}")
    return found


def _guess(path: Path, model: Mapping[str, Tensor]) -> Recognized:
    """Return what the first convolution and the last norm look like."""
    stem, table, sigmas = (model.get(name) for name in ("begin_conv.weight", "normalizer.embed.weight", BUFFER))
    if stem is not None and stem.ndim == 4 and stem.numel():
        ngf, channels = stem.shape[:2]
        if table is not None and table.ndim == 2 and len(table):
            return Recognized("cond_refinenet", channels, ngf, len(table))
        if "normalizer.alpha" in model and (sigmas is None or (sigmas.ndim == 1 and len(sigmas))):
            stages = 6 if "res31.0.conv1.weight" in model else 5 if "res5.0.conv1.weight" in model else 4
            return Recognized("ncsnv2", channels, ngf, None if sigmas is None else len(sigmas), stages)
    raise _foreign(path, f"{len(model)} tensors, the first {', '.join(list(model)[:3]) or 'none'}")


def _foreign(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: its network is not one of ours: expected the dilated RefineNet of NCSN or one of NCSNv2's three; found {found}. "
        "NCSN++, DDPM++ and DDPM need the name of their configuration. A network of your own becomes a model in Python: "
        "net.load_state_dict(torch.load(FILE)), then scorefield.save(scorefield.Denoiser(net, process), FOLDER)"
    )
