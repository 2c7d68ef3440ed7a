"""Muon: orthogonal steps for kernels, Adam's own for the rest, and a state that a checkpoint holds whole."""

from pathlib import Path

import pytest
import torch
from torch import nn

from scorefield import DSM, EDM, Denoiser, Optimization, TrainState, UNet, train
from scorefield.data import Batches, digits
from scorefield.training import checkpoint
from scorefield.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (64, 64)])
def test_singular_values_become_one_about_and_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1.5, shape[1]))  # badly scaled
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = torch.diagonal(u.mT @ orthogonal(matrix) @ v.mT)  # in the bases of the matrix itself
    well = s > 0.02 * s.norm()  # smaller ones need more iterations than five
    assert well.sum() >= 8
    assert (turned[well] > 0.55).all()
    assert (turned[well] < 1.3).all()


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
        expected -= 0.01 * 0.2 * 12 * orthogonal(gradient + 0.95 * memory)
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
    assert any(name.endswith("momentum") for name in found.tensors["optim"])
    for group, tensors in through.tensors().items():
        for name, value in tensors.items():
            assert torch.equal(resumed.tensors()[group][name], value), (group, name)
