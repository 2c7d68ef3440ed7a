"""Pipelines of diffusers as configurations of ours: the network stays its own, the noise levels and the prediction become ours.

A pipeline is a folder with ``unet/config.json``, ``unet/diffusion_pytorch_model.safetensors`` and ``scheduler/scheduler_config.json``, or
these files at its root. What its scheduler says of sampling (clipping, thresholds, spacing of steps) is no part of a score and is left out.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop.diffusers_files import json_of, weights_of
from scorefield.interop.diffusers_latent import autoencoder_of
from scorefield.networks.unet2d import UNet2D, installed
from scorefield.processes import DDPM

_DISCRETE = (
    *("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DDPMParallelScheduler", "DDIMParallelScheduler"),
    *("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DEISMultistepScheduler", "LMSDiscreteScheduler"),
    *("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler"),
    *("KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler", "SASolverScheduler", "UniPCMultistepScheduler"),
)
_LATENT = (
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
)
"""Those whose β, where it is left out, is that of latent diffusion."""
_EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
_VE = ("ScoreSdeVeScheduler",)
_FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")


class Pipeline(NamedTuple):
    """A pipeline's model: sections of a configuration, the shape of an image, the network's weights under diffusers' names."""

    settings: dict[str, Any]
    event: tuple[int, int, int]
    weights: dict[str, Tensor]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder looks like a pipeline of diffusers."""
    return any(
        os.path.isfile(folder / place)  # of whatever name: Path's own refuses what is too long
        for place in ("model_index.json", "scheduler/scheduler_config.json", "scheduler_config.json")
    )


def read_pipeline(folder: Path) -> Pipeline:
    """Return the model of a pipeline."""
    unet = json_of(folder, "unet/config.json", "config.json")
    scheduler = json_of(folder, "scheduler/scheduler_config.json", "scheduler_config.json")
    index = json_of(folder, "model_index.json") if (folder / "model_index.json").is_file() else {}
    for part, config in (("unet", unet), ("scheduler", scheduler)):
        if isinstance(index.get(part), list):  # which class diffusers makes, whatever class has written the file
            config["_class_name"] = index[part][-1]
    settings, event = settings_of_pipeline(folder, unet, scheduler, latent=autoencoder_of(folder) is not None)
    weights = weights_of(folder, "unet")
    _fit(folder, unet, weights)
    _tried(folder, settings["network"]["architecture"], event)
    return Pipeline(settings, event, {f"net.unet.{key}": value for key, value in weights.items()})


def _fit(folder: Path, unet: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Refuse a config.json of other, or endless, sizes than its weights have, before a network of them is made."""
    widths, depth = unet.get("block_out_channels", ()), unet.get("layers_per_block", 1)
    found = [size for value in weights.values() for size in value.shape[:1]]  # no set: what is sought may be anything
    listed = isinstance(widths, list | tuple)
    other = next((width for width in widths if width not in found), None) if listed else repr(widths)
    if other is not None:
        raise CheckpointError(
            f"{folder}: block_out_channels of its config.json has {other}, and no tensor of its weights does"
        )
    if not isinstance(depth, int) or depth * max(1, len(widths)) > len(weights):
        raise CheckpointError(f"{folder}: layers_per_block of its config.json is {depth}; found {len(weights)} tensors")


def _tried(folder: Path, architecture: dict[str, Any], event: tuple[int, int, int]) -> None:
    """Refuse a network that fails at images of its own size: a pass of tensors that have shapes and no numbers takes next to nothing."""
    try:
        with torch.device("meta"), torch.no_grad():
            net = UNet2D(architecture)
            noise = torch.zeros(1, dtype=torch.long if net.rounded else None)
            net.unet(torch.empty(1, *event), noise, None if net.classes is None else torch.zeros(1, dtype=torch.long))
    except Exception as error:  # whatever settings that make no sense lead to
        raise ConfigError(
            f"{folder}: the network of its config.json takes no images of shape {event}: {error}"
        ) from error


