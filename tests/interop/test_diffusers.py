"""Pipelines of diffusers, built and saved by itself at random, are models of ours: same scores, same samples on the same noise."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scorefield import (
    EDM,
    VP,
    CheckpointError,
    ConfigError,
    Denoiser,
    DPMpp2M,
    Euler,
    Exact,
    GaussianMixture,
    Heun,
    Karras,
    LoadedModel,
    Sampler,
    UNet,
    load_model,
    sample,
)
from scorefield.models import ScoreModel
from scorefield.networks import UNet2D
from scorefield.samplers import Multistep
from turns import in_turn

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'scorefield[interop]'")
pytestmark = pytest.mark.usefixtures("seeded", "without_gradients")


@pytest.fixture
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def unet(**settings: Any) -> Any:
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    sizes = {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
    }
    return diffusers.UNet2DModel(**{**sizes, **blocks, **settings}).eval()


def saved(folder: Path, net: Any, scheduler: Any) -> Path:
    net.save_pretrained(folder / "unet")
    scheduler.save_pretrained(folder / "scheduler")
    return folder


PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "same_seed.md").read_text(encoding="utf-8")


def streams(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def seeded(net: Any, seeds: Sequence[int]) -> Tensor:
    model = Denoiser(net, EDM(), sigma_data=0.5)
    return sample(model, Heun(churn=4.0), (len(seeds), 3, 8, 8), grid=Karras(8), seeds=seeds).x


def piped(pipeline: Any, generator: Any, count: int) -> Tensor:
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(batch_size=count, generator=generator, num_inference_steps=8, output_type="np")
    return torch.from_numpy(made.images)


DRAWN_FROM_SEEDS: dict[str, Callable[[Any, Sequence[int]], Tensor]] = {
    "scorefield, `seeds=[one, per, image]`": seeded,
    "diffusers, `DDPMPipeline(generator=[one, per, image])`": lambda net, seeds: piped(
        diffusers.DDPMPipeline(net, diffusers.DDPMScheduler()), streams(seeds), len(seeds)
    ),
    "diffusers, `DDPMPipeline(generator=one)`": lambda net, seeds: piped(
        diffusers.DDPMPipeline(net, diffusers.DDPMScheduler()), streams(seeds[-1:])[0], len(seeds)
    ),
    "diffusers, `ScoreSdeVePipeline(generator=[one, per, image])`": lambda net, seeds: piped(
        diffusers.ScoreSdeVePipeline(net, diffusers.ScoreSdeVeScheduler(sigma_max=1.0)), streams(seeds), len(seeds)
    ),
}


@pytest.mark.parametrize("call", DRAWN_FROM_SEEDS)
def test_an_image_drawn_alone_is_the_one_of_a_batch_where_the_page_says_so(call: str) -> None:
    net = UNet(3, 8, width=16) if call.startswith("scorefield") else unet(in_channels=3, out_channels=3)
    together, alone = (DRAWN_FROM_SEEDS[call](net, seeds) for seeds in ([0, 1, 2, 3], [3]))
    same = bool((together[3] - alone[0]).abs().max() < 1e-4)
    assert f"| {call} | {'the same' if same else 'another'} image" in PAGE


def loaded(folder: Path, net: Any, scheduler: Any) -> LoadedModel:
    return load_model(f"diffusers:{saved(folder, net, scheduler)}")


def off(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()


def theirs(net: Any, scheduler: Any, x: Tensor) -> Tensor:
    """Their loop."""
    for t in scheduler.timesteps:
        x = scheduler.step(net(scheduler.scale_model_input(x, t), t).sample, t, x).prev_sample
    return x


def ours(model: ScoreModel, sampler: Sampler, x: Tensor, times: Tensor, *, denoise: bool = True) -> Tensor:
    """Our loop on its coordinates, in which images are in [−1, 1]."""
    return sample(model.in_units(None), sampler, init=x, grid=times, denoise=denoise).x


SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
PREDICTIONS = ("epsilon", "sample", "v_prediction")


@pytest.mark.parametrize(("schedule", "prediction"), in_turn(SCHEDULES, PREDICTIONS))
def test_eulers_method_is_their_ddim(schedule: str, prediction: str, tmp_path: Path) -> None:
    net = unet()
    scheduler = diffusers.DDIMScheduler(
        beta_schedule=schedule, prediction_type=prediction, clip_sample=False, timestep_spacing="trailing"
    )
    model = loaded(tmp_path, net, scheduler).model
    scheduler.set_timesteps(10)
    x = torch.randn(2, 1, 8, 8)
    times = scheduler.timesteps.double() / 999
    assert off(ours(model, Euler(), x, times), theirs(net, scheduler, x)) < 2e-5


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_eulers_method_is_that_of_their_edm(prediction: str, tmp_path: Path) -> None:
    net, scheduler = unet(), diffusers.EDMEulerScheduler(prediction_type=prediction, sigma_max=20.0)
    model = loaded(tmp_path, net, scheduler).model
    scheduler.set_timesteps(8)
    x = torch.randn(2, 1, 8, 8) * scheduler.init_noise_sigma
    times = scheduler.sigmas[:-1].double()
    assert off(ours(model, Euler(), x, times), theirs(net, scheduler, x)) < 1e-5


def test_dpm_solver_is_theirs(tmp_path: Path) -> None:
    net = unet()
    scheduler = diffusers.DPMSolverMultistepScheduler(
        lower_order_final=False, timestep_spacing="trailing", final_sigmas_type="sigma_min"
    )
    model = loaded(tmp_path, net, scheduler).model
    scheduler.set_timesteps(10)
    x = torch.randn(2, 1, 8, 8)
    times = model.process.time(scheduler.sigmas.double())
    assert off(ours(model, DPMpp2M(), x, times, denoise=False), theirs(net, scheduler, x)) < 1e-5


LATE = {"solver_order": 3, "lower_order_final": False, "timestep_spacing": "trailing"}
MULTISTEP = {
    "dpmpp3m": lambda: diffusers.DPMSolverMultistepScheduler(**LATE, final_sigmas_type="sigma_min"),
    "unipc": lambda: diffusers.UniPCMultistepScheduler(**LATE, final_sigmas_type="sigma_min"),
    "deis": lambda: diffusers.DEISMultistepScheduler(**LATE),
}


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=() if rule == "unipc" else pytest.mark.slow) for rule in MULTISTEP]
)
def test_multistep_methods_are_theirs(rule: Any, tmp_path: Path) -> None:
    net, scheduler = unet(), MULTISTEP[rule]()
    model = loaded(tmp_path, net, diffusers.DPMSolverMultistepScheduler(**LATE)).model
    scheduler.set_timesteps(10)
    x = torch.randn(2, 1, 8, 8)
    times = model.process.time(scheduler.sigmas.double())
    expected = theirs(net, scheduler, x)
    assert off(ours(model, Multistep(rule), x, times, denoise=False), expected) < 1e-5
    others = [ours(model, Multistep(other), x, times, denoise=False) for other in {*MULTISTEP} - {rule}]
    assert min(off(other, expected) for other in others) > 1e-4


def test_ipndm_is_theirs() -> None:
    """It predicts v = αẑ − σx_0 = (ẑ − σx)/α on noise levels of its own, here those of a grid of ours."""
    process = VP()
    model = Exact(GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.3, 0.5], [0.4, 0.6]), process)
    times = Karras(12).times(process)
    alpha, sigma = process.alpha_sigma(times)
    scheduler = diffusers.IPNDMScheduler(trained_betas=sigma.tolist())
    scheduler.set_timesteps(len(times) - 1)
    x = start = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for k, t in enumerate(scheduler.timesteps):
        v = (model.noise(x, times[k]) - sigma[k] * x) / alpha[k]
        x = scheduler.step(v, t, x).prev_sample
    found = sample(model, Multistep("ipndm"), grid=times, init=start, denoise=False).x
    assert off(found, x) < 1e-5


def test_the_score_of_score_sde_is_the_networks_output(tmp_path: Path) -> None:
    net = unet(time_embedding_type="fourier")
    model = loaded(tmp_path, net, diffusers.ScoreSdeVeScheduler(sigma_max=50.0)).model
    x, sigma = torch.rand(2, 1, 8, 8), torch.tensor([0.1, 20.0])
    assert off(model.score(x, model.process.time(sigma.double())), net(x, sigma).sample) < 1e-5


def test_a_pipeline_draws_images_in_the_unit_range_and_has_a_likelihood(tmp_path: Path) -> None:
    found = loaded(tmp_path, unet(), diffusers.DDPMScheduler())
    drawn = found.sample(seeds=[3, 4], steps=4)
    assert drawn.x.shape == (2, 1, 8, 8)
    assert off(drawn.x[1:], found.sample(seeds=[4], steps=4).x) < 1e-5
    assert found.log_likelihood(drawn.x[:1].clamp(0, 1), probes=1, atol=1e-2, rtol=1e-2).log_prob.isfinite().all()


def test_classes_are_wanted_where_the_network_knows_nothing_else(tmp_path: Path) -> None:
    found = loaded(tmp_path, unet(num_class_embeds=3), diffusers.DDPMScheduler())
    with pytest.raises(ConfigError, match="one of its 3 classes"):
        found.sample(1, steps=2)
    a, b = (found.sample(1, steps=2, labels=label).x for label in (0, 1))
    assert not torch.allclose(a, b)


def test_a_learned_variance_is_left_out(tmp_path: Path) -> None:
    net = unet(out_channels=2)
    model = loaded(tmp_path, net, diffusers.DDPMScheduler(variance_type="learned")).model.in_units(None)
    x, t = torch.randn(2, 1, 8, 8), torch.tensor(0.5, dtype=torch.float64)
    assert off(model.noise(x, t), net(x, torch.tensor(499.5)).sample[:, :1]) < 1e-5


def test_files_may_lie_at_the_root(tmp_path: Path) -> None:
    saved(tmp_path, unet(), diffusers.DDPMScheduler())
    for path in [*tmp_path.glob("unet/*"), *tmp_path.glob("scheduler/*")]:
        path.rename(tmp_path / path.name)
    assert load_model(str(tmp_path)).event == (1, 8, 8)


def weights_in(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / WEIGHTS)


def in_shards(folder: Path) -> None:
    """Two files, and an index that says which tensor is where."""
    weights, where = weights_in(folder), {}
    (folder / WEIGHTS).unlink()
    for k, half in enumerate((list(weights)[::2], list(weights)[1::2])):
        name = f"diffusion_pytorch_model-0000{k}.safetensors"
        save_file({key: weights[key] for key in half}, folder / "unet" / name)
        where |= dict.fromkeys(half, name)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))


def in_half_precision(folder: Path) -> None:
    save_file({key: value.half() for key, value in weights_in(folder).items()}, folder / "unet" / HALF)
    (folder / WEIGHTS).unlink()


def under_old_names(folder: Path) -> None:
    """As diffusers' first pipelines are stored."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = weights_in(folder)
    for now, before in old.items():
        weights = {key.replace(f".{now}.", f".{before}."): value for key, value in weights.items()}
    assert any(".proj_attn." in key for key in weights)
    save_file(weights, folder / WEIGHTS)


