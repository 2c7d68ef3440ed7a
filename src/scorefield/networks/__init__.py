"""Neural networks: functions of a noisy state and a noise level that know no process and no objective."""

from scorefield.networks.adm import ADM
from scorefield.networks.cond_refinenet import CondRefineNet
from scorefield.networks.mlp import MLP
from scorefield.networks.ncsnpp import NCSNpp
from scorefield.networks.ncsnv2 import NCSNv2Net
from scorefield.networks.noisy_classifier import NoisyClassifier
from scorefield.networks.unet import UNet
from scorefield.networks.unet2d import UNet2D

__all__ = ["ADM", "MLP", "CondRefineNet", "NCSNpp", "NCSNv2Net", "NoisyClassifier", "UNet", "UNet2D"]
