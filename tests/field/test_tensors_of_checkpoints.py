"""A checkpoint with a tensor of another name, shape or kind of number, in whichever group, is refused with what differs first."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scorefield import EDM, MLP, Denoiser, Exact, Gaussian, UNet
from scorefield.errors import CheckpointError
from scorefield.likelihood import ByteDecoder
from scorefield.training import Optimization, TrainState
from scorefield.units import Units

Weights = dict[str, Tensor]
SETTINGS = Optimization(steps=2, averages=(0.1,))


def cut(weights: Weights, name: str) -> None:
    weights[name] = torch.zeros(7, 5)


def lose(weights: Weights, name: str) -> None:
    del weights[name]


def gain(weights: Weights, name: str) -> None:
    weights[name + "2"] = weights[name]


def count(weights: Weights, name: str) -> None:
    weights[name] = weights[name].long()


FAULTS = {cut: r"has shape .* instead of", lose: "is missing", gain: "is unknown", count: "int64 instead of"}
faults = pytest.mark.parametrize("fault", FAULTS)


def stepped(optimizer: str) -> TrainState:
    """Return the state after a step, with a guide."""
    torch.manual_seed(0)
    net = UNet(1, 8, width=16, depth=1) if optimizer == "muon" else MLP(2, width=4, depth=1)
    state = TrainState.create(Denoiser(net, EDM(), 0.3), replace(SETTINGS, optimizer=optimizer))
    for parameter in state.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()
    state.step = 1
    state.average_in()
    state.keep_guide()
    return state


@faults
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_training_does_not_go_on_with_it(optimizer: str, fault: Callable[[Weights, str], None]) -> None:
    state = stepped(optimizer)
    whole = {group: dict(tensors) for group, tensors in state.tensors().items()}
    state.restore(1, copy.deepcopy(whole))
    for group, tensors in whole.items():
        ends = {"exp_avg", "exp_avg_sq", "momentum", "step"} if group == "optim" else {"bias", "weight"}
        for end in ends & {name.rpartition(".")[2] for name in tensors}:
            name = next(name for name in tensors if name.endswith(f".{end}"))
            spoilt = copy.deepcopy(whole)
            fault(spoilt[group], name)
            with pytest.raises(CheckpointError, match=rf"{group}\.safetensors: .*{name}.*{FAULTS[fault]}"):
                state.restore(1, spoilt)
    for group in ("model", "ema", "optim"):
        with pytest.raises(CheckpointError, match=rf"has no {group}\.safetensors"):
            state.restore(1, {name: tensors for name, tensors in whole.items() if name != group})


@pytest.fixture(scope="module")
def decoder() -> ByteDecoder:
    images = torch.randint(256, (4, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    model = Exact(Gaussian(torch.zeros(1, 8, 8), 1.0), EDM()).in_units(
        Units(torch.tensor(0.5), torch.tensor(0.3), ends=(0, 1))
    )
    return ByteDecoder(model, images).with_network(images, steps=1, width=8)


@faults
def test_a_decoder_of_bytes_is_not_made_of_it(decoder: ByteDecoder, fault: Callable[[Weights, str], None]) -> None:
    for name in decoder.tensors:
        if fault is lose and name == "network.embedding.weight":
            continue  # a network of the former kind: left out with a warning
        spoilt = decoder.tensors
        fault(spoilt, name)
        with pytest.raises(CheckpointError, match=rf"({name.removeprefix('network.')}|first).*{FAULTS[fault]}"):
            ByteDecoder.stored(decoder.model, spoilt)
    again = ByteDecoder.stored(decoder.model, decoder.tensors)
    assert {name: x.tolist() for name, x in again.tensors.items()} == {
        n: x.tolist() for n, x in decoder.tensors.items()
    }
