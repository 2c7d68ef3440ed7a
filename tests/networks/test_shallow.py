"""The shallow network tells rows and noise levels apart."""

import torch

from scorefield.networks import Shallow


def test_each_row_is_a_function_of_itself_and_of_its_noise_level() -> None:
    torch.manual_seed(0)
    net, x, noise = Shallow(3), torch.randn(5, 3), torch.linspace(-1, 1, 5)
    out = net(x, noise)
    assert out.shape == x.shape
    torch.testing.assert_close(net(x[2:3], noise[2:3]), out[2:3])
    assert not torch.allclose(net(x, noise.flip(0))[0], out[0])
