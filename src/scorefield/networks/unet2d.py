"""The U-Net of diffusers as a network of ours: only what it is given and what it returns are converted."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scorefield._tensors import like
from scorefield.errors import ConfigError
from scorefield.networks.resampling import Image


class UNet2D(nn.Module):
    """``diffusers.UNet2DModel`` as F(x, noise, labels). Needs diffusers (``pip install 'scorefield[interop]'``).

    Args:
        architecture: the arguments in the pipeline's ``unet/config.json``.
        told: what the network receives as noise: the index of a level, computed from 999 t ("index"); σ, computed from ln σ, for a network
            that returns the score, which is multiplied by σ here ("sigma"); or the noise as the model gives it ("given").
        timesteps: how many noise levels the network was trained on.
        sign: −1 for a network that was trained to predict the negative.

    Raises:
        ConfigError: diffusers is not installed, or does not accept the architecture.
    """

    def __init__(
        self,
        architecture: dict[str, Any],
        told: Literal["index", "sigma", "given"] = "index",
        timesteps: int = 1000,
        sign: Literal[-1, 1] = 1,
    ) -> None:
        super().__init__()
        model = installed()
        self.architecture, self.told, self.timesteps, self.sign = architecture, told, timesteps, sign
        try:
            self.unet = model(**{k: v for k, v in architecture.items() if not k.startswith("_")})
        except Exception as error:  # settings that cannot be raise anything there
            raise ConfigError(
                f"architecture: expected the config.json of a UNet2DModel; diffusers says: {error}"
            ) from error
        self.rounded = architecture.get("time_embedding_type") == "learned"
        self.classes = architecture.get("num_class_embeds")

    def forward(self, x: Image, noise: Float[Tensor, " b"], labels: Int[Tensor, " b"] | None = None) -> Image:
        """Return F(x, noise).

        Raises:
            ConfigError: labels are missing where the network needs them: it knows no 'no label'.
        """
        if self.classes is not None and (labels is None or (labels >= self.classes).any()):
            raise ConfigError(f"this network of diffusers draws one of its {self.classes} classes: say which, from 0")
        if self.told == "sigma":
            noise = torch.exp(noise)
        elif self.told == "index":
            noise = noise * ((self.timesteps - 1) / 999)
            noise = noise.round().long() if self.rounded else noise
        # What channels there are beyond those of x are its learned variance.
        out = self.unet(x, noise, labels, return_dict=False)[0][:, : x.shape[1]]
        if self.told == "sigma":
            out = out * like(noise, out)
        return self.sign * out


def installed() -> Any:  # noqa: ANN401 diffusers is imported where it is needed, and nowhere else
    """Return the class ``diffusers.UNet2DModel``."""
    try:
        from diffusers.models.unets.unet_2d import UNet2DModel
    except ImportError as error:
        raise ConfigError(
            f"networks of diffusers need diffusers: pip install 'scorefield[interop]' ({error})"
        ) from error
    return UNet2DModel