@pytest.mark.parametrize("stored", [in_shards, in_half_precision, under_old_names])
def test_weights_in_other_forms_are_those_weights(stored: Any, tmp_path: Path) -> None:
    net = unet()
    if stored is in_half_precision:
        net.load_state_dict({key: value.half().float() for key, value in net.state_dict().items()})
    stored(saved(tmp_path, net, diffusers.DDPMScheduler()))
    model, x = load_model(f"diffusers:{tmp_path}").model.in_units(None), torch.randn(2, 1, 8, 8)
    assert off(model.noise(x, torch.tensor(1.0, dtype=torch.float64)), net(x, torch.tensor(999.0)).sample) < 1e-5


SCHEDULED = {
    "laplace": lambda: diffusers.DDPMScheduler(beta_schedule="laplace"),
    "sigmoid": lambda: diffusers.DDPMScheduler(beta_schedule="sigmoid"),
    "own": lambda: diffusers.DDIMScheduler(trained_betas=[0.1, 0.2, 0.3, 0.9], num_train_timesteps=4),
    **{
        name: lambda name=name: getattr(diffusers, name)()
        for name in (
            *(
                "HeunDiscreteScheduler",
                "KDPM2DiscreteScheduler",
                "KDPM2AncestralDiscreteScheduler",
                "UniPCMultistepScheduler",
            ),
            *("DEISMultistepScheduler", "SASolverScheduler", "LMSDiscreteScheduler", "PNDMScheduler"),
        )
    },
}


