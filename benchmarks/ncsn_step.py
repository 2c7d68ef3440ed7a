"""A training step of NCSN's network at ngf 64 and batch 128: as first published against ours, same weights, same loss.

The published way is written out here block by block: contiguous images, instance norm and its mean term apart, every activation a new
tensor, pooling after convolving, interpolation even where nothing changes size. The last row is a bound: as many multiplications as a step
has, in large bfloat16 matrix products and nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import Row, compare, in_turn
from scorefield import CondRefineNet, LadderNet, MultiLevelDSM, Optimization, StepRecord, TrainState, geometric, train
from scorefield.data import Batches, Dataset

BATCH, NGF, LEVELS = 128, 64, geometric(1.0, 0.01, 10)


def run(rounds: int = 3) -> list[Row]:
    """Return seconds per step, paired by round; the baseline is the published network in float32."""
    sides = {"published, fp32": published(bf16=False), "published, bf16": published(bf16=True)}
    sides |= {"ours, fp32": ours("fp32"), "ours, bf16": ours("bf16"), "the multiplications alone, bf16": products()}
    rates = compare(in_turn(sides, rounds, warmup=1), "published, fp32", "s/step", 1)
    return [row._replace(value=1 / row.value) for row in rates]


def network() -> CondRefineNet:
    """Return the same network every time."""
    torch.manual_seed(0)
    return CondRefineNet(1, len(LEVELS), NGF)


def images() -> Tensor:
    return torch.randint(0, 256, (1024, 1, 28, 28), dtype=torch.uint8)


def ours(precision: Literal["fp32", "bf16"]) -> Callable[[], object]:
    """Return a step of configs/mnist-ncsn.yaml."""
    settings = Optimization(
        steps=10**9, learning_rate=1e-3, warmup=0, decay="constant", clip=None, ema_decay=0.0, precision=precision
    )
    state, objective = TrainState.create(LadderNet(network(), LEVELS), settings), MultiLevelDSM(LEVELS)
    data = Batches(Dataset(images(), None, "noise"), BATCH, 0)
    records: Iterator[StepRecord] = train(state, data, objective, settings)
    return lambda: next(records)


def products() -> Callable[[], object]:
    """Return matrix products with the multiplications of a step's convolutions."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        CondRefineNet(1, len(LEVELS), NGF)(
            torch.rand(BATCH, 1, 28, 28), torch.zeros(BATCH, dtype=torch.long)
        ).sum().backward()
    count = 10
    side = round((counter.get_total_flops() / (2 * count)) ** (1 / 3))
    a, b = torch.randn(2, side, side, dtype=torch.bfloat16)

    def multiply() -> None:
        for _ in range(count):
            a @ b

    return multiply


def published(bf16: bool) -> Callable[[], object]:
    """Return a step as the released code takes it."""
    net, data = Published(network()), images()
    check(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    sigmas = LEVELS.float()

    def step() -> float:
        x = (data[torch.randint(len(data), (BATCH,))].float() + torch.rand(BATCH, 1, 28, 28)) / 256
        level = torch.randint(len(sigmas), (BATCH,))
        sigma = sigmas[level][:, None, None, None]
        noisy = x + sigma * torch.randn_like(x)
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            scores = net(noisy, level)
        target = -(noisy - x) / sigma**2
        loss = (0.5 * (scores - target).flatten(1).square().sum(1) * sigma.flatten() ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def check(net: "Published") -> None:
    """Make sure that what is compared is the same function."""
    x, level = torch.rand(2, 1, 28, 28), torch.tensor([0, 9])
    with torch.no_grad():
        torch.testing.assert_close(net(x, level), net.net(x, level), rtol=1e-4, atol=1e-4)


class Published(nn.Module):
    """The weights of ours under the computation as published."""

    def __init__(self, net: CondRefineNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Return the score."""
        net = self.net
        layers = [net.begin_conv(2 * x - 1)]
        for stage in (net.res1, net.res2, net.res3, net.res4):
            h = layers[-1]
            for block in stage:
                h = residual(block, h, level)
            layers.append(h)
        h = refine(net.refine1, [layers[4]], level)
        h = refine(net.refine2, [layers[3], h], level)
        h = refine(net.refine3, [layers[2], h], level)
        h = refine(net.refine4, [layers[1], h], level)
        return net.end_conv(F.elu(norm(net.normalizer, h, level)))


def norm(m: nn.Module, x: Tensor, level: Tensor) -> Tensor:
    means = x.mean(dim=(2, 3))
    centre, spread = means.mean(dim=-1, keepdim=True), means.var(dim=-1, keepdim=True)
    means = (means - centre) / torch.sqrt(spread + 1e-5)
    gamma, alpha, beta = m.embed(level).chunk(3, dim=-1)
    h = F.instance_norm(x) + means[..., None, None] * alpha[..., None, None]
    return gamma[..., None, None] * h + beta[..., None, None]


def residual(m: nn.Module, x: Tensor, level: Tensor) -> Tensor:
    h = convolve(m.conv1, F.elu(norm(m.normalize1, x, level)))
    h = convolve(m.conv2, F.elu(norm(m.normalize2, h, level)))
    return convolve(m.shortcut, x) + h


def convolve(m: nn.Module, x: Tensor) -> Tensor:
    if not hasattr(m, "conv"):
        return m(x)
    y = m.conv(x)
    return (y[:, :, ::2, ::2] + y[:, :, 1::2, ::2] + y[:, :, ::2, 1::2] + y[:, :, 1::2, 1::2]) / 4.0


def rcu(m: nn.Module, x: Tensor, level: Tensor) -> Tensor:
    for unit in range(1, m.units + 1):
        h = x
        for stage in (1, 2):
            h = m[f"{unit}_{stage}_conv"](F.elu(norm(m[f"{unit}_{stage}_norm"], h, level)))
        x = h + x
    return x


def refine(m: nn.Module, paths: list[Tensor], level: Tensor) -> Tensor:
    paths = [rcu(adapt, path, level) for adapt, path in zip(m.adapt_convs, paths, strict=True)]
    h, size = paths[0], paths[0].shape[2:]
    if m.msf is not None:
        h = torch.zeros(len(h), m.msf.convs[0].out_channels, *size)
        for path, before, conv in zip(paths, m.msf.norms, m.msf.convs, strict=True):
            h = h + F.interpolate(conv(norm(before, path, level)), size=size, mode="bilinear", align_corners=True)
    h = link = F.elu(h)
    for before, conv in zip(m.crp.norms, m.crp.convs, strict=True):
        link = conv(F.avg_pool2d(norm(before, link, level), 5, stride=1, padding=2))
        h = link + h
    return rcu(m.output_convs, h, level)
