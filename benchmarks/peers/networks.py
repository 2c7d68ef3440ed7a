"""Each library's own network for 28x28x1, built to about 1.2 million parameters: a training step and a call, batch 64, float32.

All train alike, by Adam on the mean squared error of the noise, so that only the network differs. Blocks and attention are as in each
library's example for images of this size, channels are what the number of parameters leaves. Ratios are of time, to scorefield's UNet.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers.libraries import available, load, versions
from benchmarks.peers.training import batches, plain
from benchmarks.timing import Note, Row, compare, in_turn
from benchmarks.training import BATCH
from scorefield import UNet


class Network(nn.Module):
    """A library's network, and how it is called with images and one number in (0, 1) per image.

    Args:
        call: returns the network's value.
        parts: what has parameters.
    """

    def __init__(self, call: Callable[[Tensor, Tensor], Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.call = call

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return what the library's network returns."""
        return self.call(x, t)

    @property
    def millions(self) -> float:
        """Its parameters."""
        return sum(p.numel() for p in self.parameters()) / 1e6


def run(rounds: int = 5) -> list[Row | Note]:
    """Return images/s of training and of calls."""
    torch.manual_seed(0)
    built, missing = available(NETWORKS)
    nets = {f"{name}, {net.millions:.2f} M parameters": net for name, net in built.items()}
    ours = next(iter(nets))
    steps = {f"{name}: training step": trained(net) for name, net in nets.items()}
    rows = compare(in_turn(steps, rounds, warmup=1), f"{ours}: training step", "images/s", BATCH)
    for net in nets.values():
        net.eval()
    calls = {f"{name}: one call": called(net) for name, net in nets.items()}
    rows += compare(in_turn(calls, rounds, warmup=1), f"{ours}: one call", "images/s", BATCH)
    return [versions(), *rows, *missing]


def trained(net: Network) -> Callable[[], object]:
    """Return a training step."""

    def loss(x: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), 0.001 + 0.998 * torch.rand(len(x))
        level = t[:, None, None, None]
        return F.mse_loss(net((1 - level) * x + level * noise, t), noise)

    return plain(net, loss)


def called(net: Network) -> Callable[[], Tensor]:
    """Return a call without gradients."""
    x, t = next(batches()), torch.rand(BATCH)
    return torch.no_grad()(lambda: net(x, t))


def scorefield() -> Network:
    net = UNet(1, 28)
    return Network(net, net)


def azula() -> Network:
    """With the time embedding of its MNIST tutorial, which the user writes."""
    features = 64
    embed = nn.Sequential(nn.Linear(1, features), nn.SiLU(), nn.Linear(features, features))
    net = load("azula.nn.unet").UNet(1, 1, hid_channels=(24, 48, 96), hid_blocks=(2, 2, 2), mod_features=features)
    return Network(lambda x, t: net(x, embed(t[:, None])), net, embed)


def smalldiffusion() -> Network:
    net = load("smalldiffusion.model_unet").Unet(28, 1, 1, ch=32, ch_mult=(1, 1, 2), attn_resolutions=(14,))
    return Network(net, net)


def k_diffusion() -> Network:
    net = load("k_diffusion.models.image_v1").ImageDenoiserModelV1(
        1, 128, depths=[2, 2, 2], channels=[32, 64, 64], self_attn_depths=[False, False, True]
    )
    return Network(net, net)


def diffusers() -> Network:
    net = load("diffusers").UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 32, 64),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )
    return Network(lambda x, t: net(x, 1000 * t, return_dict=False)[0], net)


def denoising_diffusion_pytorch() -> Network:
    net = load("denoising_diffusion_pytorch.denoising_diffusion_pytorch").Unet(dim=20, dim_mults=(1, 2, 4), channels=1)
    return Network(lambda x, t: net(x, 1000 * t), net)


def karras_unet() -> Network:
    net = load("denoising_diffusion_pytorch.karras_unet").KarrasUnet(
        image_size=28, dim=28, dim_max=56, channels=1, num_downsamples=2, num_blocks_per_stage=1, attn_res=(7,)
    )
    return Network(net, net)


NETWORKS: dict[str, Callable[[], Network]] = {
    "scorefield, UNet": scorefield,
    "azula, UNet": azula,
    "smalldiffusion, Unet": smalldiffusion,
    "k-diffusion, ImageDenoiserModelV1": k_diffusion,
    "diffusers, UNet2DModel": diffusers,
    "denoising-diffusion-pytorch, Unet": denoising_diffusion_pytorch,
    "denoising-diffusion-pytorch, KarrasUnet": karras_unet,
}
