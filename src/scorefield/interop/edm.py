"""The weights of EDM's networks (Karras et al. 2022), under its names and under ours.

Its SongUNet, in the styles of DDPM++ and NCSN++, is our `NCSNpp`, its DhariwalUNet our `ADM`. Its parts are named by the grid they work on;
the channels of queries, keys and values alternate in one convolution; what augments images in training, and a variance that is learned
beside the noise, are left out.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor

from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop.score_sde import filter_of
from scorefield.networks.adm import ADM
from scorefield.networks.ncsnpp import NCSNpp
from scorefield.networks.residual import Block

_BLOCK = {
    "norm_in": "norm0",
    "conv_in": "conv0",
    "condition": "affine",
    "norm_out": "norm1",
    "conv_out": "conv1",
    "shortcut": "skip",
}
_LEFT_OUT = ("resample_filter", "map_augment.weight")
_LEVELS = "u"  # of iDDPMPrecond, which follow from its arguments
_OUT = ("out_conv", "aux_conv")
_MANY = 100_000  # levels; iDDPM has up to 4000
_HEAD = 64  # channels of a head of DhariwalUNet, which has no attention where there are fewer


def network_of_edm(
    arguments: Mapping[str, Any], precond: str = "VPPrecond", *, parts: int | None = None
) -> NCSNpp | ADM:
    """Return the network that arguments of EDM's SongUNet or DhariwalUNet stand for, its weights new.

    Args:
        arguments: model_type, img_resolution, img_channels, label_dim, model_channels, channel_mult, …; those left out have EDM's defaults.
        precond: the preconditioning they were given to, on which the default of model_type depends.
        parts: how many tensors there are of it, where they are known.
    """
    given = dict(arguments)
    kind = given.get("model_type", "SongUNet" if precond in ("VPPrecond", "VEPrecond") else "DhariwalUNet")
    if kind not in ("SongUNet", "DhariwalUNet"):
        raise ConfigError(f"model_type: expected SongUNet or DhariwalUNet; received {kind!r}")
    adm = kind == "DhariwalUNet"
    width = given.get("model_channels", 192 if adm else 128)
    shared = {
        "channels": given["img_channels"],
        "size": given["img_resolution"],
        "classes": given.get("label_dim", 0) or None,
        "dropout": given.get("dropout", 0.10),
        "width": width,
        "multipliers": tuple(given.get("channel_mult", (1, 2, 3, 4) if adm else (1, 2, 2, 2))),
        "depth": given.get("num_blocks", 3 if adm else 4),
        "attention": tuple(given.get("attn_resolutions", (32, 16, 8) if adm else (16,))),
        "features": width * given.get("channel_mult_emb", 4),
        "timesteps": given.get("M", 1000) if precond == "iDDPMPrecond" else None,
    }
    blocks = shared["depth"] * len(shared["multipliers"])
    if parts is not None and blocks > parts:
        raise CheckpointError(f"num_blocks: expected no more blocks than there are tensors, {parts}; received {blocks}")
    return _adm(shared) if adm else _song(shared, given)


def _adm(shared: dict[str, Any]) -> ADM:
    widths = [shared["width"] * times for times in shared["multipliers"]]
    wide = {shared["size"] >> i for i, width in enumerate(widths) if width >= _HEAD}
    attention = tuple(height for height in shared["attention"] if height in wide)
    return ADM(**{**shared, "attention": attention}, bottleneck=widths[-1] >= _HEAD, stem_width=widths[0])


def _song(shared: dict[str, Any], given: Mapping[str, Any]) -> NCSNpp:
    routes = {"encoder": ("standard", "skip", "residual"), "decoder": ("standard", "skip")}
    for way, known in routes.items():
        if (route := given.get(f"{way}_type", "standard")) not in known:
            raise ConfigError(f"{way}_type: expected one of {', '.join(known)}; received {route!r}")
    if (embedding := given.get("embedding_type", "positional")) not in ("positional", "fourier"):
        raise ConfigError(f"embedding_type: expected positional or fourier; received {embedding!r}")
    encoder, taps = given.get("encoder_type", "standard"), tuple(given.get("resample_filter", (1, 1)))
    if len(taps) % 2 or taps != taps[::-1]:
        raise ConfigError(
            f"resample_filter: expected as many numbers on the left as on the right, alike; received {taps}"
        )
    return NCSNpp(
        **shared,
        embedding=embedding,
        encoding=shared["width"] * given.get("channel_mult_noise", 1),
        taps=taps if taps == (1, 1) and encoder != "residual" else filter_of("resample_filter", taps),
        encoder=encoder,
        decoder=given.get("decoder_type", "standard"),
    )


def settings_of_edm(precond: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections data, process and model that one of EDM's preconditionings stands for; its images are in [−1, 1].

    Args:
        precond: EDMPrecond, VPPrecond, VEPrecond or iDDPMPrecond.
        arguments: what it was made with; those left out have EDM's defaults.
    """
    given = {
        "sigma_data": 0.5,
        "sigma_min": 0.02,
        "sigma_max": 100.0,
        "M": 1000,
        "beta_d": 19.9,
        "beta_min": 0.1,
        "C_1": 0.001,
        "C_2": 0.008,
        **arguments,
    }
    centred = {"location": 0.5, "scale": 0.5}
    if precond == "EDMPrecond":
        process: dict[str, Any] = {"kind": "edm"}  # it takes any σ; these are those it is trained and sampled at
        model: dict[str, Any] = {"kind": "denoiser", "sigma_data": given["sigma_data"], "mean_data": 0.0}
    elif precond == "VEPrecond":
        process = {"kind": "edm", "sigma_min": given["sigma_min"], "sigma_max": given["sigma_max"]}
        model = {"kind": "score", "c_in": "raw", "c_noise": "log_half_sigma"}
    elif precond == "VPPrecond" and given["M"] == 1000:
        low = given["beta_min"]
        process = {
            "kind": "vp",
            "beta_min": low,
            "beta_max": low + given["beta_d"],
            "t_min": given.get("epsilon_t", 1e-5),
        }
        model = {"kind": "noise", "c_in": "raw", "c_noise": "time"}
    elif precond == "iDDPMPrecond" and given["M"] <= _MANY:
        process = {"kind": "ddpm", "betas": _betas(given["M"], given["C_1"], given["C_2"])}
        model = {"kind": "noise", "c_in": "raw", "c_noise": "time"}
    else:
        raise ConfigError(
            f"expected a network in EDM's EDMPrecond, VEPrecond, iDDPMPrecond of M ≤ {_MANY} or VPPrecond of M=1000; "
            f"found {precond}, M={given['M']}"
        )
    size = given["img_resolution"]
    return {"data": {"kind": "path", "size": size}, "process": process, "model": {**model, **centred}}


