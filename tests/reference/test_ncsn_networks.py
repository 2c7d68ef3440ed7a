"""NCSN's networks against their references: published names, published outputs, published sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scorefield import CondRefineNet, LadderNet, NCSNv2Net, geometric

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
FILES = ["cond_refinenet_dilated_1x28x28", "cond_refinenet_dilated_3x32x32", "ncsnv2_1x28x28", "ncsnv2_3x32x32"]


class Golden:
    """A reference network's state, an input of it, and its output there."""

    def __init__(self, name: str) -> None:
        path = GOLDEN / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no reference data: {path.name} is not in {GOLDEN}")
        with np.load(path) as file:
            arrays = {key: torch.from_numpy(file[key]) for key in file.files}
        self.state = {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")}
        self.x, self.level, self.output = arrays["input"], arrays["level"], arrays["output"]
        channels = self.x.shape[1]
        if name.startswith("ncsnv2"):
            self.levels = geometric(20.0, 0.01, 20)
            self.net: nn.Module = NCSNv2Net(channels, self.levels, ngf=8)
        else:
            self.levels = geometric(1.0, 0.01, 10)
            self.net = CondRefineNet(channels, levels=10, ngf=8)
        self.fresh = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.load_state_dict(self.state)


@pytest.fixture(scope="module", params=FILES)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest error, in units of the largest value of each example."""
    return ((found - expected).abs().amax(dim=(1, 2, 3)) / expected.abs().amax(dim=(1, 2, 3))).max().item()


def test_names_and_their_order_are_the_references(golden: Golden) -> None:
    assert list(golden.net.state_dict()) == list(golden.state)


def test_outputs_agree(golden: Golden) -> None:
    with torch.no_grad():
        assert off(golden.net(golden.x, golden.level), golden.output) < 1e-5


def test_a_ladder_says_the_reference_is_the_score(golden: Golden) -> None:
    """Nobody divides by σ twice."""
    model = LadderNet(golden.net, golden.levels)
    with torch.no_grad():
        score = model.score(golden.x, model.process.time(golden.levels[golden.level]))
    assert off(score, golden.output) < 1e-5


def test_bfloat16_autocast_is_close_and_returns_float32(golden: Golden) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded = golden.net(golden.x, golden.level)
    assert rounded.dtype == torch.float32
    assert (rounded - golden.output).norm() / golden.output.norm() < 0.03


def test_initial_weights_have_the_law_of_the_reference(golden: Golden) -> None:
    """Norms by their moments (a thousand numbers or more together, five standard errors), convolutions by their bound 1/√fan_in."""
    for name, published in golden.state.items():
        own = golden.fresh[name]
        if name.endswith("embed.weight"):
            assert not own.chunk(3, dim=1)[2].any()
        elif name.endswith(".beta"):
            assert not own.any()
        elif own.ndim == 4:
            bound = own[0].numel() ** -0.5
            assert own.abs().max() <= bound
            assert published.abs().max() <= bound
    scales = [v.chunk(3, dim=1)[:2] for n, v in golden.fresh.items() if n.endswith("embed.weight")]
    scales += [(v,) for n, v in golden.fresh.items() if n.endswith((".alpha", ".gamma"))]
    drawn = torch.cat([part.flatten() for parts in scales for part in parts])
    assert abs(drawn.mean() - 1) < 5 * 0.02 / len(drawn) ** 0.5
    assert abs(drawn.std() / 0.02 - 1) < 5 / (2 * len(drawn)) ** 0.5


def test_sigmas_are_the_ladder() -> None:
    torch.manual_seed(0)
    golden = Golden("ncsnv2_1x28x28")
    torch.testing.assert_close(golden.fresh["sigmas"], golden.state["sigmas"], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("channels", "levels", "ngf", "count"),
    [
        (1, 10, 64, 7_638_657),
        (3, 10, 128, 30_117_635),
        (1, 10, 128, 30_113_025),
        (1, 1, 64, 7_443_393),
        (1, 50, 64, 8_506_497),
        (1, 10, 32, 1_964_865),
    ],
)
def test_parameters_are_counted_as_published(channels: int, levels: int, ngf: int, count: int) -> None:
    with torch.device("meta"):
        net = CondRefineNet(channels, levels, ngf)
    assert sum(parameter.numel() for parameter in net.parameters()) == count
