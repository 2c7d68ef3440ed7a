"""The other libraries' deterministic samplers, given one of our models in the form each of them wants.

Each function takes the model, whose time is σ, and a descending grid of σ; what it returns takes states at the first σ to the last.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.peers.libraries import load, silence
from scorefield import ScoreModel

State = Float[Tensor, "b *d"]
Sigmas = Float[Tensor, " n"]
Draw = Callable[[State], State]
Maker = Callable[[ScoreModel, Sigmas], Draw]


def azula(method: str, model: ScoreModel, sigmas: Sigmas) -> Draw:
    """EulerSampler or HeunSampler; its own grid in the schedule's time is the same geometric one."""
    denoise, noise, samplers = load("azula.denoise"), load("azula.noise"), load("azula.sample")

    class Given(denoise.Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.schedule = noise.VESchedule(sigmas[-1].item(), sigmas[0].item())

        def forward(self, x_t: Tensor, t: Tensor) -> object:
            _, sigma = self.schedule(t)
            return denoise.DiracPosterior(model.denoise(x_t, sigma))

    return getattr(samplers, method)(Given(), steps=len(sigmas) - 1, silent=True)


def smalldiffusion(model: ScoreModel, sigmas: Sigmas) -> Draw:
    """Samples with gam = 1 and mu = 0, which is deterministic DDIM."""
    diffusion, mixin = load("smalldiffusion.diffusion"), load("smalldiffusion.model").ModelMixin
    accelerator, levels = diffusion.Accelerator(), sigmas.float()

    class Given(mixin, nn.Module):
        def forward(self, x: Tensor, sigma: Tensor, cond: None = None) -> Tensor:
            return (x - model.denoise(x, sigma)) / sigma

    def draw(x: State) -> State:
        given = Given()
        given.input_dims = tuple(x.shape[1:])
        for state in diffusion.samples(given, levels, gam=1, mu=0, xt=x, accelerator=accelerator):
            x = state
        return x

    return draw


def k_diffusion(method: str, model: ScoreModel, sigmas: Sigmas) -> Draw:
    """sample_euler or sample_heun."""
    sampler, levels = getattr(load("k_diffusion.sampling"), method), sigmas.float()

    def given(x: Tensor, sigma: Tensor) -> Tensor:
        return model.denoise(x, sigma[0])  # it repeats the one σ for every row

    return lambda x: sampler(given, x, levels, disable=True)


def diffusers(model: ScoreModel, sigmas: Sigmas) -> Draw:
    """EulerDiscreteScheduler, in the loop of its documentation."""
    scheduler = load("diffusers").EulerDiscreteScheduler(prediction_type="sample")
    levels = sigmas.tolist()

    @torch.no_grad()
    def draw(x: State) -> State:
        scheduler.set_timesteps(sigmas=levels)
        for t in scheduler.timesteps:
            scheduler.scale_model_input(x, t)  # what a network would be given; the model knows x at σ itself
            x = scheduler.step(model.denoise(x, scheduler.sigmas[scheduler.step_index]), t, x).prev_sample
        return x

    return draw


def denoising_diffusion_pytorch(model: ScoreModel, sigmas: Sigmas) -> Draw:
    """Heun's method of ElucidatedDiffusion without churn: from its own noise along its own grid to σ = 0, and clipped to [-1, 1].

    Points are 1x1 images to it. What it draws is therefore not what the others draw, but it takes as long.
    """
    elucidated = load("denoising_diffusion_pytorch.elucidated_diffusion")
    silence(elucidated)

    class Net(nn.Module):
        random_or_learned_sinusoidal_cond, self_condition = True, False

        def __init__(self) -> None:
            super().__init__()
            self.where = nn.Parameter(torch.zeros(()))  # the library looks for the device of a parameter

    class Given(elucidated.ElucidatedDiffusion):
        event: tuple[int, ...]

        def preconditioned_network_forward(
            self, noised_images: Tensor, sigma: float, self_cond: None = None, clamp: bool = False
        ) -> Tensor:
            x = noised_images.reshape(-1, *self.event)
            return model.denoise(x, torch.tensor(sigma, dtype=torch.float64)).reshape(noised_images.shape)

    def draw(x: State) -> State:
        channels, size = x.shape[1], x.shape[2] if x.ndim == 4 else 1
        ends = {"sigma_min": sigmas[-1].item(), "sigma_max": sigmas[0].item()}
        given = Given(Net(), image_size=size, channels=channels, S_churn=0, **ends)
        given.event = tuple(x.shape[1:])
        images = given.sample(len(x), num_sample_steps=len(sigmas) - 1)
        return (2 * images - 1).reshape(x.shape)

    return draw
