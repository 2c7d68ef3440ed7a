"""The claims about MNIST run whole with a handful of samples; whether they hold is for larger budgets to say."""

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from scorefield import pretrained
from scorefield_claims import mnist
from scorefield_claims.base import Claim, Verdict
from scorefield_claims.drawing import PRINTED

TINY: dict[str, dict[str, Any]] = {
    "mnist_samplers": {"n": 10, "deterministic": (5,), "stochastic": (5,), "tolerances": (0.3,), "reference": 100},
    "mnist_predictor_corrector": {"n": 10, "trial": 10, "evaluations": (4,), "snrs": (0.16,), "reference": 100},
    "mnist_classes": {"n": 20, "weights": (1.0,), "scales": (1.0,), "steps": 3},
    "mnist_inpainting": {"n": 2, "ones": 2, "masks": ("left",), "steps": 3, "ancestral_steps": 3, "resample": 2},
    "mnist_memory": {"n": 15},
    "mnist_mixing": {"n": 8, "steps": 20, "training": 2, "width": 16},
    "mnist_ladders": {"n": 8, "evaluations": 50, "reference": 100, "training": 2, "width": 16},
    "mnist_unbalanced": {"steps": 2, "n": 20, "width": 16},
}

TOLD = {
    "mnist_mixing": "χ² p-value of the digits, autoencoder, σ = 0.1",
    "mnist_ladders": "precision, L = 10, own network",
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
@pytest.mark.parametrize("name", TINY)
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
    claim: Claim[Any] = import_module(f"scorefield_claims.claims.{name}").CLAIM
    finding = claim.measure(replace(claim.small, **TINY[name]))
    assert finding.verdict in Verdict
    assert loaded == set(claim.models)  # its result is kept as long as their weights
    assert finding.rows
    assert finding.measures
    assert TOLD.get(name, next(iter(finding.measures))) in finding.measures
    finding.draw(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    finding.draw(tmp_path / "figure.svg")
    assert smallest_letters(tmp_path / "figure.svg") > 6.9
