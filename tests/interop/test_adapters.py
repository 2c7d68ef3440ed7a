"""Objects of other libraries are models of ours: their samplers and ours agree on the same noise, and likelihoods are exact."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    EDM,
    DPMpp2M,
    Euler,
    Exact,
    GaussianMixture,
    Karras,
    LogSNR,
    ScoreModel,
    load_model,
    log_likelihood,
    sample,
)
from scorefield.interop import from_azula, from_denoiser, from_diffusers
from scorefield.interop.adapters import Scheduled

pytestmark = pytest.mark.usefixtures("seeded")
TARGET = GaussianMixture.ring(modes=3, radius=2.0, std=0.4)


def vp_of_azula(t: Tensor) -> tuple[Tensor, Tensor]:
    """The schedule of azula's VP, which does not quite preserve the variance."""
    alpha = torch.exp(t**2 * torch.log(torch.tensor(1e-3, dtype=t.dtype)))
    return alpha, torch.sqrt(1 - alpha**2 + 1e-6)


class Denoiser:
    """A denoiser with the interface of azula's, and the exact answer."""

    schedule = staticmethod(vp_of_azula)

    def __call__(self, x: Tensor, t: Tensor) -> Any:
        return SimpleNamespace(mean=Exact(TARGET, Scheduled(vp_of_azula)).denoise(x, t))


def exact_denoiser(x: Tensor, sigma: Tensor) -> Tensor:
    """A function of k-diffusion's convention, which is told σ of shape (b,)."""
    assert sigma.shape == x.shape[:1]
    assert sigma.dtype == x.dtype
    return Exact(TARGET, EDM()).denoise(x, sigma)


CASES = {
    "k-diffusion": (lambda: from_denoiser(exact_denoiser, 0.01, 20.0), EDM(0.01, 20.0)),
    "azula": (lambda: from_azula(Denoiser()), Scheduled(vp_of_azula)),
}


@pytest.mark.parametrize("case", CASES)
def test_samples_and_likelihoods_are_those_of_the_exact_model(case: str) -> None:
    make, process = CASES[case]
    model, exact = make(), Exact(TARGET, process)
    exact.moments = None  # start where a model starts that knows nothing of its data
    grid = LogSNR(9) if case == "azula" else Karras(9)
    drawn = [sample(m, DPMpp2M(), (50, 2), grid=grid, seed=1).x for m in (model, exact)]
    torch.testing.assert_close(*drawn, rtol=1e-4, atol=1e-4)
    x = TARGET.sample(20, generator=torch.Generator().manual_seed(0)).float()
    found = log_likelihood(model, x, atol=1e-5, rtol=1e-5).log_prob
    torch.testing.assert_close(found.double(), TARGET.log_prob(x).double(), rtol=0.02, atol=0.05)


def test_a_schedule_knows_the_time_of_a_ratio() -> None:
    process = Scheduled(vp_of_azula)
    t = torch.linspace(0.02, 0.98, 9, dtype=torch.float64)
    torch.testing.assert_close(process.time(process.ratio(t)), t, rtol=0, atol=1e-10)
    f, _ = process.drift_diffusion(t)
    torch.testing.assert_close(f, 2 * t * torch.log(torch.tensor(1e-3, dtype=torch.float64)))


def test_our_euler_is_azulas_ddim() -> None:
    pytest.importorskip("azula", reason="azula is not installed")
    from azula.denoise import KarrasDenoiser
    from azula.noise import VPSchedule
    from azula.sample import DDIMSampler

    net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.SiLU(), torch.nn.Linear(16, 3))

    class Backbone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.net(x) * torch.cos(t)[..., None]

    denoiser = KarrasDenoiser(Backbone(), VPSchedule())
    sampler = DDIMSampler(denoiser, steps=12, silent=True)
    x = torch.randn(5, 3)
    with torch.no_grad():
        ours = sample(from_azula(denoiser), Euler(), init=x, grid=sampler.timesteps.double(), denoise=False).x
        torch.testing.assert_close(ours, sampler(x), rtol=1e-4, atol=1e-4)


def test_a_pipeline_of_diffusers_is_the_model_that_its_folder_is(tmp_path: Any) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'scorefield[interop]'")
    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    sizes = {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": [32, 64],
        "layers_per_block": 1,
    }
    net = diffusers.UNet2DModel(**sizes, **blocks).eval()
    scheduler = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    pipe = diffusers.DDIMPipeline(net, scheduler)
    pipe.save_pretrained(tmp_path)
    models: list[ScoreModel] = [
        from_diffusers(pipe),
        from_diffusers(tmp_path),
        load_model(f"diffusers:{tmp_path}").model,
    ]
    scheduler.set_timesteps(5)
    x = torch.randn(2, 1, 8, 8)
    times = scheduler.timesteps.double() / 999
    with torch.no_grad():
        mine = [sample(model.in_units(None), Euler(), init=x, grid=times).x for model in models]
        theirs = x
        for t in scheduler.timesteps:
            theirs = scheduler.step(net(theirs, t).sample, t, theirs).prev_sample
    assert ((mine[0] - theirs).abs().max() / theirs.abs().max()).item() < 2e-5
    assert torch.equal(mine[0], mine[1])
    assert torch.equal(mine[0], mine[2])
    assert next(models[0].parameters()) is next(net.parameters())
