"""Models of score_sde_pytorch, EDM and diffusers become runs that every command accepts; checkpoints go back unchanged."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foreign_checkpoints import SHARED, SMALL, checkpoint, configuration, pictures, small
from foreign_pickles import persistent, write
from full_disk import full_disk
from scorefield import load_model
from scorefield.cli import main
from scorefield.config import RunConfig, merge, validate
from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop.diffusers_out import write_pipeline
from scorefield.interop.score_sde_config import PUBLISHED, read_score_sde_config, run_of_score_sde
from scorefield.interop.score_sde_file import require_score_sde
from scorefield.interop.torch_file import write as write_torch
from turns import in_turn, one_in

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
pytestmark = pytest.mark.usefixtures("seeded")
PLAIN = {"fir": False, "embedding_type": "positional", "progressive_input": "none"}
GIVEN = ["ddpm_vp", "ddpmpp_vp", "ncsnpp_256_style", "ncsnpp_subvp", "ncsnpp_ve"]


def golden(name: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Return a network's configuration, its weights under the reference's names, and its inputs and outputs."""
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no reference data: {path.name} is not in {GOLDEN}")
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}
        meta = json.loads(str(file["meta"]))
    return (
        meta,
        {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")},
        arrays,
    )


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest error, in units of the largest value of each example."""
    return ((found - expected).abs().amax((1, 2, 3)) / expected.abs().amax((1, 2, 3))).max().item()


def network(name: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Return a network's configuration, its weights under the reference's names, and reference data where they are given."""
    return (*small(name), {}) if name in SMALL else golden(f"score_sde_{name}")


def converted(tmp_path: Path, name: str, *more: str) -> tuple[dict[str, Any], Path, dict[str, Tensor]]:
    meta, state, arrays = network(name)
    value = checkpoint(state)
    torch.save(value, tmp_path / "checkpoint.pth")
    config = configuration(tmp_path / "config.py", meta)
    arguments = ["--from", "score_sde", "--config", str(config), "--out", str(tmp_path / "run")]
    assert main(["convert", str(tmp_path / "checkpoint.pth"), *arguments, *more]) == 0
    return value, tmp_path / "run", arrays


def same(found: object, expected: object) -> bool:
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(found) == list(expected) and all(same(found[key], value) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, Tensor) and isinstance(found, Tensor):
        return found.dtype == expected.dtype and torch.equal(found, expected)
    return found == expected


@pytest.mark.parametrize("name", one_in(4, [*SMALL, *GIVEN]))
def test_a_checkpoint_of_score_sde_comes_in_and_goes_out_bit_for_bit(name: str, tmp_path: Path) -> None:
    value, run, arrays = converted(tmp_path, name)
    assert main(["convert", str(run), "--to", "score_sde", "--out", str(tmp_path / "back.pth")]) == 0
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    back["optimizer"].pop("param_groups")
    value["optimizer"].pop("param_groups")
    for key, part in value.items():
        assert same(back[key], part), key
    if arrays:
        model = load_model(str(run)).model.in_units(None)
        with torch.no_grad():
            assert off(model.score(arrays["input"], arrays["t"].double()), arrays["score"]) < 1e-5


PARTLY = {
    "no optimiser": (lambda v: v.pop("optimizer"), "weights of step 7"),
    "no averages": (lambda v: v.pop("ema"), "none averaged, of step 7"),
    "averages in a tuple": (
        lambda v: v["ema"].update(shadow_params=tuple(v["ema"]["shadow_params"])),
        "weights of step 7",
    ),
    "no prefix": (
        lambda v: v.update(model={name.removeprefix("module."): value for name, value in v["model"].items()}),
        "averaged weights of step 7",
    ),
    "weights alone": (
        lambda v: [v.update(v.pop("model")), [v.pop(k) for k in ("ema", "step", "optimizer")]],
        "of step 0",
    ),
}


@pytest.mark.parametrize("what", one_in(2, PARTLY))
def test_what_is_left_of_a_checkpoint_is_read(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta, state, _ = network("small ddpm++ of vp")
    value, (change, said) = checkpoint(state), PARTLY[what]
    now = {name.removeprefix("module."): tensor for name, tensor in value["model"].items()}
    change(value)
    torch.save(value, tmp_path / "x.pth")
    config = configuration(tmp_path / "config.py", meta)
    arguments = ["--from", "score_sde", "--config", str(config), "--out"]
    assert main(["convert", str(tmp_path / "x.pth"), *arguments, str(tmp_path / "run")]) == 0
    assert said in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "run"), "--to", "score_sde", "--out", str(tmp_path / "back.pth")]) == 0
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    expected = now if "none" in said or said.endswith("0") else state
    trained = [tensor for name, tensor in expected.items() if name != "sigmas"]
    assert same(back["ema"]["shadow_params"], trained)