def _betas(levels: int, least: float, offset: float) -> list[float]:
    """Return β_i = 1 − max(ᾱ_{i+1}/ᾱ_i, C_1), ᾱ_i = cos²((i/M + C_2)/(1 + C_2) · π/2), i < M (Nichol & Dhariwal 2021, Eq. 17)."""
    kept = [math.cos((i / levels + offset) / (1 + offset) * math.pi / 2) ** 2 for i in range(levels + 1)]
    return [1 - max(after / before, least) for before, after in pairwise(kept)]


def from_edm(net: NCSNpp | ADM, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of EDM under our names; errors name the first tensor that is missing, unknown or of another shape than in ``net``."""
    left = {
        name.removeprefix("model."): value
        for name, value in state.items()
        if name != _LEVELS and not name.endswith(_LEFT_OUT)
    }
    own, found = net.state_dict(), {}

    def take(ours: str, theirs: str, part: slice | None = None) -> None:
        whole = left.get(theirs)
        if whole is None:
            raise CheckpointError(
                f"the weights have no {theirs}, expected of {tuple(own[ours].shape)}: they are of another network"
            )
        value = whole
        if part is not None:  # (heads, c, {q, k, v}) channels
            value = whole.unflatten(0, (-1, 3))[:, part].flatten(0, 1)
        if theirs.rpartition(".")[0].endswith(_OUT) and len(whole) == 2 * len(own[ours]):  # the mean, then its variance
            value = whole[: len(whole) // 2]
        if value.shape != own[ours].shape:
            raise CheckpointError(
                f"{theirs} has shape {tuple(whole.shape)}, expected {tuple(own[ours].shape)}: the weights are of another network"
            )
        found[ours] = value.float()
        used.add(theirs)

    used: set[str] = set()
    for ours, theirs in _parts(net):
        part = net.get_submodule(ours)
        if isinstance(part, Block):
            for inner, outer in _BLOCK.items():
                for leaf, _ in part.get_submodule(inner).named_parameters():
                    take(f"{ours}.{inner}.{leaf}", f"{theirs}.{outer}.{leaf}")
            if part.attention is not None:
                for leaf in ("weight", "bias"):
                    take(f"{ours}.attention.norm.{leaf}", f"{theirs}.norm2.{leaf}")
                    for k, name in enumerate(("query", "key", "value")):
                        take(f"{ours}.attention.{name}.{leaf}", f"{theirs}.qkv.{leaf}", slice(k, k + 1))
                    take(f"{ours}.attention.out.{leaf}", f"{theirs}.proj.{leaf}")
        else:
            for leaf in part.state_dict():
                take(f"{ours}.{leaf}", f"{theirs}.{'freqs' if leaf == 'W' else leaf}")
    if unknown := [name for name in left if name not in used]:
        raise CheckpointError(f"the weights have {unknown[0]}, which the network has not: they are of another one")
    return found


def _parts(net: NCSNpp | ADM) -> Iterator[tuple[str, str]]:
    """Yield our name and EDM's of every part that holds weights."""
    if isinstance(net, NCSNpp) and net.embedding == "fourier":
        yield "noise", "map_noise"
    if net.label is not None:
        yield "label", "map_label"
    yield from (("mix.0", "map_layer0"), ("mix.2", "map_layer1"))
    grids = [f"{net.shape[1] // 2**i}x{net.shape[1] // 2**i}" for i in range(len(net.multipliers))]
    yield "stem", f"enc.{grids[0]}_conv"
    yield from (("middle.0", f"dec.{grids[-1]}_in0"), ("middle.1", f"dec.{grids[-1]}_in1"))
    yield from _parts_of_adm(net, grids) if isinstance(net, ADM) else _parts_of_ncsnpp(net, grids)


def _parts_of_ncsnpp(net: NCSNpp, grids: list[str]) -> Iterator[tuple[str, str]]:
    beside = {"skip": "aux_skip", "residual": "aux_residual"}.get(net.encoder)
    for i, grid in enumerate(grids):
        yield from ((f"down.{i}.blocks.{k}", f"enc.{grid}_block{k}") for k in range(net.depth))
        yield from ((f"up.{len(grids) - 1 - i}.blocks.{k}", f"dec.{grid}_block{k}") for k in range(net.depth + 1))
        if i:
            yield f"down.{i - 1}.change", f"enc.{grid}_down"
            yield f"up.{len(grids) - 1 - i}.change", f"dec.{grids[i - 1]}_up"
            if beside:
                yield f"down.{i - 1}.beside", f"enc.{grid}_{beside}"
        if net.decoder == "skip":
            yield f"up.{len(grids) - 1 - i}.norm", f"dec.{grid}_aux_norm"
            yield f"up.{len(grids) - 1 - i}.conv", f"dec.{grid}_aux_conv"
    if net.decoder == "standard":
        yield from (("norm", f"dec.{grids[0]}_aux_norm"), ("head", f"dec.{grids[0]}_aux_conv"))


def _parts_of_adm(net: ADM, grids: list[str]) -> Iterator[tuple[str, str]]:
    down, up = iter(range(len(net.down))), iter(range(len(net.up)))
    for i, grid in enumerate(grids):
        if i:
            yield f"down.{next(down)}", f"enc.{grid}_down"
        yield from ((f"down.{next(down)}", f"enc.{grid}_block{k}") for k in range(net.depth))
    for i, grid in reversed(list(enumerate(grids))):
        if i < len(grids) - 1:
            yield f"up.{next(up)}", f"dec.{grid}_up"
        yield from ((f"up.{next(up)}", f"dec.{grid}_block{k}") for k in range(net.depth + 1))
    yield from (("norm", "out_norm"), ("head", "out_conv"))
