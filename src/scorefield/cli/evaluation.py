"""What ``scorefield evaluate`` measures, as JSON has it."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from scorefield._errors import ConfigError
from scorefield.cli.console import Progress
from scorefield.cli.evaluation_data import RealData
from scorefield.metrics import Estimate, ImageJudge, class_shares, evaluate, memorisation, soundness
from scorefield.metrics.estimate import mean

__all__ = ["measured"]

_CLASSES = 10
_SHARES = ("confidence", "sure", "as_asked", "precision", "recall", "coverage", "c2st")
_NOT_NEGATIVE = ("frechet_distance", "density", "sliced_wasserstein")


def measured(
    x: Tensor, data: RealData, judge: ImageJudge | None, classes: list[int] | None, seed: int
) -> dict[str, Any]:
    """Return all that is said of samples and of real data, except likelihoods."""
    seen, reference, real, train = data.on_scale(x), *(d.scaled() for d in (data.reference, data.real, data.train))
    measures: dict[str, Any] = {}
    with Progress(4 if judge is None else 8, "measuring") as progress:
        for name, ours, theirs in evaluate(seen, reference, real, judge=judge, seed=seed):
            measures[name] = {"samples": _row(ours, name), "real": _row(theirs, name)}
            progress.advance(last=name)
    found: dict[str, Any] = {"measures": measures}
    if judge is not None:
        guessed = judge.probabilities(seen).argmax(dim=1).cpu()
        found["classes"] = _classes(guessed, judge.probabilities(reference).argmax(dim=1).cpu(), data, classes)
        if classes is not None:
            hits = guessed == torch.tensor(classes)[torch.arange(len(guessed)) % len(classes)]
            measures["as_asked"] = {"samples": _row(mean(hits), "as_asked")}
    if data.held_out:
        found["memorisation"] = _memorisation(seen, train, reference)
    ends = {"low": 0.0, "high": 1.0} if data.in_bytes else {"low": train.min().item(), "high": train.max().item()}
    found["soundness"] = {"samples": asdict(soundness(x, **ends)), "real": asdict(soundness(reference, **ends))}
    return found


def _classes(ours: Tensor, theirs: Tensor, data: RealData, classes: list[int] | None) -> dict[str, Any]:
    """Return the shares of the classes as the judge reads them, against those of the training set, or those asked for."""
    labels = data.train.labels if classes is None else torch.tensor(classes)
    if labels is None:
        raise ConfigError(f"{data.train.name}: has no labels")
    expected = (torch.bincount(labels, minlength=_CLASSES) / len(labels)).tolist()
    samples, real = class_shares(ours, expected), class_shares(theirs, expected)
    return {"expected": expected, "samples": asdict(samples), "real": asdict(real)}


def _memorisation(x: Tensor, train: Tensor, test: Tensor) -> dict[str, Any]:
    """Return how near samples are to training data."""
    found = asdict(memorisation(x, train, test))
    return {name: _row(value) if isinstance(value, Estimate) else value for name, value in found.items()}


def _row(found: Estimate, name: str = "") -> dict[str, float]:
    """Return an estimate as JSON has it; its interval ends where what it estimates does."""
    low, high = found.interval
    if name in _SHARES or name in _NOT_NEGATIVE:
        low = max(low, 0.0)
    if name in _SHARES:
        high = min(high, 1.0)
    return {"value": found.value, "error": found.error, "low": low, "high": high}
