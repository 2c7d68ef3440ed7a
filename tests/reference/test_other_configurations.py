"""Every branch of the configurations of score_sde_pytorch and EDM, beside functions that were written from the papers alone."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foreign_networks import Karras, Refined, Song
from scorefield import networks
from scorefield.config import RunConfig, describe, validate
from scorefield.errors import ConfigError
from scorefield.interop import edm, read_weights
from scorefield.interop.edm import from_edm, network_of_edm, settings_of_edm
from scorefield.interop.score_sde import from_score_sde, settings_of_score_sde, to_score_sde
from scorefield.interop.score_sde_config import run_of_score_sde
from scorefield.models import ScoreModel
from scorefield.networks import NCSNpp
from scorefield.networks.residual import Block
from scorefield.preconditioning import Networked

pytestmark = pytest.mark.usefixtures("seeded")
SONG: dict[str, Any] = {
    **{
        "name": "ncsnpp",
        "nf": 8,
        "ch_mult": (1, 2),
        "num_res_blocks": 1,
        "attn_resolutions": (4,),
        "nonlinearity": "swish",
    },
    **{
        "fir": True,
        "fir_kernel": (1, 3, 3, 1),
        "skip_rescale": True,
        "resblock_type": "biggan",
        "resamp_with_conv": True,
    },
    **{
        "progressive": "none",
        "progressive_input": "residual",
        "progressive_combine": "sum",
        "embedding_type": "fourier",
    },
    **{"conditional": True, "centered": False, "image_size": 8, "num_channels": 3},
}
PLAIN = {"fir": False, "embedding_type": "positional", "progressive_input": "none"}
BESIDE = {"progressive_input": "input_skip", "progressive": "output_skip"}
SONGS: dict[str, dict[str, Any]] = {
    "the default": {},
    **{
        f"filter {kernel}": {"fir_kernel": kernel}
        for kernel in ((1, 1), (1, 2, 1), (1, 4, 6, 4, 1), (1, 5, 10, 10, 5, 1), (1, 2, 3, 4), (2,))
    },
    **{f"filter {kernel} beside": {**BESIDE, "fir_kernel": kernel} for kernel in ((1, 1), (1, 2, 1), (1, 2, 3, 4))},
    **{act: {"nonlinearity": act} for act in ("elu", "relu", "lrelu")},
    **{
        f"{given}, {out}, {join}": {
            "progressive_input": given,
            "progressive": out,
            "progressive_combine": join,
            "fir": False,
            "ch_mult": (1, 1, 2),
        }
        for given, out, join in itertools.product(
            ("none", "input_skip", "residual"), ("none", "output_skip", "residual"), ("sum", "cat")
        )
    },
    "blocks of DDPM": {**PLAIN, "resblock_type": "ddpm"},
    "blocks of DDPM, no convolutions": {**PLAIN, "resblock_type": "ddpm", "resamp_with_conv": False},
    "blocks of DDPM, filters alone": {"resblock_type": "ddpm", "resamp_with_conv": False, "skip_rescale": False},
    "told nothing": {"conditional": False},
    "told nothing, by index": {**PLAIN, "conditional": False},
    "not rescaled": {**BESIDE, "skip_rescale": False},
    "centred": {"centered": True},
    "one grid": {"ch_mult": (2,), "progressive": "residual", "fir": False},
    "four grids, narrowing": {"ch_mult": (2, 1, 3, 1), "num_res_blocks": 2, "attn_resolutions": (8, 2, 1)},
    "no attention": {"attn_resolutions": ()},
    "grey": {"num_channels": 1, "image_size": 12},
    "odd widths": {**PLAIN, "nf": 5},
    "narrow": {**PLAIN, "nf": 4},
    "wide": {"nf": 160, "ch_mult": (1,)},
    "DDPM": {"name": "ddpm", "nf": 32, "attn_resolutions": (8, 4)},
    "DDPM, no convolutions": {
        "name": "ddpm",
        "nf": 32,
        "resamp_with_conv": False,
        "nonlinearity": "elu",
        "centered": True,
    },
}


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest error, in units of the largest value of each example."""
    return ((found - expected).abs().amax((1, 2, 3)) / expected.abs().amax((1, 2, 3))).max().item()


