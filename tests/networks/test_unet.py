"""The U-Net: any image shape, a bound on its size, conditions that act, one answer in every mode."""

import pytest
import torch
from torch import Tensor, nn

from scorefield.errors import ConfigError
from scorefield.networks import UNet
from scorefield.networks.blocks import ResidualBlock
from scorefield.networks.unet import Shuffle

pytestmark = pytest.mark.usefixtures("seeded")  # initial weights are drawn from the global generator


def awake(net: UNet, seed: int = 0) -> UNet:
    """Give every parameter that starts at zero a random value, so that the whole network speaks."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05, generator=generator)
    return net.eval()


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.fixture(scope="module")
def mnist_net() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(1, 28, classes=10))


@pytest.mark.parametrize(
    "size", [(8, 8), (28, 28), (32, 32), (17, 23), (1, 5), (64,), (45,), (3,), (8, 16, 9)], ids=str
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("finest", [0, 1, 2])
def test_output_has_the_shape_of_the_input_and_sees_every_pixel(
    channels: int, size: tuple[int, ...], finest: int
) -> None:
    net = awake(UNet(channels, size, width=16, finest=finest))
    x = images(2, channels, *size).requires_grad_()
    y = net(x, torch.tensor([0.1, -0.7]))
    assert y.shape == x.shape
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    assert gradient.ne(0).all()


def test_parameters_are_bounded_and_independent_of_an_int_or_tuple_size() -> None:
    assert count(UNet(1, 28)) <= 3_000_000
    assert count(UNet(3, 32, classes=10)) <= 3_000_000
    assert count(UNet(1, 28)) == count(UNet(1, (28, 28)))


def test_finest_counts_the_blocks_of_the_finest_grid_alone() -> None:
    def blocks(net: UNet) -> list[int]:
        return [len(stage.blocks) for stage in (*net.encode, net.middle, *net.decode)]  # pyright: ignore[reportArgumentType]

    assert blocks(UNet(1, 28, depth=3)) == [1, 1, 3, 1, 1]
    assert blocks(UNet(1, 28, depth=3, finest=0)) == [0, 1, 3, 1, 0]
    assert blocks(UNet(1, 28, depth=3, finest=2)) == [2, 1, 3, 1, 2]
    assert blocks(UNet(1, 8, depth=3, finest=0)) == [3]  # the one grid there is


def test_a_new_network_answers_zero() -> None:
    x = images(2, 1, 28, 28)
    assert torch.equal(UNet(1, 28)(x, torch.zeros(2)), torch.zeros_like(x))


@torch.no_grad()
def test_a_block_is_its_formula() -> None:
    block = ResidualBlock(8, 6, 0.0)
    for parameter in block.parameters():
        parameter.normal_(std=0.3)
    x, condition = images(2, 8, 5, 5), images(2, 6, seed=1)
    scale, shift = (condition @ block.modulation.weight.T + block.modulation.bias).chunk(2, dim=1)
    mean, std = x.mean(1, keepdim=True), (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    normal = (1 + scale[..., None, None]) * (x - mean) / std + shift[..., None, None]
    expected = x + block.conv_out(torch.nn.functional.silu(block.conv_in(normal)))
    torch.testing.assert_close(block(x, condition), expected, rtol=1e-4, atol=1e-5)


def test_examples_do_not_see_each_other(mnist_net: UNet) -> None:
    x, noise, labels = images(4, 1, 28, 28), torch.linspace(-1, 1, 4), torch.tensor([3, 1, 4, 1])
    together = mnist_net(x, noise, labels)
    alone = torch.cat([mnist_net(x[i : i + 1], noise[i : i + 1], labels[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_one_noise_for_all_is_the_same_noise_for_each(mnist_net: UNet) -> None:
    x = images(3, 1, 28, 28)
    assert torch.equal(mnist_net(x, torch.tensor(0.3)), mnist_net(x, torch.full((3,), 0.3)))


def test_noise_and_labels_change_the_answer(mnist_net: UNet) -> None:
    x = images(1, 1, 28, 28)
    answers = [mnist_net(x, torch.tensor(0.3), label) for label in (None, torch.tensor([0]), torch.tensor([9]))]
    answers.append(mnist_net(x, torch.tensor(0.31)))
    for i, a in enumerate(answers):
        for b in answers[:i]:
            assert not torch.allclose(a, b, atol=1e-4)


def test_levels_condition_by_index() -> None:
    net = awake(UNet(1, 28, width=16, levels=10))
    x = images(1, 1, 28, 28).expand(10, -1, -1, -1)
    answers = net(x, torch.arange(10)).flatten(1)
    assert torch.pdist(answers).min() > 1e-3
    torch.testing.assert_close(net(x[:1], torch.tensor(4)).flatten(1), answers[4:5], rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only() -> None:
    net = awake(UNet(1, 28, width=16, dropout=0.5))
    x, noise = images(2, 1, 28, 28), torch.zeros(2)
    assert torch.equal(net(x, noise), net(x, noise))
    net.train()
    assert not torch.equal(net(x, noise), net(x, noise))


def test_bfloat16_autocast_is_close_to_float32(mnist_net: UNet) -> None:
    x, noise = images(8, 1, 28, 28), torch.linspace(-1.5, 1, 8)
    with torch.no_grad():
        exact = mnist_net(x, noise)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = mnist_net(x, noise)
    assert (rounded.float() - exact).norm() / exact.norm() < 0.02


def test_memory_format_of_the_input_does_not_matter(mnist_net: UNet) -> None:
    net = awake(UNet(3, 32, width=16))
    x = images(2, 3, 32, 32)
    other = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(net(x, torch.zeros(2)), net(other, torch.zeros(2)), rtol=1e-4, atol=1e-5)


def test_derivatives_in_both_modes_agree() -> None:
    net = awake(UNet(1, 28, width=16)).double()
    x, v, w = (images(1, 1, 28, 28, seed=seed).double() for seed in range(3))

    def at(x: Tensor) -> Tensor:
        return net(x, torch.tensor(0.2))

    _, forward = torch.func.jvp(at, (x,), (v,))
    _, pullback = torch.func.vjp(at, x)
    (backward,) = pullback(w)
    step = 1e-5
    numeric = (at(x + step * v) - at(x - step * v)) / (2 * step)
    torch.testing.assert_close(forward, numeric, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close((forward * w).sum(), (backward * v).sum())


def test_same_seed_same_network() -> None:
    x = images(1, 1, 28, 28)
    nets = []
    for _ in range(2):
        torch.manual_seed(7)
        nets.append(awake(UNet(1, 28, width=16)))
    assert torch.equal(nets[0](x, torch.zeros(1)), nets[1](x, torch.zeros(1)))


@pytest.mark.slow
def test_compiled_equals_eager(mnist_net: UNet) -> None:
    x, noise, labels = images(2, 1, 28, 28), torch.tensor([0.1, -0.7]), torch.tensor([3, 1])
    compiled = torch.compile(mnist_net, fullgraph=True)
    torch.testing.assert_close(compiled(x, noise, labels), mnist_net(x, noise, labels), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((images(2, 3, 28, 28), torch.zeros(2)), r"\(3, 28, 28\).* built for \(1, 28, 28\)"),
        ((images(2, 1, 28, 28), torch.zeros(2, dtype=torch.long)), "real number"),
        ((images(2, 1, 28, 28), torch.zeros(2), torch.zeros(2, dtype=torch.long)), "classes="),
    ],
)
def test_misuse_is_explained(arguments: tuple[Tensor, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        UNet(1, 28, width=16)(*arguments)


def test_levels_want_an_index() -> None:
    with pytest.raises(ConfigError, match="integer index"):
        UNet(1, 28, width=16, levels=5)(images(2, 1, 28, 28), torch.zeros(2))


def test_the_shuffle_of_any_grid_is_that_of_pixels() -> None:
    x = images(2, 12, 3, 5)
    assert torch.equal(Shuffle()(x), nn.PixelShuffle(2)(x))
    y = Shuffle()(images(2, 4, 5))
    assert torch.equal(y, images(2, 4, 5).reshape(2, 2, 2, 5).movedim(2, -1).flatten(2))
    volume = images(2, 8, 3, 4, 5)
    corners = [volume[:, k] for k in range(8)]
    assert all(
        torch.equal(Shuffle()(volume)[:, 0, k // 4 :: 2, k // 2 % 2 :: 2, k % 2 :: 2], corners[k]) for k in range(8)
    )


def test_a_volume_of_equal_slices_is_seen_as_deep_as_it_is_wide() -> None:
    """Whichever axis a ramp lies along, the network says the same when its weights are turned with it."""
    net = awake(UNet(1, (8, 8, 8), width=8))
    x, noise = images(2, 1, 8, 8, 8), torch.zeros(2)
    y = net(x, noise)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 5:
                parameter.copy_(parameter.transpose(2, 4).clone())
    assert (net(x.transpose(2, 4), noise).transpose(2, 4) - y).abs().max() <= 1e-5


@pytest.mark.parametrize("size", [0, (), (8, 0), (8, 8, 8, 8)])
def test_impossible_sizes_are_refused(size: int | tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="height, width"):
        UNet(1, size)  # pyright: ignore[reportArgumentType]


def test_the_head_sees_normed_features_however_large_the_input_is() -> None:
    """A vector of C channels of root mean square 1 has no number beyond √C."""
    net, seen = UNet(1, 8, width=16, depth=1), []
    net.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(1e4 * torch.randn(2, 1, 8, 8), torch.zeros(2))
    assert 0.1 < seen[0].abs().max() <= seen[0].shape[1] ** 0.5
