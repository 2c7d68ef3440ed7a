"""The RefineNets and their parts: each shortcut equals the long way round, one channel is no accident, every call is checked."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorefield import DSM, CondRefineNet, ConfigError, LadderNet, MultiLevelDSM, NCSNv2Net, UniformTime, geometric
from scorefield.networks.refinenet_blocks import MeanPooledConv
from scorefield.networks.refinenet_norms import ConditionalInstanceNormPlus, InstanceNormPlus, instance_norm_plus
from turns import in_turn

LEVELS = geometric(1.0, 0.01, 5)


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def nets(channels: int = 1, ngf: int = 4) -> list[nn.Module]:
    torch.manual_seed(0)
    return [CondRefineNet(channels, 5, ngf), NCSNv2Net(channels, LEVELS, ngf)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_is_its_formula(dtype: torch.dtype) -> None:
    x = 3 * images(4, 6, 5, 7, dtype=dtype) - 1
    gamma, alpha, beta = (images(4, 6, seed=s, dtype=dtype) for s in (1, 2, 3))
    mean = x.mean(dim=(2, 3))
    spread = (mean - mean.mean(1, keepdim=True)) / (mean.var(1, keepdim=True) + 1e-5).sqrt()
    normal = F.instance_norm(x)
    expected = gamma[..., None, None] * (normal + (alpha * spread)[..., None, None]) + beta[..., None, None]
    found = instance_norm_plus(x, gamma, alpha, beta)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)


def test_the_norm_of_bfloat16_keeps_its_dtype_and_its_digits() -> None:
    x = 3 * images(4, 6, 28, 28) + 1
    parts = [images(4, 6, seed=s) for s in (1, 2, 3)]
    found = instance_norm_plus(x.bfloat16(), *parts)
    assert found.dtype == torch.bfloat16
    assert (found.float() - instance_norm_plus(x, *parts)).abs().max() < 0.05


def test_each_example_is_normalised_by_the_row_of_its_level() -> None:
    torch.manual_seed(0)
    norm = ConditionalInstanceNormPlus(6, levels=3)
    nn.init.normal_(norm.embed.weight)
    x = images(3, 6, 8, 8)
    together = norm(x, torch.tensor([2, 0, 1]))
    for row, level in enumerate([2, 0, 1]):
        gamma, alpha, beta = norm.embed.weight[level].chunk(3)
        torch.testing.assert_close(together[row], instance_norm_plus(x, gamma, alpha, beta)[row])


@pytest.mark.parametrize("norm", [ConditionalInstanceNormPlus(1, 5), InstanceNormPlus(1)], ids=["conditional", "plain"])
def test_one_channel_is_normalised_and_differentiable(norm: nn.Module) -> None:
    """The unbiased variance of one number is 0/0."""
    x = images(2, 1, 8, 8).requires_grad_()
    y = norm(x, torch.tensor([0, 4]))
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in norm.parameters())
    assert y.std() > 0.5


@pytest.mark.parametrize("net", nets(ngf=1), ids=["cond", "v2"])
def test_a_network_of_width_one_is_finite(net: nn.Module) -> None:
    y = net(images(2, 1, 8, 8), torch.tensor([0, 4]))
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("size", [1, 3])
def test_a_pooled_convolution_is_a_convolution_then_a_mean(size: int) -> None:
    torch.manual_seed(0)
    block = MeanPooledConv(3, 5, size)
    x = images(2, 3, 8, 6)
    expected = F.avg_pool2d(F.conv2d(x, block.conv.weight, block.conv.bias, padding=size // 2), 2)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 8, 14)], ids=str)
def test_any_even_shape_goes_in_and_comes_out(shape: tuple[int, ...]) -> None:
    x = images(2, *shape)
    for net in nets(channels=shape[0]):
        assert net(x, torch.tensor(3)).shape == x.shape


@pytest.mark.parametrize("net", nets(), ids=["cond", "v2"])
def test_examples_do_not_see_each_other_and_levels_matter(net: nn.Module) -> None:
    x, level = images(3, 1, 8, 8), torch.tensor([4, 0, 2])
    together = net(x, level)
    alone = torch.cat([net(x[i : i + 1], level[i]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(net(x, torch.tensor(0)), net(x, torch.tensor(1)), rtol=1e-2)


def test_ncsnv2_divides_by_sigma_and_nothing_else() -> None:
    net, x = nets()[1], images(2, 1, 8, 8)
    raw = [net(x, torch.tensor(k)) * LEVELS[k].float() for k in range(5)]
    for other in raw[1:]:
        torch.testing.assert_close(other, raw[0])


@pytest.mark.parametrize("net", nets(), ids=["cond", "v2"])
def test_derivatives_in_both_modes_agree(net: nn.Module) -> None:
    net = net.double()
    x, v, w = (images(2, 1, 8, 8, seed=seed, dtype=torch.float64) for seed in range(3))
    level = torch.tensor([1, 3])
    _, forward = torch.func.jvp(lambda x: net(x, level), (x,), (v,))
    _, pullback = torch.func.vjp(lambda x: net(x, level), x)
    step = 1e-6
    numeric = (net(x + step * v, level) - net(x - step * v, level)) / (2 * step)
    torch.testing.assert_close(forward, numeric, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close((forward * w).sum(), (pullback(w)[0] * v).sum())


@pytest.mark.parametrize(("which", "objective"), in_turn((0, 1), (MultiLevelDSM(LEVELS), DSM(UniformTime()))))
def test_a_ladder_learns_under_autocast(which: int, objective: MultiLevelDSM | DSM) -> None:
    """Ten Adam steps on one batch lower the loss, every parameter that acts has a finite float32 gradient."""
    model = LadderNet(nets()[which], LEVELS)  # its own: what one case learns the next should not know
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, losses = images(8, 1, 8, 8), []
    for _ in range(10):
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective(model, x, torch.Generator().manual_seed(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            assert parameter.grad is None or (parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("net", nets(), ids=["cond", "v2"])
def test_calls_that_make_no_sense_are_refused(net: nn.Module) -> None:
    x, level = images(2, 1, 8, 8), torch.tensor(0)
    with pytest.raises(ConfigError, match="1 channel"):
        net(images(2, 3, 8, 8), level)
    with pytest.raises(ConfigError, match="integer index"):
        net(x, torch.tensor(0.5))
    with pytest.raises(ConfigError, match="noise levels only"):
        net(x, level, torch.tensor([1, 2]))


def test_networks_that_make_no_sense_are_refused() -> None:
    for refused in (
        lambda: CondRefineNet(0),
        lambda: CondRefineNet(1, levels=0),
        lambda: CondRefineNet(1, ngf=0),
        lambda: NCSNv2Net(1, torch.tensor([1.0, 0.0])),
        lambda: NCSNv2Net(1, LEVELS, ngf=0),
    ):
        with pytest.raises(ConfigError, match="received"):
            refused()
