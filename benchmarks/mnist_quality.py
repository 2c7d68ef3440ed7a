"""``python -m benchmarks.mnist_quality RUN``: how good are the digits a model draws, by an independent judge.

The judge is a small convolutional classifier, trained here on the training set and tested on the test set. Reported beside each other, for
samples and for real test digits at the same n: its mean confidence, the share it is sure of, the shares of the ten classes with a χ² test
against the training set's, and simple statistics of pixels. Needs MNIST (SCOREFIELD_DATA, or a download).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from scorefield import sample
from scorefield.data import Batches, Dataset, mnist
from scorefield.plotting import save_grid
from scorefield.pretrained import LoadedModel, load_model
from scorefield.training.run import environment

SURE = 0.9


def main() -> None:
    """Train the judge, draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("-n", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("results/mnist"))
    args = parser.parse_args()
    train, test = mnist(), mnist(train=False)
    judge = train_judge(train)
    loaded = load_model(args.model, torch.device("cpu"))
    began = time.perf_counter()
    sampler, times = loaded.config.sampling.build(loaded.model.process)
    drawn = sample(loaded.model, sampler, (args.n, *loaded.event), times=times, batch_size=250)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        accuracy = (judge_logits(judge, test.scaled()).argmax(1) == test.labels).float().mean().item()
    shares = torch.bincount(labels_of(train), minlength=10).double() / len(train)
    metrics: dict[str, Any] = {
        "model": loaded.config.name,
        "training": training_facts(loaded),
        "n": args.n,
        "sampler": loaded.config.sampling.model_dump(),
        "evaluations_per_sample": drawn.evaluations,
        "seconds_per_64_samples": round(64 * seconds / args.n, 2),
        "judge_test_accuracy": round(accuracy, 4),
        "samples": measure(judge, drawn.x, shares),
        "real_test_digits": measure(judge, test.scaled(slice(0, args.n)), shares),
        "environment": environment(torch.device("cpu")),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    save_grid(args.out / "grid.png", drawn.x[:100])
    (args.out / "README.md").write_text(render(metrics))


class Judge(nn.Sequential):
    """A classifier of 28×28 digits that shares nothing with the models it judges."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
            *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 10)),
        )


def labels_of(data: Dataset) -> Tensor:
    """Return the labels, which MNIST has."""
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels")
    return data.labels


def train_judge(data: Dataset, epochs: int = 4, batch: int = 128) -> Judge:
    """Return a classifier trained for a few epochs on dequantised digits."""
    torch.manual_seed(0)
    judge, batches, steps = Judge(), Batches(data, batch, seed=0), epochs * len(data) // batch
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for k in range(steps):
        x, labels = batches.batch(k)
        optimizer.zero_grad()
        F.cross_entropy(judge(x), labels).backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


def judge_logits(judge: Judge, x: Tensor) -> Tensor:
    """Return the judge's logits, in chunks."""
    return torch.cat([judge(part) for part in x.clamp(0, 1).split(1000)])


@torch.no_grad()
def measure(judge: Judge, x: Tensor, shares: Tensor) -> dict[str, Any]:
    """Return what the judge says of images, and what their pixels say."""
    confidence, label = torch.softmax(judge_logits(judge, x), dim=1).max(dim=1)
    counts = torch.bincount(label, minlength=10)
    chi = stats.chisquare(counts.numpy(), (shares * len(x)).numpy())
    return {
        "mean_confidence": round(confidence.mean().item(), 4),
        "confidence_standard_error": round(confidence.std().item() / len(x) ** 0.5, 4),
        f"share_above_{SURE}": round((confidence > SURE).float().mean().item(), 4),
        "class_shares": [round(v, 4) for v in (counts / len(x)).tolist()],
        "class_shares_p_value": float(f"{chi.pvalue:.3g}"),
        "finite": torch.isfinite(x).flatten(1).all(1).float().mean().item(),
        "pixel_mean": round(x.mean().item(), 4),
        "pixel_std": round(x.std().item(), 4),
    }


def training_facts(loaded: LoadedModel) -> dict[str, Any]:
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
    cost = (
        f"{metrics['evaluations_per_sample']} network evaluations, {metrics['seconds_per_64_samples']} s for 64 digits"
    )
    accuracy = f"{100 * metrics['judge_test_accuracy']:.2f} %"
    return f"""# MNIST

![A hundred digits](grid.png)

Written by `python -m benchmarks.mnist_quality`; nothing was typed or chosen: the grid is the first hundred samples of seed 0.

- Training (`scorefield train --config configs/mnist.yaml`): {named(metrics["training"])}.
- Sampling: {named(metrics["sampler"])}; {cost}.
- Judge: a convolutional classifier trained apart, {accuracy} accurate on the test set; n = {metrics["n"]}.

| | samples | real test digits |
|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
