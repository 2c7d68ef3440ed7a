"""Autoencoders of diffusers: what turns the draws of a latent pipeline into images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop.diffusers_files import json_of, weights_of

_PARTS = ("vqvae", "vae")
_KNOWN = ("VQModel", "AutoencoderKL")


class _Autoencoder(Protocol):
    """A VQModel or an AutoencoderKL of diffusers."""

    config: Mapping[str, Any]

    def decode(self, z: Tensor, *, return_dict: bool) -> tuple[Tensor]: ...


class LatentDecoder(nn.Module):
    """Latents to images in [0, 1], as far as the autoencoder keeps to that: ½ + ½ decode(z/scaling + shift). Nothing is clamped."""

    def __init__(self, autoencoder: _Autoencoder) -> None:
        super().__init__()
        self.autoencoder, config = autoencoder, autoencoder.config
        self.scaling: float = config.get("scaling_factor") or 1.0
        self.shift: float = config.get("shift_factor") or 0.0
        self.channels: int = config["out_channels"]
        self.growth = 2 ** (len(config["block_out_channels"]) - 1)

    def shape(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of an image of latents of shape ``event``."""
        return (self.channels, *(self.growth * side for side in event[1:]))

    @torch.no_grad()
    def forward(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k hh ww"]:
        """Return images."""
        return 0.5 + 0.5 * self.autoencoder.decode(z / self.scaling + self.shift, return_dict=False)[0]


def autoencoder_of(folder: Path) -> Path | None:
    """Return where a pipeline keeps its autoencoder; None if it draws pixels."""
    found = next((folder / part for part in _PARTS if (folder / part / "config.json").is_file()), None)
    index = json_of(folder, "model_index.json") if (folder / "model_index.json").is_file() else {}
    named = [part for part in _PARTS if isinstance(index.get(part), list) and index[part][-1] is not None]
    if named and found is None:
        raise CheckpointError(
            f"{folder}: model_index.json names the autoencoder {named[0]}; found no {named[0]}/config.json"
        )
    return found


def read_decoder(folder: Path, channels: int) -> LatentDecoder | None:
    """Return the decoder of a pipeline whose latents have so many channels; None if it draws pixels."""
    place = autoencoder_of(folder)
    if place is None:
        return None
    config = json_of(place, "config.json")
    name = config.get("_class_name")
    if name not in _KNOWN:
        raise ConfigError(f"{place}: expected one of the autoencoders {', '.join(_KNOWN)}; found {name}")
    if config.get("latents_mean") is not None or config.get("latents_std") is not None:
        raise ConfigError(
            f"{place}: its latents have a mean and a deviation of their own (latents_mean), which are not read"
        )
    try:
        from diffusers.models.autoencoders import autoencoder_kl, vq_model
    except ImportError as error:
        raise ConfigError(
            f"autoencoders of diffusers need diffusers: pip install 'scorefield[interop]' ({error})"
        ) from error
    kind = {"VQModel": vq_model.VQModel, "AutoencoderKL": autoencoder_kl.AutoencoderKL}[name]
    try:
        autoencoder = kind.from_config(config)
        autoencoder.load_state_dict(weights_of(place, ""))
        decoder = LatentDecoder(autoencoder.eval())
        decoder(torch.zeros(1, channels, 2, 2))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{place}: weights and config.json do not make a {name} of latents of {channels} channels; diffusers says: {error}"
        ) from error
    return decoder
