"""Our samplers beside the schedulers of diffusers: the same network, noise and levels give the same images."""

import importlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    Ancestral,
    DPMpp2M,
    Euler,
    Heun,
    LangevinCorrector,
    LoadedModel,
    PredictorCorrector,
    Sampler,
    load_model,
    sample,
)
from scorefield._noise import Noise
from scorefield.errors import ConfigError
from scorefield.grids import Step
from scorefield.models import ScoreModel, State
from scorefield.samplers import ReverseDiffusion
from turns import in_turn

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'scorefield[interop]'")
pytestmark = pytest.mark.usefixtures("seeded", "without_gradients")
CLOSE = 1e-4


@pytest.fixture
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tensor]]:
    """Make our noise and theirs the k-th of one list, wherever it is drawn, and let each begin the list."""
    given = [torch.randn(2, 1, 8, 8) for _ in range(40)]
    state = {"ours": iter(given), "theirs": iter(given)}
    monkeypatch.setattr(Noise, "normal", lambda self: next(state["ours"]))
    for name in ("ddpm", "euler_ancestral_discrete", "sde_ve"):
        module = importlib.import_module(f"diffusers.schedulers.scheduling_{name}")
        monkeypatch.setattr(module, "randn_tensor", lambda *args, **settings: next(state["theirs"]))
    yield given
    more = len(list(state["ours"])) - len(list(state["theirs"]))
    assert more in (0, 1), "one drew more noise than the other"  # theirs may at the end, which they multiply by 0


def unet(**settings: Any) -> Any:
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    sizes = {"sample_size": 8, "in_channels": 1, "out_channels": 1}
    small = {"block_out_channels": (16, 16), "norm_num_groups": 8, "layers_per_block": 1}
    return diffusers.UNet2DModel(**{**sizes, **small, **blocks, **settings}).eval()


def loaded(folder: Path, net: Any, scheduler: Any) -> LoadedModel:
    net.save_pretrained(folder / "unet")
    scheduler.save_pretrained(folder / "scheduler")
    return load_model(f"diffusers:{folder}")


def theirs(net: Any, scheduler: Any, x: Tensor, labels: Tensor | None = None) -> Tensor:
    """Their loop."""
    for t in scheduler.timesteps:
        x = scheduler.step(net(scheduler.scale_model_input(x, t), t, labels).sample, t, x).prev_sample
    return x


def same(found: Tensor, expected: Tensor) -> None:
    off = ((found - expected).abs().max() / expected.abs().max()).item()
    assert off < CLOSE


def levels(scheduler: Any, model: ScoreModel) -> Tensor:
    """Their noise levels as our times; the last is no noise, where ours end by denoising."""
    assert scheduler.sigmas[-1] == 0
    return model.process.time(torch.unique(scheduler.sigmas[:-1].double()).flip(0))


EULER = partial(diffusers.EulerDiscreteScheduler, timestep_spacing="trailing")
MULTISTEP = partial(diffusers.DPMSolverMultistepScheduler, timestep_spacing="trailing", final_sigmas_type="zero")
FLOWS: dict[str, tuple[Any, Sampler]] = {
    "Euler": (EULER, Euler()),
    "Euler on Karras' levels": (partial(EULER, use_karras_sigmas=True), Euler()),
    "Euler, ancestral": (
        partial(diffusers.EulerAncestralDiscreteScheduler, timestep_spacing="trailing"),
        Ancestral(),
    ),
    "Heun": (partial(diffusers.HeunDiscreteScheduler, timestep_spacing="trailing"), Heun()),
    "DPM-Solver++(2M)": (MULTISTEP, DPMpp2M()),
}


@pytest.mark.parametrize(("name", "prediction", "trained"), in_turn(FLOWS, ("epsilon", "v_prediction"), (1000, 60)))
@pytest.mark.usefixtures("drawn")
def test_schedulers_of_noise_levels(name: str, prediction: str, trained: int, tmp_path: Path) -> None:
    make, sampler = FLOWS[name]
    net, scheduler = unet(), make(prediction_type=prediction, num_train_timesteps=trained)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(10)
    times, y = levels(scheduler, model), torch.randn(2, 1, 8, 8)
    alpha, _ = model.process.alpha_sigma(times[0])
    inside = name == "DPM-Solver++(2M)"  # it works on x, the others on x/α
    x = y if inside else (y * scheduler.init_noise_sigma) * alpha.float()
    expected = theirs(net, scheduler, x if inside else y * scheduler.init_noise_sigma)
    same(sample(model, sampler, init=x, grid=times).x, expected)


