"""Objects of other libraries are models of ours: their samplers and ours agree on the same noise, and likelihoods are exact."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    EDM,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Karras,
    LogSNR,
    ScoreModel,
    load_model,
    log_likelihood,
    sample,
)
from scorefield._noise import Noise
from scorefield.interop import from_azula, from_denoiser, from_diffusers, from_sbi
from scorefield.interop.adapters import Scheduled
from scorefield.processes import RectifiedFlow

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


OBSERVED = torch.tensor([1.0, -0.5])


class Estimator(torch.nn.Module):
    """A vector field with the interface of sbi's, of a posterior N(θ; x, 0.3²) under a flow of straight lines or the VP of azula."""

    input_shape = condition_shape = torch.Size([2])
    t_min, t_max, compose_enabled = 1e-4, 0.99, False

    def __init__(self, straight: bool) -> None:
        super().__init__()
        self.process = RectifiedFlow() if straight else Scheduled(vp_of_azula)
        alpha, sigma = self.process.alpha_sigma(torch.tensor(self.t_max))
        self.mean_base, self.std_base = alpha * OBSERVED[None], torch.sqrt(alpha**2 * 0.09 + sigma**2).expand(1, 2)

    def mean_t_fn(self, times: Tensor) -> Tensor:
        return self.process.alpha_sigma(times)[0][:, None]

    def std_fn(self, times: Tensor) -> Tensor:
        return self.process.alpha_sigma(times)[1][:, None]

    def ode_fn(self, theta: Tensor, condition: Tensor, times: Tensor) -> Tensor:
        assert (condition.shape, times.shape) == ((1, 2), theta.shape[:1])
        return Exact(Gaussian(condition[0], 0.3**2 * torch.eye(2)), self.process).velocity(theta, times)


@pytest.mark.parametrize("straight", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_posteriors_of_sbi_have_their_densities_and_are_drawn_from(straight: bool) -> None:
    model = from_sbi(SimpleNamespace(vector_field_estimator=Estimator(straight)), OBSERVED)
    posterior = Gaussian(OBSERVED, 0.3**2 * torch.eye(2))
    theta = posterior.sample(20, generator=torch.Generator().manual_seed(0)).float()
    found = log_likelihood(model, theta, atol=1e-6, rtol=1e-6).log_prob
    torch.testing.assert_close(found.double(), posterior.log_prob(theta).double(), rtol=1e-3, atol=5e-3)
    drawn = sample(model, Heun(), (2000, 2), grid=LogSNR(20)).x
    torch.testing.assert_close(drawn.mean(dim=0), OBSERVED, rtol=0, atol=0.03)  # 4.5 standard errors
    torch.testing.assert_close(drawn.std(dim=0), torch.full((2,), 0.3), rtol=0.08, atol=0)
    with pytest.raises(ValueError, match="one observation"):
        from_sbi(SimpleNamespace(vector_field_estimator=Estimator(straight)), OBSERVED[:1])


def test_our_euler_maruyama_and_densities_are_those_of_sbi(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)  # where it writes a log
    pytest.importorskip("sbi", reason="sbi is not installed")
    from sbi.inference import NPSE
    from sbi.samplers.score.diffuser import Diffuser

    prior = torch.distributions.MultivariateNormal(torch.zeros(2), 4 * torch.eye(2))
    theta = prior.sample((200,))
    trainer = NPSE(prior, sde_type="vp").append_simulations(theta, theta + 0.5 * torch.randn(200, 2))
    trainer.train(max_num_epochs=2, training_batch_size=100)
    posterior = trainer.build_posterior().set_default_x(OBSERVED[None])
    model = from_sbi(posterior, OBSERVED)
    estimator = posterior.vector_field_estimator
    start = torch.randn(50, 1, 2) * estimator.std_base + estimator.mean_base
    noises = torch.randn(11, 50, 1, 2)
    streams = iter(noises), iter(noises)
    times = torch.linspace(1.0, 1e-3, 12)
    posterior.potential_fn.set_x(OBSERVED[None])
    diffuser = Diffuser(posterior.potential_fn, predictor="euler_maruyama")
    monkeypatch.setattr(diffuser, "initialize", lambda count: start)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn_like", lambda x, **settings: next(streams[0]))
        theirs = diffuser.run(50, times, show_progress_bars=False)
    monkeypatch.setattr(Noise, "normal", lambda self: next(streams[1])[:, 0])
    ours = sample(model, EulerMaruyama(), init=start[:, 0], grid=times.double(), denoise=False).x
    torch.testing.assert_close(ours, theirs.reshape(50, 2), rtol=1e-4, atol=1e-4)
    rows = theta[:20]
    found = log_likelihood(model, rows, atol=1e-6, rtol=1e-6).log_prob
    torch.testing.assert_close(found, posterior.log_prob(rows, x=OBSERVED[None]), rtol=1e-3, atol=5e-3)


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


class OfOneTime(Denoiser):
    """As azula's Gaussians in closed form: the time is one for all rows."""

    def __call__(self, x: Tensor, t: Tensor) -> Any:
        mean = t * torch.zeros(2)
        return super().__call__(x + mean, t.reshape(()))


@pytest.mark.parametrize("n", [3, 2], ids=["of other rows than columns", "of as many"])  # which fail in other words
def test_a_denoiser_of_one_time_is_asked_row_by_row(n: int) -> None:
    x, t = torch.randn(n, 2), torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)[:n]
    model = from_azula(OfOneTime())
    for at in (t, t[0]):
        torch.testing.assert_close(model.denoise(x, at), from_azula(Denoiser()).denoise(x, at))
    assert log_likelihood(model, x, rtol=1e-3, atol=1e-3).log_prob.isfinite().all()


class Failing(Denoiser):
    """Fails for all rows together, of another reason."""

    def __call__(self, x: Tensor, t: Tensor) -> Any:
        if len(x) > 1:
            raise RuntimeError("out of memory")
        return super().__call__(x, t)


def test_a_denoiser_that_fails_is_not_asked_again() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        from_azula(Failing()).denoise(torch.randn(3, 2), torch.tensor([0.2, 0.5, 0.9]))


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


def test_a_sample_of_azulas_ddpm_depends_on_its_batch_as_the_page_says() -> None:
    pytest.importorskip("azula", reason="azula is not installed")
    from azula.denoise import KarrasDenoiser
    from azula.noise import VPSchedule
    from azula.sample import DDPMSampler

    class Backbone(torch.nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return torch.tanh(x)

    sampler = DDPMSampler(KarrasDenoiser(Backbone(), VPSchedule()), steps=8, silent=True)
    starts, drawn = torch.randn(4, 3), []
    for rows in (slice(None), slice(3, 4)):
        torch.manual_seed(3)
        drawn.append(sampler(starts[rows]))
    assert (drawn[0][3] - drawn[1][0]).abs().max() > 0.1
    page = Path(__file__).parents[2] / "docs" / "howto" / "same_seed.md"
    assert "| azula, `DDPMSampler`, `torch.manual_seed` | another image" in page.read_text(encoding="utf-8")


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
