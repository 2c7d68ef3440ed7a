"""What a training is said to cost beforehand is what it costs."""

import resource
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from forked import Forked
from scorefield.networks import MLP, UNet
from scorefield.training.cost import cost


def measured(n: int) -> None:
    """Print the resident memory while the graph of n images is kept: not what was freed on the way."""
    net = UNet(channels=1, size=(28, 28), width=16, depth=2)
    net(torch.randn(2, 1, 28, 28), torch.rand(2)).sum().backward()  # libraries and gradients
    kept = net(torch.randn(n, 1, 28, 28), torch.rand(n))
    print(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
    assert kept.requires_grad


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


class Convolved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return self.conv(x).sin()


def test_a_convolution_is_counted_exactly():
    """2·9·8 operations a pixel; the image, and the argument of the sine, are kept."""
    found = cost(net := Convolved(), (1, 8, 8))
    assert found.operations == 2 * 9 * 8 * 64
    assert found.activations == 4 * (64 + 8 * 64)
    assert (found.parameters, found.state) == (80, 5 * 4 * 80)
    assert found.memory(10) == 5 * 4 * 80 + 10 * found.activations
    assert found.memory(10, shares=4) == 5 * 80 + 10 * found.activations
    assert found.seconds(10, peak=1e6, utilisation=0.5) == pytest.approx(3 * 10 * found.operations / 0.5e6)
    assert net.conv.weight.device.type == "cpu"


def test_a_layer_of_weights_is_two_operations_each():
    net = MLP(2, width=64, depth=3)
    matrices = sum(p.numel() for p in net.parameters() if p.ndim == 2)
    assert cost(net, (2,)).operations == pytest.approx(2 * matrices, rel=0.05)


def test_the_memory_of_a_network_is_what_it_takes():
    """Resident memory of a U-Net's graph, of 32 and of 160 images: that, and up to 0.4 more that the allocator holds (0.28 measured)."""
    kept = [int(Forked(measured, n).communicate()[0]) for n in (32, 160)]
    expected = cost(UNet(channels=1, size=(28, 28), width=16, depth=2), (1, 28, 28)).activations
    assert 0.9 < (kept[1] - kept[0]) / 128 / expected < 1.4


def test_nothing_is_computed():
    """A network for 256×256 pixels, in seconds."""
    found = cost(UNet(channels=3, size=(256, 256), width=32, depth=2), (3, 256, 256))
    assert found.operations > 4e8
    assert not torch.cuda.is_initialized()
