"""Training with labels: rows are told their own, some are told none, and data without labels is refused."""

import pytest
import torch
from torch import Tensor, nn

from scorefield import EDM, ConfigError, Denoiser, fit
from scorefield.data import Dataset


class Recorder(nn.Module):
    """A network that writes down which labels came with which images."""

    classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[Tensor, Tensor | None]] = []

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append((x.detach(), labels))
        return self.scale * x


class Last:
    """An objective that denoises without noise, so that the network sees the images themselves."""

    def __call__(self, model, x0: Tensor, generator: object) -> Tensor:
        t = torch.tensor(0.002, dtype=torch.float64)
        return ((model.denoise(x0, t) - x0) ** 2).flatten(1).sum(1)


def data(labelled: bool = True) -> Dataset:
    labels = torch.arange(300) % 3
    x = labels.float()[:, None, None, None].expand(300, 1, 2, 2) / 3
    return Dataset(x.contiguous(), labels if labelled else None, "thirds")


def told(steps: int) -> tuple[Tensor, Tensor]:
    """Return the true labels of all rows seen in training, and those the network was told."""
    net = Recorder()
    fit(Denoiser(net, EDM(), sigma_data=1.0), data(), Last(), steps=steps, batch_size=30)
    images = torch.cat([x.mean(dim=(1, 2, 3)) for x, _ in net.seen])
    labels = torch.cat([labels for _, labels in net.seen if labels is not None])
    assert len(labels) == len(images)
    return (3 * images).round().long(), labels


def test_rows_are_told_their_own_label_or_none() -> None:
    true, labels = told(40)
    dropped = labels == 3
    assert torch.equal(labels[~dropped], true[~dropped])
    assert dropped.float().mean().item() == pytest.approx(0.1, abs=0.035)  # 4 standard errors of 1200 rows


def test_the_same_rows_are_dropped_in_every_run() -> None:
    assert torch.equal(told(5)[1], told(5)[1])


def test_a_network_that_takes_labels_needs_data_that_has_them() -> None:
    with pytest.raises(ConfigError, match="the data has none"):
        fit(Denoiser(Recorder(), EDM(), sigma_data=1.0), data(labelled=False), Last(), steps=1)