def song(config: dict[str, Any]) -> tuple[NCSNpp, Song]:
    """Return our network of a configuration, and theirs of the same random weights, every one of which matters."""
    settings = settings_of_score_sde(config, centered=config["centered"])
    net = NCSNpp(config["num_channels"], config["image_size"], **settings).eval()
    state = {key: torch.randn_like(value) / max(1, value[0].numel()) ** 0.5 for key, value in net.state_dict().items()}
    theirs = to_score_sde(net, state)
    net.load_state_dict(from_score_sde(net, theirs))
    back = to_score_sde(net, net.state_dict())
    assert all(torch.equal(value, back[key]) for key, value in theirs.items())
    return net, Song(theirs, config)


@pytest.mark.parametrize("name", SONGS)
@torch.no_grad()
def test_networks_of_score_sde(name: str) -> None:
    config = {**SONG, **SONGS[name]}
    net, theirs = song(config)
    x, label = torch.rand(2, config["num_channels"], *2 * (config["image_size"],)), torch.tensor([0.3, 7.0])
    told = label.log() if net.embedding == "fourier" else label
    assert off(net(x, told), theirs(x, label)) < 1e-5
    assert describe(net)["width"] == config["nf"]  # and so a run can say all of it
    assert not theirs.w.unread


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ({"nonlinearity": "gelu"}, "swish"),
        ({"resblock_type": "magic"}, "biggan"),
        ({"progressive": "input_skip"}, "output_skip"),
        ({"embedding_type": 3}, "fourier"),
        ({"name": "ncsnv3"}, "ncsnpp"),
        ({"fir_kernel": [[1, 2], [2, 1]]}, r"\[1, 3, 3, 1\]"),
        ({"name": "ddpm", "conditional": False}, "for ddpm"),
    ],
)
def test_words_that_it_does_not_know_are_refused(said: dict[str, Any], known: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{list(said)[-1]}: expected.*{known}"):
        settings_of_score_sde(said, centered=True)


@pytest.mark.parametrize("said", [{"resblock_type": "BigGAN", "progressive": "Output_Skip", "nonlinearity": "Swish"}])
def test_words_may_be_written_large(said: dict[str, Any]) -> None:
    small = {key: value.lower() for key, value in said.items()}
    assert settings_of_score_sde(said, centered=True) == settings_of_score_sde(small, centered=True)


# --- what a network of score_sde is told, and what its output means --------------------------------------------------------------------


def built(run: dict[str, Any], event: tuple[int, ...]) -> ScoreModel:
    """Return the model of sections of a configuration, in the network's coordinates."""
    model = validate(RunConfig, run, "test").build_model(event)
    assert isinstance(model, ScoreModel)
    return model.in_units(None)


LEVELS = 50
POSITIONAL = {**PLAIN, "embedding_type": "positional"}


def sections(sde: str, continuous: bool, model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a configuration in its own sections."""
    ends = {"sigma_min": 0.01, "sigma_max": 50, "beta_min": 0.1, "beta_max": 20.0, "num_scales": LEVELS}
    return {
        "training": {"sde": sde, "continuous": continuous, "likelihood_weighting": False},
        "sampling": {"predictor": "euler_maruyama", "corrector": "none"},
        "data": {"image_size": 8, "num_channels": 3, "centered": False},
        "model": {**SONG, **ends, **model},
        "optim": {"lr": 2e-4, "beta1": 0.9, "warmup": 5000, "grad_clip": 1.0},
    }


@pytest.mark.parametrize(
    ("sde", "continuous", "more"),
    [
        ("vesde", True, {"scale_by_sigma": True}),
        ("vesde", True, {"scale_by_sigma": False}),
        ("vesde", True, {**POSITIONAL, "scale_by_sigma": False}),
        ("vesde", False, {**POSITIONAL, "scale_by_sigma": True}),
        ("vesde", False, {**POSITIONAL, "scale_by_sigma": False}),
        ("vpsde", True, POSITIONAL),
        ("vpsde", True, {}),
        ("vpsde", False, POSITIONAL),
        ("subvpsde", True, POSITIONAL),
        ("subvpsde", False, POSITIONAL),
    ],
    ids=str,
)
@torch.no_grad()
def test_scores_of_score_sde(sde: str, continuous: bool, more: dict[str, Any]) -> None:
    """Its get_score_fn, on levels where the network knows these alone."""
    config = sections(sde, continuous, more)
    model, (net, theirs) = built(run_of_score_sde(config), (3, 8, 8)), song(config["model"])
    assert isinstance(model, Networked)
    model.net.load_state_dict(net.state_dict())
    model.eval()
    i, x = torch.tensor([40, 7]), torch.rand(2, 3, 8, 8)
    t = i.double() / (LEVELS - 1)
    if sde == "vesde":
        std = 0.01 * 5000**t
        label = std if continuous else (LEVELS - 1) - i  # counted from the noisiest
        expected = theirs(x, label.float()) / (std.float().view(-1, 1, 1, 1) if more["scale_by_sigma"] else 1)
    else:
        kept = torch.exp(-0.5 * t**2 * 19.9 - t * 0.1)  # α²
        if continuous or sde == "subvpsde":
            label, std = 999 * t, (1 - kept) ** (0.5 if sde == "vpsde" else 1)
        else:
            betas = torch.linspace(0.1 / LEVELS, 20 / LEVELS, LEVELS, dtype=torch.float64)
            label, std = i, (1 - (1 - betas).cumprod(0)).sqrt()[i]
        expected = -theirs(x, label.float()) / std.float().view(-1, 1, 1, 1)
    assert off(model.score(x, t), expected) < 1e-5


@pytest.mark.parametrize(
    ("sde", "continuous", "more", "said"),
    [
        ("vpsde", True, {"scale_by_sigma": True}, "scale_by_sigma: expected False for vpsde"),
        ("vesde", True, {**POSITIONAL, "scale_by_sigma": True}, "scale_by_sigma: expected False for vesde"),
        ("vesde", False, {"scale_by_sigma": True}, "embedding_type: expected 'positional'"),
        ("bridge", True, {}, "sde: expected vesde, vpsde or subvpsde"),
    ],
)
def test_what_its_networks_cannot_be_told_is_refused(
    sde: str, continuous: bool, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run_of_score_sde(sections(sde, continuous, more))


# --- EDM -------------------------------------------------------------------------------------------------------------------------------

KARRAS: dict[str, Any] = {
    **{"model_type": "SongUNet", "img_resolution": 8, "img_channels": 3, "label_dim": 0, "augment_dim": 0},
    **{"model_channels": 8, "channel_mult": (1, 2), "channel_mult_emb": 4, "num_blocks": 1, "attn_resolutions": (4,)},
    **{"embedding_type": "positional", "channel_mult_noise": 1, "encoder_type": "standard", "decoder_type": "standard"},
    "resample_filter": (1, 1),
}
NCSN = {
    "embedding_type": "fourier",
    "channel_mult_noise": 2,
    "encoder_type": "residual",
    "resample_filter": (1, 3, 3, 1),
}
ADM = {"model_type": "DhariwalUNet", "model_channels": 64}
EDMS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDPM++": ("EDMPrecond", {}),
    "NCSN++": ("EDMPrecond", NCSN),
    **{
        f"{enc}, {dec}, {taps}": (
            "VEPrecond",
            {"encoder_type": enc, "decoder_type": dec, "resample_filter": taps, "channel_mult": (1, 2, 1)},
        )
        for enc, dec, taps in itertools.product(
            ("standard", "skip", "residual"), ("standard", "skip"), ((1, 1), (1, 3, 3, 1), (1, 5, 10, 10, 5, 1))
        )
    },
    "embeddings of other lengths": ("EDMPrecond", {"channel_mult_noise": 2, "channel_mult_emb": 3}),
    "Fourier, half as long": ("EDMPrecond", {"embedding_type": "fourier", "channel_mult_noise": 1}),
    "classes": ("VPPrecond", {"label_dim": 3, "channel_mult": (2, 1), "num_blocks": 2, "attn_resolutions": (8, 4)}),
    "augmented, half precision on a GPU": ("EDMPrecond", {"augment_dim": 9, "use_fp16": True, "label_dropout": 0.1}),
    "grey": ("EDMPrecond", {"img_channels": 1, "img_resolution": 12, "attn_resolutions": ()}),
    "ADM": ("EDMPrecond", {**ADM, "label_dim": 4}),
    "ADM, wide at its finest": (
        "EDMPrecond",
        {**ADM, "channel_mult": (2, 1), "channel_mult_emb": 2, "attn_resolutions": (8,)},
    ),
    "ADM, too narrow for attention": (
        "EDMPrecond",
        {**ADM, "model_channels": 32, "channel_mult": (1, 2, 1), "attn_resolutions": (8, 4, 2)},
    ),
    "ADM, heads of 80": (
        "VPPrecond",
        {**ADM, "model_channels": 80, "channel_mult": (1, 1), "attn_resolutions": (8, 4)},
    ),
    "iDDPM": ("iDDPMPrecond", ADM),
    "iDDPM, other levels": ("iDDPMPrecond", {**ADM, "M": 40, "C_1": 0.1, "C_2": 0.02}),
    "iDDPM of DDPM++": ("iDDPMPrecond", {"decoder_type": "skip", "M": 100}),
}


def random_edm(net: NCSNpp | networks.ADM, doubled: bool) -> dict[str, Tensor]:
    """Return random weights under EDM's names, of a network that says its variance too if asked to."""
    state: dict[str, Tensor] = {}
    for ours, theirs in edm._parts(net):
        part = net.get_submodule(ours)
        if not isinstance(part, Block):
            state |= {f"{theirs}.{'freqs' if key == 'W' else key}": value for key, value in part.state_dict().items()}
            continue
        for inner, outer in edm._BLOCK.items():
            state |= {f"{theirs}.{outer}.{key}": value for key, value in part.get_submodule(inner).state_dict().items()}
        if part.attention is not None:
            c = part.attention.query.in_channels
            sizes = {"norm2.weight": (c,), "norm2.bias": (c,), "proj.weight": (c, c, 1, 1), "proj.bias": (c,)}
            sizes |= {"qkv.weight": (3 * c, c, 1, 1), "qkv.bias": (3 * c,)}
            state |= {f"{theirs}.{key}": torch.empty(size) for key, size in sizes.items()}
    if doubled:
        state |= {
            key: torch.cat([value, value]) for key, value in state.items() if "out_conv" in key or "aux_conv" in key
        }
    return {f"model.{key}": torch.randn_like(value) / max(1, value[0].numel()) ** 0.5 for key, value in state.items()}


LEFT_OUT = {"model.map_augment.weight": torch.ones(1), "model.enc.4x4_down.conv0.resample_filter": torch.ones(1)}


@pytest.mark.parametrize("name", EDMS)
@torch.no_grad()
def test_networks_of_edm(name: str) -> None:
    """Its preconditionings; of iDDPM beside two of its levels, of which it takes the nearest, and whose σ it finds one after another."""
    precond, more = EDMS[name]
    arguments = {**KARRAS, **more}
    net = network_of_edm(arguments, precond)
    state = random_edm(net, doubled=precond == "iDDPMPrecond")
    theirs = Karras(state, arguments)
    model = built({**settings_of_edm(precond, arguments), "network": describe(net)}, net.shape).eval()
    assert isinstance(model, Networked)
    model.net.load_state_dict({**net.state_dict(), **from_edm(net, {**state, **LEFT_OUT, "u": torch.ones(3)})})
    sigma, label, level = torch.tensor([0.4, 9.0], dtype=torch.float64), torch.tensor([1, 2]), torch.tensor([9, 31])
    if precond == "iDDPMPrecond":
        levels = arguments.get("M", 1000)
        sigma = 1.0003 * ratios(levels, arguments.get("C_1", 0.001), arguments.get("C_2", 0.008))[levels - 1 - level]
    rho = sigma.float().view(-1, 1, 1, 1)
    x = torch.randn(2, *net.shape) * rho
    c_skip, c_out, c_in = 1.0, -rho, (1 + rho**2) ** -0.5
    if precond == "EDMPrecond":
        norm = (0.25 + rho**2) ** 0.5
        c_skip, c_out, c_in, told = 0.25 / norm**2, rho / 2 / norm, 1 / norm, sigma.log() / 4
    elif precond == "VEPrecond":
        c_out, c_in, told = rho, 1.0, (sigma / 2).log()
    elif precond == "VPPrecond":
        told = 999 * ((0.1**2 + 2 * 19.9 * (1 + sigma**2).log()).sqrt() - 0.1) / 19.9
    else:
        told = level
    labels = None
    if net.classes is not None:
        model, labels = model.condition(label), torch.nn.functional.one_hot(label, net.classes).float()
    expected = c_skip * x + c_out * theirs(c_in * x, told.float(), labels)[:, : net.shape[0]]
    t = model.process.time(sigma)
    alpha, _ = model.process.alpha_sigma(t)
    assert off(model.denoise(x * alpha.float().view(-1, 1, 1, 1), t), expected) < 1e-5
    assert not theirs.w.unread


def ratios(levels: int, least: float, offset: float) -> Tensor:
    """Return iDDPM's σ_j, from the largest, as EDM's paper has them (Karras et al. 2022, Table 1, footnote)."""
    u, kept = [0.0], [math.sin(math.pi / 2 * j / levels / (offset + 1)) ** 2 for j in range(levels + 1)]
    for j in range(levels, 0, -1):
        u.append(((u[-1] ** 2 + 1) / max(kept[j - 1] / kept[j], least) - 1) ** 0.5)
    return torch.tensor(u[:0:-1], dtype=torch.float64)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ({"model_type": "StyleUNet"}, "SongUNet"),
        ({"encoder_type": "magic"}, "residual"),
        ({"decoder_type": "residual"}, "skip"),
        ({"embedding_type": "magic"}, "fourier"),
        ({"resample_filter": (1, 2, 1)}, "alike"),
    ],
)
def test_settings_that_edm_does_not_know_are_refused(said: dict[str, Any], known: str) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(said))}: expected.*{known}"):
        network_of_edm({**KARRAS, **said})