def test_what_is_refused_is_of_the_pipeline_and_not_of_a_file_that_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(str(tmp_path))}: process: levels must be at least 2"):
        loaded(tmp_path, unet(), diffusers.DDPMScheduler(num_train_timesteps=1))


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
def test_levels_rescaled_to_noise_alone(prediction: str, tmp_path: Path) -> None:
    net = unet()
    scheduler = diffusers.DDIMScheduler(
        rescale_betas_zero_snr=True, prediction_type=prediction, clip_sample=False, timestep_spacing="trailing"
    )
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(10)
    assert scheduler.alphas_cumprod[-1] == 0
    x, times = torch.randn(2, 1, 8, 8), scheduler.timesteps.double() / 999
    same(sample(model, Euler(), init=x, grid=times).x, theirs(net, scheduler, x))


def test_karras_levels_are_told_by_their_nearest_index(tmp_path: Path) -> None:
    net = unet(
        time_embedding_type="learned", num_train_timesteps=1000
    )  # which knows whole indices alone, as theirs tells any network
    scheduler = MULTISTEP(use_karras_sigmas=True)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(10)
    x = torch.randn(2, 1, 8, 8)
    same(sample(model, DPMpp2M(), init=x, grid=levels(scheduler, model)).x, theirs(net, scheduler, x))


def test_straight_lines_by_a_scheduler_of_levels(tmp_path: Path) -> None:
    net, scheduler = unet(), MULTISTEP(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=2.0)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(6)
    sigmas, start = scheduler.sigmas[:-1], torch.randn(2, 1, 8, 8)
    expected = start
    for sigma, t in zip(sigmas, scheduler.timesteps, strict=True):  # t is 1000 σ, cut to a whole number
        expected = scheduler.step(net(expected, 1000 * sigma).sample, t, expected).prev_sample
    times = model.process.time((sigmas / (1 - sigmas)).double())
    same(sample(model, DPMpp2M(), init=start, grid=times).x, expected)


@pytest.mark.parametrize(("prediction", "steps"), in_turn(("sample", "v_prediction"), (5, 30)))
@pytest.mark.parametrize(("theirs_", "ours"), [("fixed_small", "posterior"), ("fixed_large", "forward")])
@pytest.mark.usefixtures("drawn")
def test_ancestral_sampling(prediction: str, theirs_: Any, ours: Any, steps: int, tmp_path: Path) -> None:
    net = unet()
    scheduler = diffusers.DDPMScheduler(
        variance_type=theirs_, prediction_type=prediction, clip_sample=False, num_train_timesteps=60
    )
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(steps)
    x, times = torch.randn(2, 1, 8, 8), scheduler.timesteps.double() / 59
    expected = theirs(net, scheduler, x)
    same(sample(model, Ancestral(ours), init=x, grid=times).x, expected)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("make", "sampler"),
    [(diffusers.EDMEulerScheduler, Euler()), (diffusers.EDMDPMSolverMultistepScheduler, DPMpp2M())],
)
def test_schedulers_of_edm(make: Any, sampler: Sampler, prediction: str, tmp_path: Path) -> None:
    net, scheduler = unet(), make(prediction_type=prediction, sigma_max=20.0)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(12)
    x = torch.randn(2, 1, 8, 8) * scheduler.init_noise_sigma
    same(sample(model, sampler, init=x, grid=levels(scheduler, model)).x, theirs(net, scheduler, x))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_schedulers_of_rectified_flow(shift: float, tmp_path: Path) -> None:
    net, scheduler = unet(), diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(8)
    x = start = torch.randn(2, 1, 8, 8)
    for t in scheduler.timesteps:
        x = scheduler.step(net(x, t).sample, t, x).prev_sample
    times = scheduler.sigmas[:-1].double().clamp(max=1 - 1e-6)  # at 1 there is no score
    same(sample(model, Euler(), init=start, grid=times).x, x)


