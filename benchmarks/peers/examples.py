"""How each library trains a model of 28x28x1 images and draws from it, with the settings of its own documentation.

Theirs are the network, batch, noise levels, loss, optimiser, average of the weights, scale of the images, sampler and its steps. Left out
are mirrored images where the network is not conditioned on the mirroring (a mirrored digit is not a digit), mixed precision, which needs a
graphics card here, and processes that read image files, since the images are in memory. Some networks are conditioned on the digit: they
draw all ten equally often.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from benchmarks.peers.libraries import load, silence
from scorefield.data import mnist


class Example(NamedTuple):
    """A model in training.

    Args:
        net: has its parameters.
        batch: images per step.
        evaluations: of the network per image drawn.
        step: takes one.
        draw: returns images in [0, 1], one for every label.
    """

    net: nn.Module
    batch: int
    evaluations: int
    step: Callable[[], object]
    draw: Callable[[Tensor], Tensor]


def digits(batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield bytes and labels of MNIST for ever, in a new order every time."""
    data = mnist()
    if data.labels is None:
        raise TypeError("MNIST came without labels")
    while True:
        for rows in torch.randperm(len(data)).split(batch):
            yield data.x[rows], data.labels[rows]


def signed(pixels: Tensor) -> Tensor:
    """Return bytes as numbers in [-1, 1], the scale of most."""
    return pixels.float() / 127.5 - 1


def unsigned(x: Tensor) -> Tensor:
    """Return the inverse, in [0, 1]."""
    return (x + 1) / 2


