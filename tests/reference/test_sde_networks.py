"""NCSN++, DDPM++, DDPM, SongUNet and ADM against their references: published names, published outputs, published sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scorefield import EDM, VE, VP, CheckpointError, Denoiser, NoiseNet, Process, ScoreModel, ScoreNet, SubVP
from scorefield.interop.edm import from_edm, network_of_edm
from scorefield.interop.score_sde import from_score_sde, settings_of_score_sde, to_score_sde
from scorefield.networks import ADM, NCSNpp

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
pytestmark = pytest.mark.usefixtures("seeded")
SCORE_SDE = ["ddpm_vp", "ddpmpp_vp", "ncsnpp_256_style", "ncsnpp_subvp", "ncsnpp_ve"]
EDMS = ["adm_classes", "ddpmpp", "ncsnpp_classes", "ve_ncsnpp", "vp_ddpmpp"]


class Golden:
    """A reference network's state, an input of it, its output there, and its configuration."""

    def __init__(self, name: str) -> None:
        path = GOLDEN / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no reference data: {path.name} is not in {GOLDEN}")
        with np.load(path) as file:
            self.meta: dict[str, Any] = json.loads(str(file["meta"]))
            arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}
        self.state = {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")}
        self.state.pop("sigmas", None)
        self.of = arrays


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest error, in units of the largest value of each example."""
    return ((found - expected).abs().amax(dim=(1, 2, 3)) / expected.abs().amax(dim=(1, 2, 3))).max().item()


def scored(golden: Golden) -> tuple[NCSNpp, ScoreModel]:
    meta = golden.meta
    net = NCSNpp(
        meta["num_channels"], meta["image_size"], **settings_of_score_sde(meta, centered=meta["centered"])
    ).eval()
    net.load_state_dict(from_score_sde(net, golden.state))
    if meta["sde"] == "vesde":
        return net, ScoreNet(net, VE(meta["sigma_min"], meta["sigma_max"]), "raw", "log_sigma")
    process = {"vpsde": VP, "subvpsde": SubVP}[meta["sde"]](meta["beta_min"], meta["beta_max"])
    return net, NoiseNet(net, process, "raw", "time")


@pytest.mark.parametrize("name", SCORE_SDE)
def test_the_scores_of_score_sde_are_found(name: str) -> None:
    golden = Golden(f"score_sde_{name}")
    net, model = scored(golden)
    fixed = sum(buffer.numel() for buffer in net.buffers())  # the frequencies, which it counts among the parameters
    assert sum(p.numel() for p in net.parameters()) + fixed == golden.meta["parameters"]
    with torch.no_grad():
        assert off(model.score(golden.of["input"], golden.of["t"].double()), golden.of["score"]) < 1e-5


@pytest.mark.parametrize("name", SCORE_SDE)
def test_weights_of_score_sde_go_back_as_they_came(name: str) -> None:
    golden = Golden(f"score_sde_{name}")
    net, _ = scored(golden)
    back = to_score_sde(net, net.state_dict())
    assert list(back) == list(golden.state)
    assert all(torch.equal(back[key], value) for key, value in golden.state.items())


@pytest.mark.parametrize("name", EDMS)
def test_the_denoised_images_of_edm_are_found(name: str) -> None:
    golden = Golden(f"edm_{name}")
    net = network_of_edm(golden.meta).eval()
    net.load_state_dict(from_edm(net, golden.state), strict=False)
    sigma = golden.of["sigma"].double()
    process: Process = EDM()
    t = sigma
    match golden.meta["precond"]:
        case "EDMPrecond":
            model: ScoreModel = Denoiser(net, process, golden.meta["sigma_data"])
        case "VEPrecond":
            model = ScoreNet(net, process, "raw", "log_half_sigma")
        case _:
            process = VP(t_min=1e-5)
            model = NoiseNet(net, process, c_noise="time")
            t = rounded_time(golden.of["sigma"]).double()
    if net.classes is not None:
        model = model.condition(golden.of["labels"].argmax(dim=1))
    alpha, _ = process.alpha_sigma(t)
    x = (golden.of["input"] * alpha.view(-1, 1, 1, 1)).float()
    with torch.no_grad():
        assert off(model.denoise(x, t), golden.of["denoised"]) < 1e-5


def rounded_time(sigma: Tensor) -> Tensor:
    """The reference's time of VP at σ, in float32, where small times lose five digits (ours, in float64, lose none)."""
    return ((0.1**2 + 2 * 19.9 * (1 + sigma**2).log()).sqrt() - 0.1) / 19.9


# --- any sizes and styles, without reference data ---------------------------------------------------------------------------------

STYLES: dict[str, dict[str, Any]] = {
    "ddpm": {"resampling": "conv", "rescale": False, "per_group": 1},
    "ddpm++": {},
    "ncsn++": {"embedding": "fourier", "taps": (1, 3, 3, 1), "encoder": "residual"},
    "skips": {"taps": (1, 3, 3, 1), "encoder": "skip", "decoder": "skip"},
    "joined": {"taps": (1, 3, 3, 1), "encoder": "skip", "join": "cat", "decoder": "residual"},
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.usefixtures("seeded")
def test_a_network_of_any_style_goes_to_the_reference_and_back(style: str) -> None:
    net = NCSNpp(1, (8, 12), width=8, multipliers=(1, 2, 1), depth=2, attention=(4,), **STYLES[style]).eval()
    x, noise = torch.randn(3, 1, 8, 12), torch.tensor([0.1, -0.5, 2.0])
    out = net(x, noise)
    assert out.shape == x.shape
    torch.testing.assert_close(net(x[1:2], noise[1:2]), out[1:2])
    theirs = to_score_sde(net, net.state_dict())
    again = NCSNpp(1, (8, 12), width=8, multipliers=(1, 2, 1), depth=2, attention=(4,), **STYLES[style]).eval()
    again.load_state_dict(from_score_sde(again, theirs))
    assert torch.equal(again(x, noise), out)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda w: w.pop("all_modules.3.Conv_0.weight"), "no all_modules.3.Conv_0.weight"),
        (lambda w: w.update({"all_modules.99.W": torch.ones(1)}), "unknown all_modules.99.W"),
        (
            lambda w: w.update({"all_modules.3.Conv_0.weight": torch.ones(2)}),
            r"Conv_0.weight has shape \(2,\) instead of",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_the_first_that_differs(spoil: Any, named: str) -> None:
    net = NCSNpp(1, 8, width=8, multipliers=(1, 2), depth=1, attention=())
    weights = to_score_sde(net, net.state_dict())
    spoil(weights)
    with pytest.raises(CheckpointError, match=named):
        from_score_sde(net, weights)


@pytest.mark.usefixtures("seeded")
def test_no_label_is_the_last_one_and_labels_matter() -> None:
    for net in (
        NCSNpp(1, 8, width=8, multipliers=(1, 2), depth=1, classes=3),
        ADM(1, 8, width=8, multipliers=(1, 2), depth=1, classes=3),
    ):
        net.eval()
        x, noise = torch.randn(2, 1, 8, 8), torch.zeros(2)
        nothing = net(x, noise)
        assert torch.equal(net(x, noise, torch.tensor([3, 3])), nothing)
        assert not torch.allclose(net(x, noise, torch.tensor([0, 1])), nothing)
