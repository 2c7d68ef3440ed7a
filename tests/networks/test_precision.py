"""Networks in bfloat16: nearly the same values, of the type they were given; and samples drawn with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield import UNet, load_model
from scorefield.cli.main import main
from scorefield.errors import ConfigError
from scorefield.networks import precision
from scorefield.networks.precision import LowPrecision, uses_bf16

pytestmark = pytest.mark.usefixtures("seeded")  # initial weights are drawn from the global generator


@pytest.fixture(scope="module")
def net() -> UNet:
    torch.manual_seed(0)
    found = UNet(1, 8, width=32, classes=3)
    torch.nn.init.normal_(found.head.weight)
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_network_to_three_digits_in_the_type_it_was_given(net: UNet, dtype: torch.dtype) -> None:
    x, noise, labels = torch.randn(4, 1, 8, 8), torch.zeros(()), torch.tensor([0, 1, 2, 3])
    lowered = LowPrecision(net)
    with torch.no_grad():
        exact, found = net(x, noise, labels), lowered(x.to(dtype), noise, labels)
    assert lowered.classes == 3
    assert found.dtype == dtype
    error = (found - exact).square().mean().sqrt() / exact.std()
    assert 1e-5 < error < 2e-2  # neither wrong nor float32 after all


def test_what_is_around_it_stays_as_it_was(net: UNet) -> None:
    LowPrecision(net)(torch.randn(1, 1, 8, 8), torch.zeros(()))
    assert not torch.is_autocast_enabled("cpu")
    assert all(p.dtype == torch.float32 for p in net.parameters())


@pytest.mark.parametrize(
    ("amx", "avx512", "maker", "fast"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_intel_without_amx_is_not_fast_in_bf16(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512: bool, maker: str, fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(precision, "_processor", lambda: f"Family 6 Model 207, {maker}")
    assert uses_bf16("auto", torch.device("cpu")) is fast


def test_auto_is_what_the_processor_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for native in (True, False):
        monkeypatch.setattr(precision, "_is_fast_in_bf16", lambda device, native=native: native)
        assert [uses_bf16(kind, cpu) for kind in ("auto", "bf16", "fp32")] == [native, True, False]
    with pytest.raises(ConfigError, match="this GPU has none"):
        uses_bf16("bf16", torch.device("cuda"))


@pytest.mark.slow
def test_samples_say_their_precision_and_nearly_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn: dict[str, torch.Tensor] = {}
    for kind in ("bf16", "fp32"):
        out = tmp_path / f"{kind}.npz"
        asked = ["sample", "mnist", "-n", "2", "--steps", "6", "--options.churn", "0", "--out", str(out)]
        assert main([*asked, "--precision", kind, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["model"], told["precision"]) == ("mnist", kind)
        drawn[kind] = torch.from_numpy(np.load(out)["x"])
    difference = (drawn["bf16"] - drawn["fp32"]).abs().mean()
    assert 0 < difference < 0.02


@pytest.mark.slow
def test_an_adaptive_solver_keeps_float32_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = [
        "sample",
        "mnist",
        "-n",
        "1",
        "--sampler",
        "ode",
        "--options.rtol",
        "50",
        "--options.atol",
        "50",
        "--json",
    ]
    told = []
    for more in ([], ["--precision", "bf16"]):
        assert main([*asked, "--out", str(tmp_path / "x.npz"), *more]) == 0
        told.append(json.loads(capsys.readouterr().out)["precision"])
    assert told == ["fp32", "bf16"]


def test_a_model_is_loaded_in_float32_unless_asked() -> None:
    assert isinstance(load_model("mnist").model.net, UNet)
    lowered = load_model("mnist", precision="bf16")
    assert isinstance(lowered.model.net, LowPrecision)
    assert lowered.weak is not None
    assert isinstance(lowered.weak.net, LowPrecision)
