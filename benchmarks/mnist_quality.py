"""``python -m benchmarks.mnist_quality RUN``: how good are the digits a model draws, by an independent judge.

The judge is the shipped classifier of digits. Reported beside each other, for samples and for real test digits at the same n: its mean
confidence, the share it is sure of, the shares of the ten classes with a χ² test against the training set's, and simple statistics of
pixels; then distances between laws of its features, beside those of training digits. Needs MNIST (SCOREFIELD_DATA, or a download).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorefield import sample
from scorefield.data import Dataset, mnist, quantize
from scorefield.metrics import Estimate, Judge, class_shares, evaluate
from scorefield.models import ScoreModel
from scorefield.plotting import save_grid
from scorefield.pretrained import LoadedModel, guided, load_judge, load_model
from scorefield.training.run import environment

SURE = 0.9
TITLES = {
    "frechet_distance": "FID (MNIST features)",
    "kernel_distance": "KID (MNIST features)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}


def main() -> None:
    """Draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("-n", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("results/mnist"))
    args = parser.parse_args()
    train, test = mnist(), mnist(train=False)
    judge = load_judge()
    loaded = load_model(args.model, torch.device("cpu"))
    began = time.perf_counter()
    sampler, times = loaded.config.sampling.build(loaded.model.process)
    drawn = sample(guided(loaded), sampler, (args.n, *loaded.event), times=times, batch_size=250)
    seconds = time.perf_counter() - began
    accuracy = (judge.probabilities(test.scaled()).argmax(1) == test.labels).float().mean().item()
    shares = (torch.bincount(labels_of(train), minlength=10) / len(train)).tolist()
    real, seen = test.scaled(slice(0, args.n)), quantize(drawn.x).float() / 255
    measures = [
        m
        for m in evaluate(seen, real, train.scaled(slice(0, args.n)), judge=judge)
        if m.name not in ("confidence", "sure")
    ]
    metrics: dict[str, Any] = {
        "model": loaded.config.name,
        "comment": loaded.config.comment,
        "training": training_facts(loaded),
        "n": args.n,
        "sampler": loaded.config.sampling.model_dump(),
        "guide": loaded.config.guide.model_dump(),
        "evaluations_per_sample": drawn.evaluations,
        "seconds_per_64_samples": round(64 * seconds / args.n, 2),
        "judge_test_accuracy": round(accuracy, 4),
        "samples": measure(judge, drawn.x, shares),
        "real_test_digits": measure(judge, real, shares),
        "distances": {m.name: {"samples": m.samples._asdict(), "training_digits": m.real._asdict()} for m in measures},
        "environment": environment(torch.device("cpu")),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    save_grid(args.out / "grid.png", drawn.x[:100])
    (args.out / "README.md").write_text(render(metrics))


def labels_of(data: Dataset) -> Tensor:
    """Return the labels, which MNIST has."""
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels")
    return data.labels


def measure(judge: Judge, x: Tensor, shares: list[float]) -> dict[str, Any]:
    """Return what the judge says of images, and what their pixels say."""
    confidence, label = judge.probabilities(x).max(dim=1)
    classes = class_shares(label, shares)
    return {
        "mean_confidence": round(confidence.mean().item(), 4),
        "confidence_standard_error": round(confidence.std().item() / len(x) ** 0.5, 4),
        f"share_above_{SURE}": round((confidence > SURE).float().mean().item(), 4),
        "class_shares": [round(v, 4) for v in classes.shares],
        "class_shares_p_value": float(f"{classes.p_value:.3g}"),
        "finite": torch.isfinite(x).flatten(1).all(1).float().mean().item(),
        "pixel_mean": round(x.mean().item(), 4),
        "pixel_std": round(x.std().item(), 4),
    }


def training_facts(loaded: LoadedModel[ScoreModel]) -> dict[str, Any]:
    """Return how the model was trained; wall-clock minutes from its run folder, where there is one."""
    run = loaded.source.parent.parent
    facts: dict[str, Any] = {
        "steps": loaded.config.train.steps,
        "batch_size": loaded.config.train.batch_size,
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
    }
    start, end = run / "environment.json", run / "loss.png"
    if start.exists() and end.exists():
        facts["minutes"] = round((end.stat().st_mtime - start.stat().st_mtime) / 60, 1)
    return facts


def named(values: dict[str, Any]) -> str:
    """Return names and values as a sentence has them."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())


def render(metrics: dict[str, Any]) -> str:
    """Return the page of results."""
    ours, real = metrics["samples"], metrics["real_test_digits"]
    rows = "\n".join(f"| {name.replace('_', ' ')} | {ours[name]} | {real[name]} |" for name in ours)
    distances = "\n".join(
        f"| {TITLES[name]} | {Estimate(**row['samples'])} | {Estimate(**row['training_digits'])} |"
        for name, row in metrics["distances"].items()
    )
    cost = (
        f"{metrics['evaluations_per_sample']} network evaluations, {metrics['seconds_per_64_samples']} s for 64 digits"
    )
    accuracy = f"{100 * metrics['judge_test_accuracy']:.2f} %"
    return f"""# MNIST

![A hundred digits](grid.png)

Written by `python -m benchmarks.mnist_quality`; nothing was typed or chosen: the grid is the first hundred samples of seed 0.

- Training (`scorefield train --config configs/mnist.yaml`): {named(metrics["training"])}. {metrics["comment"]}
- Sampling: {named(metrics["sampler"])}; guided by its own weights of an early step: {named(metrics["guide"])}; {cost}.
- Judge: the shipped classifier, trained apart, {accuracy} accurate on the test set; n = {metrics["n"]}.

| | samples | real test digits |
|---|---|---|
{rows}

| against {metrics["n"]} test digits | samples | training digits |
|---|---|---|
{distances}
"""


if __name__ == "__main__":
    main()
