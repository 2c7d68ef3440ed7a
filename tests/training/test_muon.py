"""Muon: orthogonal steps for kernels, Adam's own for the rest, and a state that a checkpoint holds whole."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scorefield import DSM, EDM, Denoiser, Optimization, TrainState, UNet, train
from scorefield.data import Batches, digits
from scorefield.training import checkpoint
from scorefield.training.muon import Muon, orthogonal


def scaled(shape: tuple[int, int], seed: int = 0) -> Tensor:
    """Return a matrix whose singular values span two decades or so."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return matrix @ torch.diag(torch.logspace(0, -1.5, shape[1]))


SHAPES = [(16, 144), (144, 16), (64, 64), (16, 64), (64, 16), (64, 576)]


def test_singular_values_become_one_about_and_directions_stay() -> None:
    for matrix, turned in zip(map(scaled, SHAPES), orthogonal(list(map(scaled, SHAPES))), strict=True):
        u, s, v = torch.linalg.svd(matrix, full_matrices=False)
        values = torch.diagonal(u.mT @ turned @ v.mT)  # in the bases of the matrix itself
        well = s > 0.02 * s.norm()  # smaller ones need more iterations than five
        assert well.sum() >= 8
        assert (values[well] > 0.55).all()
        assert (values[well] < 1.3).all()


def test_every_singular_value_takes_five_steps_of_the_quintic() -> None:
    """To rounding in float32, small ones among the large included; in float64, of those that float32 cannot tell from 0, too."""
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        matrices = [scaled(shape, k).to(dtype) for k, shape in enumerate(SHAPES)]
        for matrix, turned in zip(matrices, orthogonal(matrices), strict=True):
            u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
            s = s / s.norm()
            for _ in range(5):
                s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
            torch.testing.assert_close(turned.double(), (u * s) @ v, rtol=0, atol=tolerance)


def one_by_one(matrix: Tensor) -> Tensor:
    """Return what `orthogonal` is, as first written: X itself takes the five steps, in bfloat16."""
    x = matrix.bfloat16() / (matrix.norm() + 1e-12)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.to(matrix)


def test_many_matrices_turn_as_each_alone_and_as_in_bfloat16() -> None:
    """Alone, to rounding in float32. In bfloat16 a product is off by 2⁻⁸ of its size; five steps, each of which the next multiplies by
    3.4 where singular values are small, make of it 3 % of the whole, measured; 6 % are allowed."""
    matrices = [scaled(shape, k) for k, shape in enumerate(SHAPES * 2)]
    for matrix, turned in zip(matrices, orthogonal(matrices), strict=True):
        torch.testing.assert_close(turned, orthogonal([matrix])[0], rtol=0, atol=1e-5)
        if matrix.shape[0] <= matrix.shape[1]:
            expected = one_by_one(matrix)
            assert (turned - expected).norm() < 0.06 * expected.norm()


def test_a_gradient_of_zero_or_of_rank_one_stays_finite() -> None:
    flat = torch.ones(16, 144)
    zero, one, tiny = orthogonal([0 * flat, flat, 1e-6 * flat])
    assert torch.equal(zero, 0 * flat)
    for turned in (one, tiny):
        assert 0.65 < turned.norm() < 1.2
        torch.testing.assert_close(turned, turned[0, 0] * flat)


def small() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 2, 3))


def stepped(net: nn.Sequential, optimizer: torch.optim.Optimizer, steps: int = 3) -> nn.Sequential:
    x = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
    return net


def test_the_first_step_of_a_kernel_is_orthogonal_and_as_long_as_adams() -> None:
    net = small()
    before = net[1].weight.detach().clone()
    stepped(net, Muon(net.parameters(), 0.01, (0.9, 0.99)), 1)
    step = (net[1].weight - before).flatten(1)
    values = torch.linalg.svdvals(step / (0.01 * 0.2 * 144**0.5))
    assert values.min() > 0.3
    assert values.max() < 1.3
    assert step.square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.3)


def test_the_second_step_remembers_the_first() -> None:
    """Both steps follow from the gradients by the formula: M ← μ M + G, W ← W − η 0.2 √144 orthogonal(G + μ M)."""
    generator = torch.Generator().manual_seed(3)
    weight = nn.Parameter(torch.zeros(16, 16, 3, 3))
    optimizer, memory, expected = Muon([weight], 0.01, (0.9, 0.99)), torch.zeros(16, 144), torch.zeros(16, 144)
    for _ in range(2):
        gradient = torch.randn(16, 144, generator=generator)
        weight.grad = gradient.view_as(weight)
        optimizer.step()
        memory = 0.95 * memory + gradient
        expected -= 0.01 * 0.2 * 12 * orthogonal([gradient + 0.95 * memory])[0]
    torch.testing.assert_close(weight.detach().flatten(1), expected, rtol=0, atol=1e-6)


def test_everything_else_takes_adams_steps_to_the_bit() -> None:
    """With its kernel held, the net's other parameters see the same gradients from both."""
    ours, adams = small(), small()
    for net in (ours, adams):
        net[1].weight.requires_grad_(False)
    stepped(ours, Muon([p for p in ours.parameters() if p.requires_grad], 0.01, (0.9, 0.99)))
    stepped(adams, torch.optim.Adam([p for p in adams.parameters() if p.requires_grad], 0.01, (0.9, 0.99), fused=True))
    for a, b in zip(ours.parameters(), adams.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradients_are_still_there_after_a_step() -> None:
    net = small()
    stepped(net, Muon(net.parameters(), 0.01, (0.9, 0.99)), 1)
    assert all(p.grad is not None for p in net.parameters())


def test_a_run_resumed_from_its_checkpoint_is_the_run_that_went_on(tmp_path: Path) -> None:
    settings = Optimization(steps=6, optimizer="muon", learning_rate=1e-3, warmup=1, precision="fp32")

    def fresh() -> TrainState:
        torch.manual_seed(0)
        return TrainState.create(Denoiser(UNet(1, 8, width=16, depth=1), EDM(), 0.3), settings)

    def go(state: TrainState, until: int) -> TrainState:
        for record in train(state, Batches(digits(), 8, 0), DSM(), settings):
            if record.step == until:
                break
        return state

    through = go(fresh(), 6)
    half = go(fresh(), 3)
    found = checkpoint.load(checkpoint.save(tmp_path, half.step, half.tensors(), {}))
    resumed = fresh()
    resumed.restore(found.step, found.tensors)
    go(resumed, 6)
    kernel, other = {"momentum", "step"}, {"exp_avg", "exp_avg_sq", "step"}
    for index, weight in enumerate(half.model.parameters()):
        names = kernel if weight.ndim == 4 and min(weight.shape[:2]) >= 16 else other
        assert {name for name in found.tensors["optim"] if name.startswith(f"{index}.")} == {
            f"{index}.{n}" for n in names
        }
    for group, tensors in through.tensors().items():
        for name, value in tensors.items():
            assert torch.equal(resumed.tensors()[group][name], value), (group, name)