@pytest.mark.parametrize(("name", "stated"), in_turn(SCHEDULED, (True, False)))
def test_levels_are_theirs_stated_or_left_to_the_default(name: str, stated: bool, tmp_path: Path) -> None:
    scheduler = SCHEDULED[name]()
    folder = saved(tmp_path, unet(), scheduler)
    if not stated:
        config = json.loads((folder / SCHEDULER).read_text())
        kept = ("_class_name", "beta_schedule" if name in ("laplace", "sigmoid") else "", "trained_betas")
        (folder / SCHEDULER).write_text(json.dumps({key: value for key, value in config.items() if key in kept}))
    kept = scheduler.alphas_cumprod.double()
    ratio = load_model(f"diffusers:{folder}").model.process.ratio(torch.linspace(0, 1, len(kept), dtype=torch.float64))
    known = kept > 1e-4  # of what is nearly 1 or 0 they keep few digits
    torch.testing.assert_close(ratio[known], ((1 - kept) / kept).sqrt()[known], rtol=1e-3, atol=0)


def test_euler_in_continuous_time_is_told_the_logarithm_of_the_noise(tmp_path: Path) -> None:
    net = unet()
    settings = {"prediction_type": "v_prediction", "timestep_type": "continuous", "sigma_min": 0.01, "sigma_max": 50.0}
    scheduler = diffusers.EulerDiscreteScheduler(**settings, use_karras_sigmas=True)
    model = loaded(tmp_path, net, scheduler).model
    scheduler.set_timesteps(6)
    x = torch.randn(2, 1, 8, 8) * scheduler.init_noise_sigma
    times = scheduler.sigmas[:-1].double()
    assert off(ours(model, Euler(), x, times), theirs(net, scheduler, x)) < 1e-5