COUNTS = {
    "ve/cifar10_ncsnpp_continuous": 62_758_787,
    "ve/cifar10_ncsnpp_deep_continuous": 107_586_947,
    "ve/ffhq_256_ncsnpp_continuous": 65_574_421,
    "vp/cifar10_ddpmpp_continuous": 61_804_419,
    "vp/cifar10_ddpmpp_deep_continuous": 106_632_579,
    "vp/cifar10_ncsnpp_continuous": 62_693_251,
    "vp/cifar10_ncsnpp_deep_continuous": 107_521_411,
    "vp/ddpm/cifar10_continuous": 35_218_947,
    **{"ve/cifar10_ddpm": 35_218_947, "vp/ddpm/cifar10": 35_218_947},
    **{"ve/cifar10_ncsnpp": 62_693_251, "vp/cifar10_ncsnpp": 62_693_251, "vp/cifar10_ddpmpp": 61_804_419},
}
COUNTS |= {
    name.replace("vp/cifar10", "subvp/cifar10"): n
    for name, n in COUNTS.items()
    if name.startswith("vp/cifar10") and name.endswith("continuous")
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_the_page_has_the_size_of_a_published_configuration(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "others_models.md"
    rows = [row for row in page.read_text(encoding="utf-8").splitlines() if f"`{name.replace('subvp', 'vp')}`" in row]
    assert f"{COUNTS[name] / 1e6:.1f}" in rows[0].split("|")[2]


@pytest.mark.parametrize("name", sorted({*COUNTS, *PUBLISHED}))
def test_a_published_configuration_has_the_published_size(name: str) -> None:
    config = validate(RunConfig, run_of_score_sde(PUBLISHED[name]), name)
    size = config.data.size
    assert size is not None
    with torch.device("meta"):
        net = config.network.build(channels=3, size=size)
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == COUNTS[name]
    assert config.model.location == (0.0 if name.startswith("ve") else 0.5)
    on_levels = "reverse_diffusion" if name.endswith("ncsnpp") else "ancestral"
    drawn = "pc" if name.startswith("ve") else "em" if name.endswith("continuous") else on_levels
    assert config.sampling.sampler.kind == drawn
    assert config.objective.kind == "dsm"


def test_a_section_is_found_by_whatever_the_file_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(
        "def get_config():\n  config = get_default_configs()\n  config.training = t = ConfigDict()\n  t.sde = 'vpsde'\n"
        "  net = config.model\n  net.embedding_type = 'positional'\n  net.nf = 24\n"
    )
    found = run_of_score_sde(read_score_sde_config(path))
    assert (found["process"]["kind"], found["network"]["width"]) == ("vp", 24)


def test_how_a_file_trains_and_draws_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    said = ("training.batch_size = 64", "training.n_iters = 7", "data.random_flip = False", "sampling.n_steps_each = 3")
    path.write_text("\n".join((*said, "model.embedding_type = 'fourier'")))
    config = validate(RunConfig, run_of_score_sde(read_score_sde_config(path)), "test")
    corrector = config.sampling.sampler.model_dump()["corrector"]
    assert (config.train.batch_size, config.train.steps, config.data.flips, corrector["repeats"]) == (64, 7, False, 3)
    assert validate(RunConfig, run_of_score_sde(PUBLISHED["vp/cifar10_ddpmpp"]), "test").data.flips
    path.write_text("sampling.method = 'ode'\nmodel.embedding_type = 'fourier'")
    assert run_of_score_sde(read_score_sde_config(path))["sampling"]["sampler"] == {"kind": "ode"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("config.model.update(nf=64)", "line 1: expected an assignment"),
        ("config.model = ml_collections.ConfigDict({'nf': 64})", "line 1: expected an assignment"),
        ("config.model.nf *= 2", "line 1: expected an assignment"),
        ("optim.weight_decay = 0.1", "optim.weight_decay: expected 0,"),
        ("optim.optimizer = 'SGD'", "optim.optimizer: expected 'Adam',"),
        ("sampling.probability_flow = True", "sampling.probability_flow: expected False,"),
        ("sampling.noise_removal = False", "sampling.noise_removal: expected True,"),
    ],
)
def test_what_a_file_says_and_nothing_here_follows_is_refused(line: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(f"{line}\nmodel.embedding_type = 'fourier'")
    with pytest.raises(ConfigError, match=expected):
        run_of_score_sde(read_score_sde_config(path))


def test_a_file_has_the_defaults_that_it_imports(tmp_path: Path) -> None:
    name, path = "ve/ffhq_256_ncsnpp_continuous", tmp_path / "ffhq.py"
    said = {"ch_mult": (1, 1, 2, 2, 2, 2, 2), "num_res_blocks": 2, "sigma_max": 348, "ema_rate": 0.999}
    said |= {"progressive": "output_skip", "progressive_input": "input_skip", "embedding_type": "fourier"}
    lines = [f"  model.{key} = {value!r}" for key, value in said.items()]
    path.write_text(
        "\n".join(["from configs.default_lsun_configs import get_default_configs", "def get_config():", *lines])
    )
    assert run_of_score_sde(read_score_sde_config(path)) == run_of_score_sde(PUBLISHED[name])
    path.write_text(path.read_text().replace("lsun", "cifar10"))
    found = run_of_score_sde(read_score_sde_config(path))
    assert (found["data"]["size"], found["network"]["dropout"], found["sampling"]["grid"]["steps"]) == (32, 0.1, 999)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small ncsn++ of ve", "small ddpm++ of vp"])
def test_every_command_accepts_the_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(Path("images"), 8)
    converted(tmp_path, name, "--data", "images")
    draw = ["--steps", "3", "--device", "cpu"]
    for command in (
        ["sample", "run", "-n", "2", *draw, "--out", "drawn.png"],
        ["inpaint", "run", "-n", "2", *draw, "--image", "0", "--mask", "left", "--out", "filled.png"],
        ["evaluate", "run", "-n", "20", *draw, "--out", "measured"],
        ["likelihood", "run", "-n", "2", "--device", "cpu"],
    ):
        assert main(command) == 0, command


def refused(capsys: pytest.CaptureFixture[str], code: int, arguments: list[str], *words: str) -> None:
    assert main(["convert", *arguments]) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err


def test_what_does_not_fit_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    meta, state, _ = network("small ddpm++ of vp")
    path, out = tmp_path / "x.pth", tmp_path / "run"
    torch.save(checkpoint(state), path)
    given = ["--from", "score_sde", "--out", str(out), "--config"]
    deeper = configuration(tmp_path / "deeper.py", {**meta, "num_res_blocks": 2})
    refused(capsys, 4, [str(path), *given, str(deeper)], "all_modules.", "the configuration it was trained with")
    refused(capsys, 2, [str(path), *given, "ve/cifar10"], "ve/cifar10_ncsnpp_continuous", "vp/ddpm/cifar10_continuous")
    refused(capsys, 4, [str(path), *given[:-1]], "need the name of their configuration")
    older = configuration(tmp_path / "older.py", {**meta, "name": "ncsnv2_64"})
    refused(capsys, 2, [str(path), *given, str(older)], "ncsnv2_64", "without a configuration")
    torch.save({"model": {}, "ema": {"shadow_params": []}, "optimizer": {}, "step": 1}, path)
    refused(capsys, 4, [str(path), *given, "ve/cifar10_ncsnpp_continuous"], "none of them of a convolution")
    assert not out.exists()


@pytest.mark.parametrize("name", ["adm_classes", "ddpmpp", "ncsnpp_classes", "ve_ncsnpp", "vp_ddpmpp"])
def test_a_pickle_of_edm_is_the_denoiser_it_was(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    meta, state, arrays = golden(f"edm_{name}")
    inner, outer = nn.Module(), nn.Module()
    inner._parameters.update({key.removeprefix("model."): nn.Parameter(value) for key, value in state.items()})
    outer._modules["model"] = persistent(meta["model_type"], inner, "raise SystemExit")  # pyright: ignore[reportArgumentType]
    arguments = {key: value for key, value in meta.items() if key not in ("precond", "parameters")}
    path = write(tmp_path / "net.pkl", {"ema": persistent(meta["precond"], outer, "raise SystemExit", **arguments)})
    assert main(["convert", str(path), "--from", "edm", "--out", str(tmp_path / "run")]) == 0
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out
    model = load_model(str(tmp_path / "run")).model.in_units(None)
    if "labels" in arrays:
        model = model.condition(arrays["labels"].argmax(dim=1))
    sigma = arrays["sigma"].double()
    t = model.process.time(sigma)
    if meta["precond"] == "VPPrecond":  # the reference's time, in float32
        t = (((0.1**2 + 2 * 19.9 * (1 + arrays["sigma"] ** 2).log()).sqrt() - 0.1) / 19.9).double()
    alpha, _ = model.process.alpha_sigma(t)
    with torch.no_grad():
        denoised = model.denoise((arrays["input"] * alpha.view(-1, 1, 1, 1)).float(), t)
    assert off(denoised, arrays["denoised"]) < 1e-5


def hollow(tmp_path: Path, precond: str, **arguments: Any) -> Path:
    """Write a pickle of EDM with tensors that are of no network."""
    inner, outer = nn.Module(), nn.Module()
    inner._parameters.update({f"w{k}": nn.Parameter(torch.ones(1)) for k in range(99)})
    outer._modules["model"] = persistent("SongUNet", inner, "")  # pyright: ignore[reportArgumentType]
    return write(tmp_path / "net.pkl", {"ema": persistent(precond, outer, "", **arguments)})


@pytest.mark.parametrize("arguments", [{}, {"img_resolution": 8, "img_channels": "three"}])
def test_arguments_that_make_no_network_are_refused(
    arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = hollow(tmp_path, "EDMPrecond", **arguments)
    refused(
        capsys, 4, [str(path), "--from", "edm", "--out", str(tmp_path / "run")], "expected the arguments", "net.pkl"
    )


ENDLESS: list[dict[str, Any]] = [
    *({"model_channels": 10**7}, {"num_blocks": 10**9}, {"channel_mult": [1] * 10**5}, {"label_dim": 10**9}),
    *({"img_resolution": 10**9}, {"model_channels": -8}, {"M": 10**9}, {"channel_mult_emb": 10**6}, {"M": 0}),
]


@pytest.mark.parametrize("arguments", ENDLESS, ids=lambda arguments: next(iter(arguments)))
def test_arguments_without_measure_are_refused_before_a_network_is_made_of_them(
    arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    known = {"img_resolution": 8, "img_channels": 3, "channel_mult": [1, 2], "num_blocks": 1, "model_type": "SongUNet"}
    precond = "iDDPMPrecond" if "M" in arguments else "EDMPrecond"
    code = 2 if arguments.get("M") else 4
    path = hollow(tmp_path, precond, **{**known, **arguments})
    refused(capsys, code, [str(path), "--from", "edm", "--out", str(tmp_path / "run")], "net.pkl: ", "expected")


@pytest.mark.parametrize(("precond", "arguments"), [("Precond", {}), ("VPPrecond", {"M": 500})])
def test_what_edm_has_and_we_do_not_is_refused(
    precond: str, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = {"img_resolution": 8, "img_channels": 3, **arguments}
    path = hollow(tmp_path, precond, **arguments)
    refused(
        capsys, 2, [str(path), "--from", "edm", "--out", str(tmp_path / "run")], f"found {precond}", "net.pkl: expected"
    )


diffusers = pytest.mark.skipif(
    find_spec("diffusers") is None, reason="diffusers is not installed: pip install 'scorefield[interop]'"
)


def pipeline(folder: Path, scheduler: str, **settings: Any) -> Path:
    """Write a folder of diffusers with a small random network."""
    import diffusers

    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    sizes = {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": [32, 64],
        "layers_per_block": 1,
    }
    diffusers.UNet2DModel(**sizes, **blocks).save_pretrained(folder / "unet")
    getattr(diffusers, scheduler)(**settings).save_pretrained(folder / "scheduler")
    return folder


@diffusers
@pytest.mark.parametrize("scheduler", one_in(3, ["DDPMScheduler", "ScoreSdeVeScheduler", "EDMEulerScheduler"]))
def test_a_folder_of_diffusers_becomes_a_run(scheduler: str, tmp_path: Path) -> None:
    theirs, run = pipeline(tmp_path / "theirs", scheduler), tmp_path / "run"
    assert main(["convert", str(theirs), "--from", "diffusers", "--out", str(run)]) == 0
    assert torch.equal(*(load_model(name).sample(1, steps=3).x for name in (str(run), f"diffusers:{theirs}")))


@diffusers
@pytest.mark.parametrize(
    ("schedule", "prediction"),
    in_turn(("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"), ("epsilon", "v_prediction", "sample")),
)
def test_diffusers_draws_from_a_folder_that_we_wrote_as_from_its_own(
    schedule: str, prediction: str, tmp_path: Path
) -> None:
    from diffusers import DDPMPipeline

    settings = {"beta_schedule": schedule, "prediction_type": prediction, "clip_sample": False}
    theirs, run, back = pipeline(tmp_path / "theirs", "DDPMScheduler", **settings), tmp_path / "run", tmp_path / "back"
    assert main(["convert", str(theirs), "--from", "diffusers", "--out", str(run)]) == 0
    assert main(["convert", str(run), "--to", "diffusers", "--out", str(back)]) == 0
    index = json.loads((back / "model_index.json").read_text())
    (theirs / "model_index.json").write_text(json.dumps(index))
    drawn = []
    for folder in (theirs, back):
        pipe = DDPMPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        drawn.append(pipe(1, torch.Generator().manual_seed(0), num_inference_steps=3, output_type="np").images)
    np.testing.assert_allclose(drawn[1], drawn[0], atol=1e-5)


@diffusers
def test_a_full_disk_is_a_sentence_and_leaves_no_half_of_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    theirs, run, out = pipeline(tmp_path / "theirs", "DDPMScheduler"), tmp_path / "run", tmp_path / "out"
    assert main(["convert", str(theirs), "--from", "diffusers", "--out", str(run)]) == 0
    capsys.readouterr()
    with full_disk(20_000):  # enough for all but the weights
        for layout in ("diffusers", "hub"):
            refused(
                capsys, 4, [str(run), "--to", layout, "--out", str(out)], f" {out}: cannot be written: File too large"
            )
        refused(capsys, 4, [str(theirs), "--from", "diffusers", "--out", str(out)], f" {out}/checkpoints: cannot write")
        with pytest.raises(CheckpointError, match=f"{out}: cannot be written: File too large"):
            write_torch(out, torch.zeros(20_000))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "theirs"]


@diffusers
def test_what_ddpm_pipelines_do_not_draw_from_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    theirs = pipeline(tmp_path / "theirs", "EDMEulerScheduler")
    assert main(["convert", str(theirs), "--from", "diffusers", "--out", str(run)]) == 0
    capsys.readouterr()
    refused(capsys, 2, [str(run), "--to", "diffusers", "--out", str(tmp_path / "back")], "process.kind", "ddpm", "edm")
    sections = json.loads((next((run / "checkpoints").glob("step-*")) / "state.json").read_text())["state"]["config"]
    sections |= {
        "process": {"kind": "ddpm", "levels": 10, "betas": None},
        "network": {**sections["network"], "told": "index"},
    }
    with pytest.raises(ConfigError, match=r"network.timesteps: expected 10"):
        write_pipeline(tmp_path / "back", sections, {})
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"process": {"kind": "edm"}}, "process.kind: expected ve or vp or subvp or ddpm"),
        ({"model": {"kind": "denoiser", "sigma_data": 0.5, "mean_data": 0.0}}, "model.kind: expected noise"),
        ({"model": {"c_in": "unit"}}, "model.c_in: expected raw"),
        ({"model": {"c_noise": "log_ratio"}}, "model.c_noise: expected time"),
        ({"model": {"location": 0.0}}, "model.location: expected 0.5"),
        ({"network": {"classes": 3}}, "network.classes: expected None"),
        ({"network": {"encoding": 4}}, "network.encoding: expected None or 8"),
        ({"network": {"features": 8}}, "network.features: expected None or 32"),
    ],
)
def test_models_that_score_sde_cannot_have_are_refused(change: dict[str, Any], said: str) -> None:
    """Its file would hold the weights, and be another model there."""
    known = run_of_score_sde({"training": {"sde": "vpsde"}, "data": {"centered": True}, "model": {**SHARED, **PLAIN}})
    sections = validate(RunConfig, known, "known").model_dump(mode="json")
    require_score_sde(sections)
    with pytest.raises(ConfigError, match=said):
        require_score_sde(validate(RunConfig, merge(known, change), "changed").model_dump(mode="json"))


def test_training_goes_on_with_the_moments_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(Path("images"), 8)
    value, _, _ = converted(tmp_path, "small ncsn++ of ve", "--data", "images")
    given = ["--train.steps", "8", "--train.batch_size", "4", "--sampling.grid.steps", "2", "--override"]
    assert main(["train", "--config", "run/config.yaml", "--run", "run", "--resume", *given]) == 0
    steps = [entry["step"] for entry in value["optimizer"]["state"].values()]
    assert main(["convert", "run", "--to", "score_sde", "--out", "after.pth"]) == 0
    after = torch.load("after.pth", weights_only=True)
    assert after["step"] == 8
    assert [entry["step"] for entry in after["optimizer"]["state"].values()] == [step + 1 for step in steps]
