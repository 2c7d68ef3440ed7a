r"""Can a network that was trained to tell drawn images from real ones do so? The classifier two-sample test of images.

    accuracy = P(classifier is right on images it was not trained on),   ½ where the distributions agree    (Lopez-Paz & Oquab 2017)

Whatever distinguishes samples, a haze of a few grey levels or strokes that no pen makes, a network may learn
to see, so the number cannot be flattered by the features of one judge. It is a lower bound: a larger network, or more images, may see more.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from scorefield._checks import numbers, whole
from scorefield._noise import derive_seed, seeded
from scorefield._tensors import recording
from scorefield._values import ByValue
from scorefield.metrics.estimate import Estimate, mean

_WIDTH, _BATCH, _RATE = 32, 64, 3e-3
_MOST, _PASSES = 400, 25  # steps of a training, and how often it sees an image where they are fewer
_RANKED = 100_000  # values of which ranks are read
_PART = 500  # images at a time where all are looked at


@dataclass(frozen=True)
class ClassifierTest(ByValue):
    """What `classifier_two_sample` found.

    Attributes:
        accuracy: on held-out images; its error takes an image that was held out twice for one, and is thus a little too small. Of images of
            one distribution it is ½: .486, .493 and .498 ± .011 for pairs of thousand MNIST digits, the last of training and test digits,
            and .502 ± .008 for a pair of two thousand colour textures, all chosen at random. In the order of the file, the first thousand
            training digits are distinguished from the next with .586 ± .011.
        drawn: the probability, as the networks see it, that each sample is drawn, always while it was held out; shape (n,).
        real: that each data example is drawn.
    """

    accuracy: Estimate
    drawn: Float[Tensor, " n"]
    real: Float[Tensor, " n"]


def image_views(x: Float[Tensor, "n c h w"], ends: tuple[float, float]) -> dict[str, Float[Tensor, "n c _ _"]]:
    """Return images as they are, binarised in the middle between their ends, and at half resolution: which says where a difference is."""
    middle = (ends[0] + ends[1]) / 2
    return {"as they are": x, "binarised": (x > middle).to(x), "half resolution": F.avg_pool2d(x, 2)}


def classifier_two_sample(
    samples: Float[Tensor, "n c h w"],
    data: Float[Tensor, "m c h w"],
    *,
    trainings: int = 4,
    steps: int | None = None,
    seed: int = 0,
) -> ClassifierTest:
    """Return how well small convolutional networks tell samples from data, half of each, on the other half.

    The networks see every value beside its rank among all values, so that differences of one grey level count in any units, and beside
    what it is in units of its own image, so that a pattern is one in any colours. Where samples are copies of the data, say so first
    (`scorefield.metrics.memorisation`): halves are held out by row, not by content.

    Args:
        samples: images.
        data: of the same shape; the larger of the two is cut to the size of the smaller.
        trainings: networks, each from its own seed; two at a time share a cut in halves, each trained on the other's test half.
        steps: of AdamW, on 64 images each; 25 passes of the half, or 400 steps where those are more, when absent.
        seed: of cuts, networks and batches.

    Cost: trainings · steps · 64 passes of a network of 15 000 parameters; some 5 s of one core each at 28 × 28.

    Raises:
        ValueError: no images, or fewer than four of each.
    """
    samples, data = numbers(samples, "samples"), numbers(data, "data")
    n, trainings = min(len(samples), len(data)), whole(trainings, "trainings", 1)
    steps = min(_MOST, math.ceil(_PASSES * n / _BATCH)) if steps is None else steps
    if samples.ndim != 4 or samples.shape[1:] != data.shape[1:] or n < 4:
        raise ValueError(
            "a classifier needs four or more images of each, of one shape (n, c, h, w); received "
            f"{tuple(samples.shape)} and {tuple(data.shape)}"
        )
    x = torch.cat([samples[:n], data[:n]]).float().cpu()
    is_drawn = torch.arange(2 * n) < n
    logits, held = torch.zeros(2, 2 * n, dtype=torch.float64)
    right = torch.zeros(2 * n, dtype=torch.float64)
    for k, (trained, tested) in enumerate(_halves(n, trainings, seed)):
        logit = _fitted(x, is_drawn, trained, steps, derive_seed(seed, "network", k))(tested)
        logits[tested] += logit
        right[tested] += ((logit > 0) == is_drawn[tested]).double()
        held[tested] += 1
    seen = held > 0
    p = torch.sigmoid(logits / held.clamp_min(1)).where(seen, torch.tensor(0.5).double())
    return ClassifierTest(mean(right[seen] / held[seen]), p[:n], p[n:])


def _halves(n: int, trainings: int, seed: int) -> Iterator[tuple[Int64[Tensor, " k"], Int64[Tensor, " k"]]]:
    """Yield rows to train on and rows to test on, n of each kind: the two halves of a shuffle, then the other way round."""
    for k in range(trainings):
        generator = torch.Generator().manual_seed(derive_seed(seed, "halves", k // 2))
        shuffled = [start + torch.randperm(n, generator=generator) for start in (0, n)]
        first = torch.cat([rows[: n // 2] for rows in shuffled])
        second = torch.cat([rows[n // 2 : n // 2 * 2] for rows in shuffled])
        yield (first, second) if k % 2 == 0 else (second, first)


class _Network(nn.Module):
    """Convolutions, the largest of each square of four after all but the last, and the mean over places: each sees 38 pixels a side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, _WIDTH // 4, _WIDTH // 2, _WIDTH, _WIDTH)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after, momentum=0.3),
                nn.ReLU(),
            ]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
        self.layers, self.last = nn.Sequential(*layers[:-1]), nn.Linear(_WIDTH, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """Return the logit of being drawn."""
        return self.last(self.layers(x).mean(dim=(2, 3))).squeeze(1)


def _fitted(
    x: Float[Tensor, "n c h w"], is_drawn: Bool[Tensor, " n"], rows: Int64[Tensor, " k"], steps: int, seed: int
) -> Callable[[Int64[Tensor, " j"]], Float64[Tensor, " j"]]:
    """Return the logits, by row, of a network trained on ``rows``: it sees nothing of the others, not even their scale."""
    see = _shown(x[rows])
    with seeded(seed):
        net = _Network(3 * x.shape[1]).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] half the time
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    # Once, not in every pass: ranks cost as much as the network.
    shown = torch.cat([see(x[part]) for part in rows.split(_PART)])
    expected = is_drawn[rows].float()
    with recording():
        for _ in range(steps):
            batch = torch.randint(len(rows), (_BATCH,), generator=generator)
            loss = F.binary_cross_entropy_with_logits(net(shown[batch]), expected[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()

    @torch.no_grad()
    def logits(tested: Int64[Tensor, " j"]) -> Float64[Tensor, " j"]:
        return torch.cat([net(see(x[part])) for part in tested.split(_PART)]).double()

    return logits


def _shown(x: Float[Tensor, "n c h w"]) -> Callable[[Tensor], Tensor]:
    """Return what turns images into a network's input: values in units of their spread in x, and their ranks there from −1 to 1."""
    centre, spread = x.mean(), x.std().clamp_min(1e-12)
    every = x.flatten()
    ranked = every[:: max(1, len(every) // _RANKED)].sort().values

    def see(images: Tensor) -> Tensor:
        below = torch.searchsorted(ranked, images.contiguous()) + torch.searchsorted(
            ranked, images.contiguous(), right=True
        )
        own = images - images.mean(dim=(2, 3), keepdim=True)
        own = own / own.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-3 * spread)
        return torch.cat([(images - centre) / spread, below / len(ranked) - 1, own], dim=1)

    return see