def settings_of_pipeline(
    folder: object, unet: dict[str, Any], scheduler: dict[str, Any], *, latent: bool = False
) -> tuple[dict[str, Any], tuple[int, int, int]]:
    """Return the sections process, network and model of the two configurations of a pipeline, and the shape of an image."""
    if unet.get("_class_name", "UNet2DModel") != "UNet2DModel":
        raise ConfigError(f"{folder}: expected a UNet2DModel; found {unet['_class_name']}")
    kind = unet.get("class_embed_type")
    if kind is not None and (kind == "identity" or unet.get("num_class_embeds") is None):
        raise ConfigError(
            f"{folder}: its network is conditioned on vectors or numbers (class_embed_type {kind}), not on a class; "
            "num_class_embeds in its config.json says how many classes there are"
        )
    size, channels = unet.get("sample_size"), unet.get("in_channels", 3)
    sides = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ConfigError(
            f"{folder}: its network does not say the size of its images: add sample_size, such as 32 or [32, 64], to its config.json; "
            f"found {size!r}"
        )
    if unet.get("out_channels", 3) not in (channels, 2 * channels):  # the second half is a variance
        raise ConfigError(
            f"{folder}: expected a network of as many channels out as in; found {unet.get('out_channels', 3)} and {channels}: "
            "it is conditioned on another image beside the noise"
        )
    # Latents stay as they are; pixels in [−1, 1] are in [0, 1] here.
    units = {"location": 0.0, "scale": 1.0} if latent else {"location": 0.5, "scale": 0.5}
    try:
        return _settings(folder, unet, scheduler, units), (channels, sides[0], sides[1])
    except (TypeError, ArithmeticError, RuntimeError) as error:  # whatever values that make no sense lead to
        raise ConfigError(
            f"{folder}: expected a scheduler_config.json as diffusers writes it; found {error}"
        ) from error


def _settings(
    folder: object, unet: dict[str, Any], scheduler: dict[str, Any], units: dict[str, float]
) -> dict[str, Any]:
    """Return process, network and model."""
    kind = scheduler.get("_class_name", "DDPMScheduler")
    prediction = scheduler.get("prediction_type", "epsilon")
    known = installed().extract_init_dict(unet)[0]  # which warns of what the diffusers that is installed passes over
    architecture = {name: value for name, value in unet.items() if name in known or name.startswith("_")}
    network: dict[str, Any] = {"kind": "unet2d", "architecture": architecture}
    if kind in _VE:
        ends = {"sigma_min": scheduler.get("sigma_min", 0.01), "sigma_max": scheduler.get("sigma_max", 1348.0)}
        return {
            "process": {"kind": "ve", **ends},
            "network": {**network, "told": "sigma"},
            "model": {"kind": "score", "c_in": "raw", "c_noise": "log_sigma"},
        }
    if (
        kind == "EulerDiscreteScheduler"
        and prediction == "v_prediction"
        and scheduler.get("timestep_type") == "continuous"
    ):
        # EDM's formulas by another name, with σ_d = 1 and the sign of v
        scheduler, kind = {**scheduler, "sigma_data": 1.0}, "EDMEulerScheduler"
        if not scheduler.get("sigma_min") or not scheduler.get("sigma_max"):
            raise ConfigError(f"{folder}: expected sigma_min and sigma_max beside timestep_type continuous; found none")
    if kind in _EDM:
        ends = {"sigma_min": scheduler.get("sigma_min", 0.002), "sigma_max": scheduler.get("sigma_max", 80.0)}
        return {
            "process": {"kind": "edm", **ends},
            "network": {**network, "told": "given", "sign": _sign(folder, prediction)},
            "model": {"kind": "denoiser", "sigma_data": scheduler.get("sigma_data", 0.5), "mean_data": 0.0, **units},
        }
    levels = scheduler.get("num_train_timesteps", 1000)
    straight = bool(scheduler.get("use_flow_sigmas")) and kind in _DISCRETE
    if straight and prediction != "flow_prediction":
        raise ConfigError(
            f"{folder}: expected prediction_type flow_prediction beside use_flow_sigmas; found {prediction!r}"
        )
    if straight or kind in _FLOW:
        if scheduler.get("invert_sigmas"):
            raise ConfigError(f"{folder}: its time runs the other way (invert_sigmas), which is not read; use another")
        return {
            "process": {"kind": "rectified_flow"},
            "network": {**network, "timesteps": levels + 1},  # told t · levels, where others are told t (levels − 1)
            "model": {"kind": "flow", "c_in": "raw", "c_noise": "time", **units},
        }
    if kind not in _DISCRETE:
        known = _DISCRETE + _EDM + _VE + _FLOW
        raise ConfigError(f"{folder}: expected one of the schedulers {', '.join(known)}; found {kind}")
    model = {"epsilon": "noise", "v_prediction": "velocity", "sample": "data"}.get(prediction)
    if model is None:
        raise ConfigError(f"{folder}: expected prediction_type epsilon, v_prediction or sample; found {prediction!r}")
    betas = _betas(folder, scheduler)
    if scheduler.get("rescale_betas_zero_snr"):
        if model == "noise":
            raise ConfigError(
                f"{folder}: its last level is noise alone (rescale_betas_zero_snr), of which prediction_type epsilon says nothing"
            )
        betas = {"betas": _to_noise_alone(DDPM(**betas))}
    return {
        "process": {"kind": "ddpm", **betas},
        "network": {**network, "timesteps": levels},
        "model": {"kind": model, "c_in": "raw", "c_noise": "time", **units},
    }


