"""Every public network is a function of each row and its condition: found because it exists, made from the names of its arguments."""

from inspect import signature

import pytest
import torch
from torch import Tensor, nn

from scorefield import networks
from scorefield.networks import NoisyClassifier

pytestmark = pytest.mark.usefixtures("seeded")  # initial weights are drawn from the global generator

LEVELS = torch.tensor([2.0, 1.0, 0.5])
GIVEN = {"channels": 1, "size": 8, "dim": 64, "event": (1, 8, 8), "levels": len(LEVELS), "sigmas": LEVELS}
SMALL = {"width": 8, "depth": 1, "ngf": 8}
ELSEWHERE = {"UNet2D": "tests/interop/test_diffusers.py"}  # a network of another library, and the tests that run it
NAMES = [name for name in networks.__all__ if name not in ELSEWHERE]
ROWS = 4


def make(name: str) -> tuple[nn.Module, Tensor]:
    """Return a network that has left its zeros behind, and a condition per row: an index of a level where it is told of levels."""
    cls = getattr(networks, name)
    settings = signature(cls).parameters
    known = {key: value for key, value in GIVEN.items() if key in settings and settings[key].default is not None}
    net = cls(**known, **{key: value for key, value in SMALL.items() if key in settings}).eval()
    with torch.no_grad():
        for part in net.parameters():
            part += 0.1 * torch.randn_like(part)
    indexed = {"levels", "sigmas"} & set(known)
    return net, torch.tensor([0, 1, 2, 1]) if indexed else torch.linspace(-1, 1, ROWS)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_a_function_of_each_row_and_its_condition(name: str) -> None:
    net, condition = make(name)
    x = torch.randn(ROWS, 1, 8, 8)
    with torch.no_grad():
        whole = net(x, condition)
        assert whole.shape == ((ROWS, net.classes) if isinstance(net, NoisyClassifier) else x.shape)
        torch.testing.assert_close(net(x[1:3], condition[1:3]), whole[1:3], rtol=1e-4, atol=1e-5)
        for changed in (net(x.flip(0), condition), net(x, condition.roll(1))):
            assert ((changed - whole).flatten(1).abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_network_is_learned(name: str) -> None:
    net, condition = make(name)
    net(torch.randn(ROWS, 1, 8, 8), condition).square().sum().backward()
    idle = [key for key, part in net.named_parameters() if part.grad is None or not part.grad.any()]
    assert not idle
