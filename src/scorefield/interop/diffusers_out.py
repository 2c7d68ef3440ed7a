"""A model of ours around a network of diffusers as a folder that its DDPMPipeline reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from scorefield._replacing import replacing, unwritten
from scorefield.errors import CheckpointError
from scorefield.interop.layouts import require_settings

_PREDICTION = {"noise": "epsilon", "velocity": "v_prediction", "data": "sample"}
_SCHEDULE = {"cosine": "squaredcos_cap_v2"}


def write_pipeline(folder: Path, settings: Mapping[str, Mapping[str, Any]], weights: Mapping[str, Tensor]) -> None:
    """Write a new folder for ``DDPMPipeline.from_pretrained``, of a configuration's sections and weights by diffusers' names."""
    process = settings["process"]
    require_settings(settings, {"process": {"kind": ("ddpm",)}}, "DDPMPipeline")
    betas = process["betas"]
    levels = process["levels"] if betas is None else len(betas)
    needed = {
        "network": {"kind": ("unet2d",), "told": ("index",), "sign": (1,), "timesteps": (levels,)},
        "model": {
            "kind": tuple(_PREDICTION),
            "c_in": ("raw",),
            "c_noise": ("time",),
            "location": (0.5,),
            "scale": (0.5,),
        },
    }
    require_settings(settings, needed, "DDPMPipeline")
    scheduler = {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": levels,
        "beta_start": process["beta_min"],
        "beta_end": process["beta_max"],
        "beta_schedule": _SCHEDULE.get(process["schedule"], process["schedule"]),
        "trained_betas": betas,
        "prediction_type": _PREDICTION[settings["model"]["kind"]],
        "clip_sample": False,
    }
    index = {
        "_class_name": "DDPMPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    files = {
        "model_index.json": index,
        "scheduler/scheduler_config.json": scheduler,
        "unet/config.json": {**settings["network"]["architecture"], "_class_name": "UNet2DModel"},
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as made:
            for place, values in files.items():
                path = made / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(values, indent=2), encoding="utf-8")
            stored = {name: value.contiguous() for name, value in weights.items()}
            (made / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(save(stored, {"format": "pt"}))
    except OSError as error:
        raise CheckpointError(str(unwritten(folder, error))) from error
