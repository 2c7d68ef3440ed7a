"""One training step of the same network, batch and images in each library's own way; ratios are of time, to scorefield in float32.

The others' steps are the loss of their documentation under a plain Adam. Ours also seeds every image's noise, clips the gradient,
averages the weights and sets the learning rate: that is counted against us. Each library trains in a process of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import memory
from benchmarks.peers.libraries import available, load, silence, versions
from benchmarks.timing import Note, Row, compare, in_turn_apart
from benchmarks.training import BATCH, network, stepper

Step = Callable[[], object]
STEPS = 4  # in one measurement


def run(rounds: int = 10) -> list[Row | Note]:
    """Return images/s and peak memory of every library that is there."""
    built, missing = available(SIDES)
    rates = compare(
        in_turn_apart({name: partial(take, name) for name in built}, rounds), OURS, "images/s", STEPS * BATCH
    )
    peaks = [memory.row(name, "benchmarks.peers.training:step", name) for name in built]
    return [versions(), *rates, *peaks, *missing]


@cache
def step(name: str) -> Step:
    """Return one side's step."""
    return SIDES[name]()


def take(name: str) -> None:
    """Take a few of them."""
    for _ in range(STEPS):
        step(name)()


def batches() -> Iterator[Tensor]:
    """Yield images in [-1, 1] for ever."""
    images = torch.randint(0, 256, (4096, 1, 28, 28), dtype=torch.uint8)
    while True:
        yield images[torch.randint(len(images), (BATCH,))].float() / 127.5 - 1


def plain(net: nn.Module, loss: Callable[[Tensor], Tensor]) -> Step:
    """Return the usual step of the others: a batch, a loss, its gradient, Adam."""
    data, optimizer = batches(), torch.optim.Adam(net.parameters(), lr=1e-3)

    def step() -> float:
        value = loss(next(data))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value.item()

    return step


def azula() -> Step:
    """KarrasDenoiser under the variance-preserving schedule, as in its README."""
    denoise, noise = load("azula.denoise"), load("azula.noise")
    denoiser = denoise.KarrasDenoiser(backbone=network(), schedule=noise.VPSchedule())
    return plain(denoiser, lambda x: denoiser.loss(x, torch.rand(len(x))))


def smalldiffusion() -> Step:
    """Its own training_loop on a Scaled network under ScheduleLogLinear, as in its Fashion-MNIST example; the loop has AdamW."""
    diffusion, model = load("smalldiffusion.diffusion"), load("smalldiffusion.model")
    silence(diffusion)

    class Given(model.ModelMixin, nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, sigma: Tensor, cond: None = None) -> Tensor:
            return self.net(x, sigma.flatten().log() / 4)

    class Forever(Iterable[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            return batches()

    schedule = diffusion.ScheduleLogLinear(N=800, sigma_min=0.01, sigma_max=20)
    loop = diffusion.training_loop(Forever(), model.Scaled(Given)(), schedule)

    def step() -> float:
        return next(loop).loss.item()  # the gradient of the step before, then this loss: as many of each as steps

    return step


def k_diffusion() -> Step:
    """layers.Denoiser.loss at log-normal noise levels, as in its training script."""
    layers, utils = load("k_diffusion.layers"), load("k_diffusion.utils")

    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return self.net(x, sigma.log() / 4)

    model = layers.Denoiser(Given(), sigma_data=0.6162)

    def loss(x: Tensor) -> Tensor:
        sigma = utils.rand_log_normal((len(x),), loc=-1.2, scale=1.2)
        return model.loss(x, torch.randn_like(x), sigma).mean()

    return plain(model, loss)


def diffusers() -> Step:
    """DDPMScheduler.add_noise and the mean squared error of the noise, as in its training tutorial."""
    scheduler = load("diffusers").DDPMScheduler(num_train_timesteps=1000)
    net = network()

    def loss(x: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(0, 1000, (len(x),))
        return F.mse_loss(net(scheduler.add_noise(x, noise, t), t / 1000), noise)

    return plain(net, loss)


def denoising_diffusion_pytorch() -> Step:
    """ElucidatedDiffusion, called on images in [0, 1]; of GaussianDiffusion it differs by the preconditioning."""
    elucidated = load("denoising_diffusion_pytorch.elucidated_diffusion")

    class Given(nn.Module):
        random_or_learned_sinusoidal_cond, self_condition = True, False

        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, noise: Tensor, _: None) -> Tensor:
            return self.net(x, noise)

    diffusion = elucidated.ElucidatedDiffusion(Given(), image_size=28, channels=1)
    return plain(diffusion, lambda x: diffusion((x + 1) / 2))


OURS = "scorefield, train, fp32"
SIDES: dict[str, Callable[[], Step]] = {
    OURS: partial(stepper, "fp32", False),
    "scorefield, train, bf16 where the processor has it": partial(stepper, "auto", False),
    "azula, KarrasDenoiser.loss": azula,
    "smalldiffusion, training_loop": smalldiffusion,
    "k-diffusion, layers.Denoiser.loss": k_diffusion,
    "diffusers, DDPMScheduler and the mean squared error": diffusers,
    "denoising-diffusion-pytorch, ElucidatedDiffusion": denoising_diffusion_pytorch,
}
