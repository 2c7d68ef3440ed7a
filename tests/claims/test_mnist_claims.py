"""The claims about MNIST run whole with a handful of samples; whether they hold is for larger budgets to say."""

import re
from pathlib import Path

import pytest
import torch

from scorefield import pretrained
from scorefield_claims import mnist
from scorefield_claims.base import Verdict
from scorefield_claims.catalogue import CLAIMS
from scorefield_claims.drawing import PRINTED
from scorefield_claims.store import find

NAMES = [name for name in CLAIMS if name.startswith("mnist-")]
QUICK = ("mnist-mixing", "mnist-unbalanced")

TOLD = {
    "mnist-mixing": "χ² p-value of the digits, autoencoder, σ = 0.1",
    "mnist-ladders": "precision, L = 10, own network",
}
"""Measures that the requirements name."""


def smallest_letters(figure: Path) -> float:
    """Return the size in points of a figure's smallest letters, exponents apart, where the report prints it."""
    text = figure.read_text(encoding="utf-8")
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    assert size is not None
    width, height = (2.54 * float(inches) / 72 for inches in size.groups())
    sizes = {float(found) for found in re.findall(r"font-size: ([\d.]+)px", text)}
    raised = {small for small in sizes for large in sizes if abs(small - 0.7 * large) < 0.05}
    scale = min(PRINTED["share"], PRINTED["width"] / width, PRINTED["height"] / height)
    return min(sizes - raised) * scale * PRINTED["enlarged"]


@pytest.mark.mnist
@pytest.mark.parametrize("among", [1_000, pytest.param(60_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NAMES]
)
def test_a_claim_about_mnist_is_measured(
    name: str, among: int, tmp_path: Path, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first so many digits of either set."""
    monkeypatch.setenv("SCOREFIELD_DATA", str(mnist_dir))
    loaded: set[str] = set()
    load = pretrained._load
    monkeypatch.setattr(pretrained, "_load", lambda name, *rest: (loaded.add(name), load(name, *rest))[1])
    files = mnist.mnist
    monkeypatch.setattr(
        mnist, "mnist", lambda *, train: (x := files(train=train)).subset(torch.arange(min(among, len(x))))
    )
    for cached in (mnist.judge, mnist.digits, mnist.real_features):
        cached.cache_clear()
    claim = find(name)
    finding = claim.measure(claim.tiny)
    assert finding.verdict in Verdict
    assert loaded == set(claim.models)  # its result is kept as long as their weights
    assert finding.rows
    assert finding.measures
    assert TOLD.get(name, next(iter(finding.measures))) in finding.measures
    finding.draw(tmp_path / "figure.svg")
    assert smallest_letters(tmp_path / "figure.svg") > 6.9