class HeunInTime(Sampler[None]):
    """Heun's method in (x, t), where the lines are straight: u = dx/dt = (x − D)/t. `Heun` averages slopes in (x/α, σ/α)."""

    evaluations = 2

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        (t, s), h = (step.t.item(), step.s.item()), (step.s - step.t).item()
        u = (x - model.denoise(x, step.t)) / t
        ahead = x + h * u
        return x + 0.5 * h * (u + (ahead - model.denoise(ahead, step.s)) / s), None


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_heuns_method_for_rectified_flow(shift: float, tmp_path: Path) -> None:
    """Step for step in their variables, on the same model and levels, with the same closing denoising."""
    net, scheduler = unet(), diffusers.FlowMatchHeunDiscreteScheduler(shift=shift)
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(8)
    x = start = torch.randn(2, 1, 8, 8)
    for t in scheduler.timesteps:
        x = scheduler.step(net(x, t).sample, t, x).prev_sample
    times = torch.unique(scheduler.sigmas[:-1].double()).flip(0).clamp(max=1 - 1e-6)
    same(sample(model, HeunInTime(), init=start, grid=times).x, x)


class Scaled(Sampler[None]):
    """Predictor-corrector sampling whose k-th correction has the k-th of the ratios given: theirs follows from the norms of a batch."""

    evaluations = 2

    def __init__(self, ratios: list[float]) -> None:
        self.ratios = ratios

    def step(self, model: ScoreModel, x: State, step: Step, memory: None, noise: Noise) -> tuple[State, None]:
        pc = PredictorCorrector(ReverseDiffusion(), LangevinCorrector(self.ratios[step.number - 1]))
        return pc.step(model, x, step, None, noise)[0], None


def test_predictor_corrector_sampling_of_score_sde(drawn: list[Tensor], tmp_path: Path) -> None:
    net, scheduler = unet(time_embedding_type="fourier"), diffusers.ScoreSdeVeScheduler(sigma_max=20.0)
    model = loaded(tmp_path, net, scheduler).model
    scheduler.set_timesteps(12)
    scheduler.set_sigmas(12)
    x = start = torch.randn(2, 1, 8, 8) * 20
    sigmas, ratios, mean = scheduler.discrete_sigmas.flip(0), [], x
    for k, t in enumerate(scheduler.timesteps[:-1]):
        score = net(x, sigmas[k].expand(2)).sample
        ratios.append(0.15 * norm(drawn[2 * k]) / (norm(score) * sigmas[k].item()))
        x = scheduler.step_correct(score, x).prev_sample
        x, mean = scheduler.step_pred(net(x, sigmas[k].expand(2)).sample, t, x, return_dict=False)
    found = sample(model, Scaled(ratios), init=start, grid=model.process.time(sigmas.double()), denoise=False)
    same(found.x, x)
    mean = x + sigmas[-1] ** 2 * net(x, sigmas[-1].expand(2)).sample  # their last step, without its noise
    same(model.denoise(x, model.process.time(sigmas[-1].double())), mean)


def norm(x: Tensor) -> float:
    return x.flatten(1).norm(dim=1).mean().item()


@pytest.mark.parametrize(("embedding", "trained"), in_turn(("positional", "fourier", "learned"), (20, 1000, 4000)))
def test_networks_trained_on_any_number_of_levels(embedding: str, trained: int, tmp_path: Path) -> None:
    net = unet(time_embedding_type=embedding, num_train_timesteps=trained)
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=trained, clip_sample=False, timestep_spacing="trailing", beta_end=min(0.5, 20 / trained)
    )
    model = loaded(tmp_path, net, scheduler).model.in_units(None)
    scheduler.set_timesteps(10)
    x, times = torch.randn(2, 1, 8, 8), scheduler.timesteps.double() / (trained - 1)
    same(sample(model, Euler(), init=x, grid=times).x, theirs(net, scheduler, x))


@pytest.mark.parametrize("kind", [None, "timestep"])
def test_pipelines_of_classes(kind: str | None, tmp_path: Path) -> None:
    net = unet(num_class_embeds=3, class_embed_type=kind)
    scheduler = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    found = loaded(tmp_path, net, scheduler)
    scheduler.set_timesteps(5)
    labels = torch.tensor([2, 0])
    x, times = torch.randn(2, 1, 8, 8), scheduler.timesteps.double() / 999
    model = found.steered(labels=labels).in_units(None)
    same(sample(model, Euler(), init=x, grid=times).x, theirs(net, scheduler, x, labels))


@pytest.mark.parametrize("settings", [{"class_embed_type": "identity"}, {"class_embed_type": "timestep"}])
def test_conditions_that_are_no_classes_are_refused(settings: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="class_embed_type"):
        loaded(tmp_path, unet(**settings), diffusers.DDIMScheduler())