def azula() -> Example:
    """Its tutorial (azula.readthedocs.io, Tutorials, MNIST): a network told the digit, DDIM in 64 steps."""
    denoise, noise, unet = load("azula.denoise"), load("azula.noise"), load("azula.nn.unet")
    features, data = 64, digits(64)

    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = unet.UNet(1, 1, hid_channels=[16, 32, 64], hid_blocks=[2, 2, 2], mod_features=features)
            self.digit = nn.Embedding(10, features)
            self.time = nn.Sequential(nn.Linear(1, features), nn.SiLU(), nn.Linear(features, features))

        def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
            return self.unet(x, self.digit(label) + self.time(t[..., None]))

    model = denoise.KarrasDenoiser(backbone=Told(), schedule=noise.VPSchedule())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    sampler = load("azula.sample").DDIMSampler(model, steps=64, silent=True)

    def step() -> None:
        pixels, labels = next(data)
        model.loss(signed(pixels), torch.rand(len(pixels)), label=labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    def draw(labels: Tensor) -> Tensor:
        return unsigned(sampler(sampler.init((len(labels), 1, 28, 28)), label=labels))

    return Example(model, 64, 64, step, draw)


def smalldiffusion() -> Example:
    """Its Fashion-MNIST example (examples/fashion_mnist_unet.py in yuanchenyang/smalldiffusion): its U-Net, averaged, in 20 steps.

    The average warms up as that of torch_ema, which the example takes it from.
    """
    diffusion, modifiers, unet = (load(f"smalldiffusion.{name}") for name in ("diffusion", "model", "model_unet"))
    silence(diffusion)

    class Forever(Iterable[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            return (signed(pixels) for pixels, _ in digits(1024))

    accelerator = diffusion.Accelerator()
    schedule = diffusion.ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
    model = modifiers.Scaled(unet.Unet)(28, 1, 1, ch=64, ch_mult=(1, 1, 2), attn_resolutions=(14,))
    average = AveragedModel(
        model, avg_fn=lambda old, new, n: old.lerp(new, 1 - min(0.999, (2 + int(n)) / (11 + int(n))))
    )
    loop = diffusion.training_loop(Forever(), model, schedule, lr=7e-4, accelerator=accelerator)

    def step() -> None:
        next(loop)  # the gradient of the step before, then a loss
        average.update_parameters(model)

    def draw(labels: Tensor) -> Tensor:
        sigmas = schedule.sample_sigmas(20)
        (*_, x) = diffusion.samples(average.module, sigmas, gam=1.6, batchsize=len(labels), accelerator=accelerator)
        return unsigned(x)

    return Example(model, 1024, 20, step, draw)


def k_diffusion_transformer() -> Example:
    """configs/config_mnist_transformer.json of crowsonkb/k-diffusion, the example of its README; told the digit nine times of ten.

    As it was when the release was made; later it is of a network that the release does not have.
    """
    inner = load("k_diffusion.models.image_transformer_v1").ImageTransformerDenoiserModelV1(
        n_layers=8,
        d_model=256,
        d_ff=704,  # what its load_config makes of the width
        in_features=1,
        out_features=1,
        patch_size=[4, 4],
        num_classes=11,
        dropout=0.05,
        sigma_data=0.6162,
    )
    optimizer = torch.optim.AdamW(inner.param_groups(5e-4), betas=(0.9, 0.95), eps=1e-8, weight_decay=1e-4)

    def told(labels: Tensor) -> dict[str, Tensor]:
        return {"class_cond": labels}

    return _k_diffusion(inner, optimizer, told)


def k_diffusion_convolutions() -> Example:
    """configs/config_mnist.json of crowsonkb/k-diffusion, as it was when the release was made."""
    inner = load("k_diffusion.models.image_v1").ImageDenoiserModelV1(
        1, 256, [2, 4, 4], [128, 128, 256], [False, False, True], dropout_rate=0.05, mapping_cond_dim=9
    )
    inner = load("k_diffusion.augmentation").KarrasAugmentWrapper(inner)
    optimizer = torch.optim.AdamW(inner.param_groups(2e-4), betas=(0.95, 0.999), eps=1e-6, weight_decay=1e-3)
    return _k_diffusion(inner, optimizer, lambda labels: {})


def _k_diffusion(
    inner: nn.Module, optimizer: torch.optim.Optimizer, told: Callable[[Tensor], dict[str, Tensor]]
) -> Example:
    """Return what its configurations share, as its train.py has it: 50 steps of DPM-Solver++(2M) draw.

    Its augmentation mirrors, turns and stretches; the network is told how, and asked for images as they are.
    """
    layers, sampling, utils = (load(f"k_diffusion.{name}") for name in ("layers", "sampling", "utils"))
    augment = load("k_diffusion.augmentation").KarrasAugmentationPipeline(0.12)
    model = layers.Denoiser(inner, sigma_data=0.6162, weighting="soft-min-snr")
    average = deepcopy(model).eval().requires_grad_(False)
    decay = utils.EMAWarmup(power=0.6667, max_value=0.9999)
    data = digits(64)

    def step() -> None:
        pixels, labels = next(data)
        augmented = [augment(Image.fromarray(image.numpy())) for image in pixels[:, 0]]
        x, _, how = (torch.stack(parts) for parts in zip(*augmented, strict=True))
        labels = labels.masked_fill(torch.rand(len(labels)) < 0.1, 10)
        with utils.enable_stratified():
            sigma = utils.rand_cosine_interpolated((len(x),), 28, 32, 28, sigma_data=0.6162)
        model.loss(x, torch.randn_like(x), sigma, aug_cond=how, **told(labels)).mean().backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        utils.ema_update(model, average, decay.get_value())
        decay.step()

    @torch.no_grad()
    def draw(labels: Tensor) -> Tensor:
        sigmas = sampling.get_sigmas_karras(50, 1e-2, 80, rho=7.0)
        x = 80 * torch.randn(len(labels), 1, 28, 28)
        how = {"eta": 0.0, "solver_type": "heun", "extra_args": told(labels), "disable": True}
        return unsigned(sampling.sample_dpmpp_2m_sde(average, x, sigmas, **how))

    return Example(model, 64, 50, step, draw)


def diffusers() -> Example:
    """Hugging Face's diffusion course on MNIST (huggingface.co/learn/diffusion-course/unit2/3): told the digit, DDPM in 1000 steps.

    The tutorial in the library's own documentation is of butterflies, 128x128 in colour.
    """
    library, data = load("diffusers"), digits(128)
    scheduler = library.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    embed = nn.Embedding(10, 4)
    net = library.UNet2DModel(
        sample_size=28,
        in_channels=5,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    model = nn.ModuleList([embed, net])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def noise_in(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        told = embed(labels)[:, :, None, None].expand(-1, -1, 28, 28)
        return net(torch.cat([x, told], 1), t).sample

    def step() -> None:
        pixels, labels = next(data)
        x, t = signed(pixels), torch.randint(0, 999, (len(pixels),))
        noise = torch.randn_like(x)
        optimizer.zero_grad()
        F.mse_loss(noise_in(scheduler.add_noise(x, noise, t), t, labels), noise).backward()
        optimizer.step()

    @torch.no_grad()
    def draw(labels: Tensor) -> Tensor:
        x = torch.randn(len(labels), 1, 28, 28)
        for t in scheduler.timesteps:
            x = scheduler.step(noise_in(x, t, labels), t, x).prev_sample
        return unsigned(x)

    return Example(model, 128, 1000, step, draw)


def denoising_diffusion_pytorch() -> Example:
    """Its README (lucidrains/denoising-diffusion-pytorch, Usage, Trainer): two batches of 32 a step, averaged, DDIM in 250 steps.

    Digits have two black pixels added at every side, since its network halves images three times, and lose them when drawn.
    """
    library, data = load("denoising_diffusion_pytorch.denoising_diffusion_pytorch"), digits(32)
    silence(library)
    net = library.Unet(dim=64, dim_mults=(1, 2, 4, 8), channels=1, flash_attn=True)
    model = library.GaussianDiffusion(net, image_size=32, timesteps=1000, sampling_timesteps=250)
    average = load("ema_pytorch").EMA(model, beta=0.995, update_every=10)
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-5, betas=(0.9, 0.99))

    def step() -> None:
        for _ in range(2):
            pixels, _ = next(data)
            (model(F.pad(pixels.float() / 255, (2, 2, 2, 2))) / 2).backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()

    def draw(labels: Tensor) -> Tensor:
        return average.ema_model.eval().sample(batch_size=len(labels))[..., 2:-2, 2:-2].clone()

    return Example(model, 64, 250, step, draw)


EXAMPLES: dict[str, Callable[[], Example]] = {
    "azula": azula,
    "smalldiffusion": smalldiffusion,
    "k-diffusion, transformer": k_diffusion_transformer,
    "k-diffusion, convolutions": k_diffusion_convolutions,
    "diffusers": diffusers,
    "denoising-diffusion-pytorch": denoising_diffusion_pytorch,
}
