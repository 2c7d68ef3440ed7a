"""The MLP: what goes in comes out in the same size."""

import pytest
import torch

from scorefield import MLP


@torch.no_grad()
@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("depth", [1, 4, 8])
def test_a_new_network_keeps_the_size_of_its_input(depth: int) -> None:
    """PyTorch's own initial weights lose two thirds of the variance at every layer: at depth 8, all but a ten-thousandth."""
    y = MLP(32, width=256, depth=depth)(torch.randn(200, 32), torch.zeros(200))
    assert 0.3 < y.std().item() < 3
