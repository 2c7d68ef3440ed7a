"""Neural networks: functions of a noisy state and a noise level that know no process and no objective."""

from scorefield.networks.mlp import MLP
from scorefield.networks.unet import UNet

__all__ = ["MLP", "UNet"]
