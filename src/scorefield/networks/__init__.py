"""Neural networks: functions of a noisy state and a noise level that know no process and no objective."""

from scorefield.networks.unet import UNet

__all__ = ["UNet"]