def spoil(folder: Path, place: str, **values: Any) -> None:
    path = folder / place
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


SCHEDULER, UNET, WEIGHTS = (
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
)
INDEX, HALF = f"{WEIGHTS}.index.json", "diffusion_pytorch_model.fp16.safetensors"


def elsewhere(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "outside.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"conv_in.weight": "../outside.safetensors"}}))


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (lambda f: spoil(f, SCHEDULER, _class_name="LCMScheduler"), ConfigError, "found LCMScheduler"),
        (lambda f: spoil(f, SCHEDULER, prediction_type="magic"), ConfigError, "found 'magic'"),
        (lambda f: spoil(f, SCHEDULER, beta_schedule="magic"), ConfigError, "found 'magic'"),
        (lambda f: spoil(f, SCHEDULER, rescale_betas_zero_snr=True), ConfigError, "noise alone"),
        (
            lambda f: spoil(f, SCHEDULER, _class_name="DEISMultistepScheduler", use_flow_sigmas=True),
            ConfigError,
            "beside use_flow_sigmas; found 'epsilon'",
        ),
        (
            lambda f: (f / "model_index.json").write_text('{"scheduler": ["diffusers", "LCMScheduler"]}'),
            ConfigError,
            "found LCMScheduler",
        ),
        (lambda f: spoil(f, UNET, _class_name="UNet2DConditionModel"), ConfigError, "found UNet2DConditionModel"),
        (lambda f: spoil(f, UNET, down_block_types=["DownBlock2D"]), ConfigError, "diffusers says"),
        (lambda f: spoil(f, UNET, norm_num_groups=0), ConfigError, "diffusers says"),
        (lambda f: spoil(f, UNET, sample_size=7), ConfigError, r"takes no images of shape \(1, 7, 7\)"),
        (lambda f: spoil(f, UNET, freq_shift=None), ConfigError, "takes no images"),
        (lambda f: spoil(f, UNET, block_out_channels=[32, 10**9]), CheckpointError, "has 1000000000"),
        (lambda f: spoil(f, UNET, block_out_channels=[[32], 64]), CheckpointError, r"has \[32\]"),
        (lambda f: spoil(f, UNET, block_out_channels=None), CheckpointError, "has None"),
        (lambda f: spoil(f, UNET, layers_per_block=10**9), CheckpointError, "layers_per_block"),
        (lambda f: spoil(f, UNET, norm_eps=1e-6, layers_per_block=2), CheckpointError, r"resnets\.1.* is missing"),
        (lambda f: spoil(f, UNET, in_channels=6), ConfigError, "found 1 and 6"),
        (lambda f: spoil(f, SCHEDULER, _class_name="CMStochasticIterativeScheduler"), ConfigError, "found CMSto.*"),
        (lambda f: spoil(f, SCHEDULER, prediction_type="flow_prediction"), ConfigError, "found 'flow_prediction'"),
        (
            lambda f: spoil(f, SCHEDULER, _class_name="FlowMatchEulerDiscreteScheduler", invert_sigmas=True),
            ConfigError,
            "invert_sigmas",
        ),
        (elsewhere, CheckpointError, r"'\.\./outside\.safetensors', which is not read"),
        (lambda f: (f / INDEX).write_text("{}") and (f / WEIGHTS).unlink(), CheckpointError, "expected weight_map"),
        (
            lambda f: (f / "model_index.json").write_text('{"vqvae": ["diffusers", "VQModel"]}'),
            CheckpointError,
            "names the autoencoder vqvae",
        ),
        (lambda f: spoil(f, UNET, sample_size=None), ConfigError, "add sample_size"),
        (lambda f: spoil(f, UNET, sample_size=[8, "x"]), ConfigError, r"add sample_size.*found \[8, 'x'\]"),
        (lambda f: spoil(f, SCHEDULER, prediction_type=["epsilon"]), ConfigError, "as diffusers writes it"),
        (lambda f: spoil(f, SCHEDULER, trained_betas=1), ConfigError, "as diffusers writes it"),
        (lambda f: (f / UNET).write_text("{"), CheckpointError, "expected JSON"),
        (lambda f: (f / WEIGHTS).write_bytes(b"damaged"), CheckpointError, "cannot be read"),
        (lambda f: (f / WEIGHTS).rename(f / "unet/diffusion_pytorch_model.bin"), CheckpointError, "may hold code"),
        (lambda f: (f / SCHEDULER).unlink(), CheckpointError, "found none"),
    ],
)
def test_what_is_wrong_with_a_pipeline_is_said(fault: Any, error: type[Exception], said: str, tmp_path: Path) -> None:
    fault(saved(tmp_path, unet(), diffusers.DDPMScheduler()))
    with pytest.raises(error, match=said):
        load_model(f"diffusers:{tmp_path}")


def test_what_the_diffusers_that_is_installed_passes_over_is_passed_over(tmp_path: Path) -> None:
    """A field of another release; one that is misspelt in a configuration of ours is refused."""
    spoil(saved(tmp_path, unet(), diffusers.DDPMScheduler()), UNET, of_tomorrow=3)
    spoil(tmp_path, SCHEDULER, of_tomorrow=3)
    architecture = load_model(f"diffusers:{tmp_path}").config.network.architecture
    assert "of_tomorrow" not in architecture
    with pytest.raises(ConfigError, match="of_tomorrow"):
        UNet2D({**architecture, "of_tomorrow": 3})
