"""Measures of samples, and of real data beside them, as JSON values: each number with its error and interval."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from scorefield.errors import ConfigError
from scorefield.evaluation.data import RealData
from scorefield.metrics import (
    Estimate,
    ImageJudge,
    class_shares,
    classifier_two_sample,
    evaluate,
    image_views,
    memorisation,
    soundness,
    stroke_tails,
)
from scorefield.metrics.estimate import mean

_SHARES = ("confidence", "sure", "as_asked", "precision", "recall", "coverage", "c2st", "beyond")
_SHOWN = 10  # samples that classifiers recognise most and least surely
_NOT_NEGATIVE = ("frechet_distance", "density", "sliced_wasserstein")


def evaluate_samples(
    x: Tensor,
    data: RealData,
    *,
    judge: ImageJudge | None = None,
    classes: Sequence[int] | None = None,
    ends: tuple[float, float] | None = None,
    seed: int = 0,
    on_measure: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Return all measures of samples and of real data, except likelihoods.

    ``measures`` (`scorefield.metrics.evaluate`), shares of the ``classes`` and ``as_asked`` where there is a judge, ``memorisation`` where
    data were held out, and ``soundness``; of images whether a network tells samples from data, ``classifier_two_sample``, in three views
    (`scorefield.metrics.image_views`), beside training data in place of samples, and where there is a judge the tails of their
    ``strokes`` (`scorefield.metrics.stroke_tails`).

    Args:
        x: samples.
        data: real ones (`real_data`).
        judge: reads features and classes of images; without one samples are compared as vectors.
        classes: those that the samples were drawn for, in turn; all of the data's when absent.
        ends: the smallest and the largest value of images that are not bytes; those of the training data when absent.
        seed: of the halves behind the errors.
        on_measure: called with the name of every measure when it is done.
    """
    seen, reference, real, train = data.on_scale(x), *(d.scaled() for d in (data.reference, data.real, data.train))
    measures: dict[str, Any] = {}
    vectors = (seen, reference, real) if judge is not None else map(data.compared, (seen, reference, real))
    for name, ours, theirs in evaluate(*vectors, judge=judge, seed=seed):
        measures[name] = {"samples": row(ours, name), "real": row(theirs, name)}
        if on_measure is not None:
            on_measure(name)
    found: dict[str, Any] = {"n": len(x), **data.sizes, "measures": measures}
    if judge is not None:
        guessed, theirs = (judge.probabilities(images).cpu() for images in (seen, reference))
        found["classes"] = _classes(guessed, theirs, data, classes)
        if classes is not None:
            hits = guessed.argmax(dim=1) == torch.tensor(classes)[torch.arange(len(guessed)) % len(classes)]
            measures["as_asked"] = {"samples": row(mean(hits), "as_asked")}
        if reference.ndim == 4 and reference.shape[1] == 1:
            found["strokes"] = _strokes(guessed.argmax(dim=1), theirs.argmax(dim=1), seen, reference)
    if reference.ndim == 4:
        between = (0.0, 1.0) if data.in_bytes else _ends(data, ends) or (0.0, 1.0)
        found["classifier_two_sample"] = _classified(seen, reference, real, between, seed)
        if on_measure is not None:
            on_measure("classifier_two_sample")
    if data.held_out:
        found["memorisation"] = _memorisation(*map(data.compared, (seen, train, reference)))
    ends = _ends(data, ends)
    found["soundness"] = {
        name: asdict(soundness(rows, ends=ends)) for name, rows in (("samples", x), ("real", reference))
    }
    return found


def _ends(data: RealData, known: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return between which values images lie, half a level beyond black and white for bytes, to which they are rounded; None of others."""
    if len(data.train.event) != 3:
        return None
    if data.in_bytes:
        return -0.5 / 255, 1 + 0.5 / 255
    return known or (data.train.x.min().item(), data.train.x.max().item())


def _classes(ours: Tensor, theirs: Tensor, data: RealData, classes: Sequence[int] | None) -> dict[str, Any]:
    """Return the shares of the classes as the judge reads them, against those of the training set, or those asked for."""
    labels = data.train.labels if classes is None else torch.tensor(classes)
    if labels is None:
        raise ConfigError(f"{data.train.name}: has no labels, so the classes that a judge reads cannot be compared")
    expected = (torch.bincount(labels, minlength=ours.shape[1]) / len(labels)).tolist()
    samples, real = (class_shares(read.argmax(dim=1), expected) for read in (ours, theirs))
    return {"expected": expected, "samples": asdict(samples), "real": asdict(real)}


def _classified(
    x: Tensor, reference: Tensor, real: Tensor, ends: tuple[float, float], seed: int
) -> dict[str, dict[str, Any]]:
    """Return the accuracies of classifiers that tell samples, and training data, from the reference; which samples they know best."""
    views = [image_views(images, ends) for images in (x, reference, real)]
    found: dict[str, dict[str, Any]] = {}
    for name, theirs in views[1].items():
        ours, floor = (classifier_two_sample(view[name], theirs, seed=seed) for view in (views[0], views[2]))
        order = ours.drawn.argsort(descending=True, stable=True).tolist()
        found[name] = {
            "samples": row(ours.accuracy, "c2st"),
            "real": row(floor.accuracy, "c2st"),
            "recognised": order[:_SHOWN],
            "passed": order[::-1][:_SHOWN],
        }
    return found


def _strokes(ours: Tensor, theirs: Tensor, x: Tensor, reference: Tensor) -> dict[str, dict[str, Any]]:
    """Return the tails of strokes, class by class as a judge reads them."""
    found = stroke_tails(x, ours, reference, theirs)
    return {
        name: {"beyond": row(tails.beyond, "beyond"), "p_values": tails.p_values, "rejected": tails.rejected}
        for name, tails in found.items()
    }


def _memorisation(x: Tensor, train: Tensor, test: Tensor) -> dict[str, Any]:
    """Return how near samples are to training data."""
    found = asdict(memorisation(x, train, test))
    return {name: row(value) if isinstance(value, Estimate) else value for name, value in found.items()}


def row(found: Estimate, name: str = "") -> dict[str, float]:
    """Return an estimate as JSON values; its interval is cut where the quantity itself is bounded."""
    low, high = found.interval
    if name in _SHARES or name in _NOT_NEGATIVE:
        low = max(low, 0.0)
    if name in _SHARES:
        high = min(high, 1.0)
    return {"value": found.value, "error": found.error, "low": low, "high": high}