def _sign(folder: object, prediction: str) -> int:
    """Return the sign of c_out in EDM's schedulers."""
    if prediction not in ("epsilon", "v_prediction"):
        raise ConfigError(f"{folder}: expected prediction_type epsilon or v_prediction; found {prediction!r}")
    return 1 if prediction == "epsilon" else -1


def _betas(folder: object, scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `scorefield.processes.DDPM`."""
    schedule, levels = scheduler.get("beta_schedule", "linear"), scheduler.get("num_train_timesteps", 1000)
    ends = (0.00085, 0.012) if scheduler.get("_class_name") in _LATENT else (1e-4, 0.02)
    low, high = scheduler.get("beta_start", ends[0]), scheduler.get("beta_end", ends[1])
    betas = scheduler.get("trained_betas")
    if betas is None and schedule == "sigmoid":
        betas = (torch.sigmoid(torch.linspace(-6, 6, levels, dtype=torch.float64)) * (high - low) + low).tolist()
    if betas is None and schedule == "laplace":
        betas = _laplace(levels)
    if betas is not None:
        return {"betas": list(betas)}
    if schedule == "squaredcos_cap_v2":
        return {"levels": levels, "schedule": "cosine"}
    if schedule in ("linear", "scaled_linear"):
        return {"levels": levels, "beta_min": low, "beta_max": high, "schedule": schedule}
    raise ConfigError(
        f"{folder}: expected beta_schedule linear, scaled_linear, squaredcos_cap_v2, sigmoid or laplace, or trained_betas; "
        f"found {schedule!r}"
    )


def _to_noise_alone(process: DDPM) -> list[float]:
    """Return β of levels of which the last has α = 0 (Lin et al. 2024, Algorithm 1), but for 10⁻⁶, where a score still follows."""
    alpha = torch.rsqrt(1 + torch.exp(2 * process.log_ratios))
    alpha = (alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))
    alpha[-1] = min(1e-6, alpha[-2].item() / 2)
    kept = torch.cat([torch.ones(1), alpha]).double().square()
    return (1 - kept[1:] / kept[:-1]).tolist()


def _laplace(levels: int) -> list[float]:
    """Return β of levels whose ln ρ² has Laplace's distribution, up to 0.999, as diffusers has it."""
    t = torch.arange(levels + 1, dtype=torch.float64) / levels
    snr = torch.exp(-0.5 * torch.sign(0.5 - t) * torch.log(1 - 2 * (0.5 - t).abs() + 1e-6))
    kept = torch.sqrt(snr / (1 + snr))
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999).tolist()