@pytest.mark.parametrize(
    ("precond", "kind"),
    [("EDMPrecond", networks.ADM), ("iDDPMPrecond", networks.ADM), ("VPPrecond", NCSNpp), ("VEPrecond", NCSNpp)],
)
def test_a_preconditioning_has_its_own_default_network(precond: str, kind: type) -> None:
    with torch.device("meta"):
        assert isinstance(network_of_edm({"img_resolution": 64, "img_channels": 3}, precond), kind)


# --- NCSNv2 ----------------------------------------------------------------------------------------------------------------------------

LAST = [("res4", 2), ("res5", 4)]
DEPTHS: dict[int, tuple[list[tuple[str, int]], list[str]]] = {
    4: ([("res2", 1), ("res3", 2), ("res4", 4)], ["refine1", "refine2", "refine3", "refine4"]),
    5: ([("res2", 1), ("res3", 1), *LAST], ["refine1", "refine2", "refine3", "refine4", "refine5"]),
    6: (
        [("res2", 1), ("res3", 1), ("res31", 1), *LAST],
        ["refine1", "refine2", "refine31", "refine3", "refine4", "refine5"],
    ),
}


@pytest.mark.parametrize("stages", DEPTHS)
@torch.no_grad()
def test_networks_of_ncsnv2(stages: Any, tmp_path: Path) -> None:
    levels = torch.tensor([2.0, 1.0, 0.5])
    net = networks.NCSNv2Net(3, levels, 4, stages=stages)
    state = {key: torch.randn_like(value) / max(1, value[0].numel()) ** 0.5 for key, value in net.state_dict().items()}
    net.load_state_dict({**state, "sigmas": levels})
    theirs = Refined(net.state_dict(), *DEPTHS[stages])
    x, level = torch.rand(2, 3, 24, 16), torch.tensor([2, 0])
    assert off(net(x, level), theirs(x, level)) < 1e-5
    assert not theirs.w.unread
    torch.save([{f"module.{key}": value for key, value in net.state_dict().items()}, {}, 0, 2], tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth", "ncsnv2").network == ("ncsnv2", 3, 4, 3, stages)


def test_deeper_networks_of_ncsnv2_keep_the_order_of_its_weights() -> None:
    """An optimiser numbers them: refine31 is called before refine3, and stored after it."""
    names = [name for name, _ in networks.NCSNv2Net(1, torch.ones(1), 1, stages=6).named_children()]
    inner = [
        "res1",
        "res2",
        "res3",
        "res31",
        "res4",
        "res5",
        "refine1",
        "refine2",
        "refine3",
        "refine31",
        "refine4",
        "refine5",
    ]
    assert names == ["begin_conv", "normalizer", "end_conv", *inner]
    with pytest.raises(ConfigError, match="sides that 8 divides; received 28 x 28"):
        networks.NCSNv2Net(1, torch.ones(1), 4, (28, 28), stages=6)
