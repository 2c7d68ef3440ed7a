"""``python -m benchmarks.minutes --minutes 5``: which network and recipe draws the best digits after so many minutes of training.

Every variant of configs/mnist.yaml is given the same wall-clock time, measured on this machine: a few steps tell its speed, and the
learning rate decays to zero over as many steps as fit; the figure has the time they took. Then its samples, all drawn and guided in one
way (`DRAWN`, the recipe's when the study began), are compared with test digits; the floor is what training digits get at the same n.
Results are kept in results/minutes/results.json, one entry per variant and budget, so that a study of hours can be made in parts; the
figure and benchmarks/README.md show all there are. Wants idle cores and MNIST (SCOREFIELD_DATA, or a download).
"""

import argparse
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks import page
from benchmarks.training import CONFIG
from scorefield import sample
from scorefield.config import RunConfig, merge, read_yaml, validate
from scorefield.data import Batches, Dataset, mnist
from scorefield.loaded import LoadedModel, lowered
from scorefield.metrics import evaluate
from scorefield.models import ScoreModel
from scorefield.networks import UNet
from scorefield.networks.blocks import channel_norm, zeroed
from scorefield.networks.precision import uses_bf16
from scorefield.preconditioning import Networked
from scorefield.pretrained import load_judge
from scorefield.training import OneProcess, TrainState, environment, load_weights, pick_device, train
from scorefield_claims.mnist import examples


class Attention(nn.Module):
    """x plus what its pixels tell each other: self-attention in four heads, nothing when new."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = zeroed(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return x and the correction; the condition is the residual blocks' affair."""
        q, k, v = self.qkv(channel_norm(x)).flatten(2).unflatten(1, (3, 4, -1)).transpose(-1, -2).unbind(1)
        return x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(x.shape))


def attend(net: UNet) -> None:
    """Let the pixels of the coarsest grid see each other."""
    blocks = net.middle.blocks
    blocks.insert(1, Attention(next(blocks[0].parameters()).shape[0] // 2))  # what modulates has two rows per channel


def shifted(data: Dataset) -> Dataset:
    """Return the data, and the same moved by a pixel each way; one digit in 74 reaches the edge and loses a row or column there."""
    wide = F.pad(data.x, (1, 1, 1, 1))
    corners = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    height, width = data.x.shape[2:]
    return Dataset(torch.cat([wide[..., i : i + height, j : j + width] for i, j in corners]), None, data.name)


@dataclass(frozen=True)
class Variant:
    """What is changed: values of the recipe, the network that was built, the data."""

    changes: dict[str, Any] = field(default_factory=dict)
    alter: Callable[[UNet], None] = lambda net: None
    augment: Callable[[Dataset], Dataset] = lambda data: data


VARIANTS: dict[str, Variant] = {
    "recipe": Variant(),
    "Adam": Variant({"train": {"optimizer": "adam"}}),
    "blocks at 28×28": Variant({"network": {"finest": 1}}),
    "blocks at 28×28, depth 2": Variant({"network": {"finest": 1, "depth": 2}}),
    "blocks at 28×28, batch 32": Variant({"network": {"finest": 1}, "train": {"batch_size": 32}}),
    "depth 2": Variant({"network": {"depth": 2}}),
    "depth 6": Variant({"network": {"depth": 6}}),
    "width 48": Variant({"network": {"width": 48}}),
    "width 64": Variant({"network": {"width": 64}}),
    "width 64, learning rate 4e-3": Variant({"network": {"width": 64}, "train": {"learning_rate": 4e-3}}),
    "width 96": Variant({"network": {"width": 96}}),
    "width 96, ln σ around 0": Variant({"network": {"width": 96}, "objective": {"mean": 0.0}}),
    "width 160": Variant({"network": {"width": 160}}),
    "attention": Variant(alter=attend),
    "ln σ around −1.2": Variant({"objective": {"mean": -1.2}}),
    "ln σ around 0": Variant({"objective": {"mean": 0.0}}),
    "min-SNR weight": Variant({"objective": {"weight": "min_snr"}}),
    "learning rate 1e-3": Variant({"train": {"learning_rate": 1e-3}}),
    "learning rate 4e-3": Variant({"train": {"learning_rate": 4e-3}}),
    "batch 32": Variant({"train": {"batch_size": 32}}),
    "batch 128": Variant({"train": {"batch_size": 128}}),
    "average 0.9995": Variant({"train": {"ema_decay": 0.9995}}),
    "moved by a pixel": Variant(augment=shifted),
    "compiled": Variant({"train": {"compile": True}}),
    "fp32": Variant({"train": {"precision": "fp32"}}),
}
SHOWN = ("frechet_distance", "confidence", "sure", "coverage")
DRAWN = {"sampling": {"grid": {"steps": 15}}, "guide": {"weight": 1.4, "interval": [0.15, 3.0]}}
_QUALITY = "FID (MNIST features) over its floor"
_MARKS: dict[str, Any] = {"marker": "o", "markersize": 5, "capsize": 3, "linewidth": 1.4}
PILOT, GUIDED = 100, 0.05  # steps that tell the speed; share of the steps after which the guide is kept


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), help=", ".join(VARIANTS))
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("-n", type=int, default=2000, help="samples")
    parser.add_argument("--out", type=Path, default=page.MINUTES)
    args = parser.parse_args(argv)
    for name in args.variants:
        entry = {"variant": name, "minutes": args.minutes, "n": args.n, **study(VARIANTS[name], args.minutes, args.n)}
        results = page.keep(args.out / "results.json", "variant", entry)
        print(page.table(results, "variant"), flush=True)
        draw(args.out / "figure.png", results)
    if args.out == page.MINUTES:
        page.write()


def study(variant: Variant, minutes: float, n: int) -> dict[str, Any]:
    """Return what a variant reaches in that time."""
    data = variant.augment(mnist())
    config = validate(RunConfig, merge(merge(read_yaml(CONFIG), DRAWN), variant.changes), "variant").resolve(data)
    began = time.perf_counter()
    run(config, variant, data, PILOT)  # with the compiler's work, which it is right to charge
    began, pilot = time.perf_counter(), time.perf_counter() - began
    run(config, variant, data, PILOT)
    rate = PILOT / (time.perf_counter() - began)
    steps = max(PILOT, round(rate * (60 * minutes - (pilot - PILOT / rate))))
    times = {"train": {"steps": steps}, "guide": {"step": max(1, round(GUIDED * steps))}}
    config = validate(RunConfig, merge(config.model_dump(mode="json"), times), "")
    began = time.perf_counter()
    state = run(config, variant, data, steps)
    seconds = time.perf_counter() - began
    return {
        "steps": steps,
        "seconds": round(seconds, 1),
        "changes": variant.changes,
        **measure(config, state, n),
        "environment": environment(pick_device(config.train.device)),
    }


def run(config: RunConfig, variant: Variant, data: Dataset, steps: int) -> TrainState:
    """Return the state after so many steps of a fresh run."""
    parallel = OneProcess(pick_device(config.train.device))
    settings = config.train.build(config.seed, config.guide.step)
    model = config.build_model(data.event)
    if not isinstance(model, Networked) or not isinstance(model.net, UNet):
        raise TypeError(f"{CONFIG} trains a {type(model).__name__}, where a U-Net's denoiser is studied")
    variant.alter(model.net)
    state = TrainState.create(model, settings, parallel)
    place = {"device": parallel.device, "generator": settings.stream(parallel.device)}
    batches = Batches(data, config.train.batch_size, config.seed, **place)
    records = train(state, batches, config.build_objective(), settings, parallel)
    for _ in islice(records, steps):
        pass
    return state


def measure(config: RunConfig, state: TrainState, n: int) -> dict[str, Any]:
    """Return the quality of samples drawn as the configuration says, and what they cost."""
    model = state.ema
    if not isinstance(model, ScoreModel):
        raise TypeError(f"a {type(model).__name__} was trained, where a score model draws digits")
    weak = deepcopy(model)
    load_weights(weak, state.guide or {})
    loaded = LoadedModel(model, config, (1, 28, 28), CONFIG, weak)
    if uses_bf16(config.train.precision, next(model.parameters()).device):
        loaded = lowered(loaded)
    sampler, times = config.sampling.build(model.process)
    began = time.perf_counter()
    drawn = sample(loaded.steered(), sampler, (n, 1, 28, 28), grid=times, batch_size=250)
    seconds = round(time.perf_counter() - began, 1)
    cost = {"parameters": loaded.parameters, "evaluations": drawn.evaluations, "sampling_seconds": seconds}
    return {**quality(drawn.x.cpu(), n), **cost}


def quality(x: Tensor, n: int) -> dict[str, Any]:
    """Return the quality of n digits in [0, 1], beside that of n training digits."""
    # Drawn at random: the first half of the test set is known to be the easier one.
    real, floor = (examples(mnist(train=train), n, seed=0).scaled() for train in (False, True))
    found = {m.name: m for m in evaluate(x, real, floor, judge=load_judge())}
    rows: dict[str, Any] = {
        name: {"samples": found[name].samples.value, "error": found[name].samples.error, "real": found[name].real.value}
        for name in SHOWN
    }
    distance = rows["frechet_distance"]
    distance["times_floor"] = distance["samples"] / distance["real"]
    return rows


def draw(path: Path, results: list[dict[str, Any]]) -> None:
    """Write quality with its 95 % interval: of every variant after the shortest training, and of those trained longer against minutes."""
    least = min(e["minutes"] for e in results)
    first = sorted((e for e in results if e["minutes"] == least), key=_quality)
    longer = list(dict.fromkeys(e["variant"] for e in results if e["minutes"] > least))
    figure = Figure(figsize=(5.2 * (1 + bool(longer)), 1.6 + 0.24 * len(first)), layout="constrained")
    panels = figure.subplots(1, 1 + bool(longer), squeeze=False)[0]
    _compare(panels[0], first)
    panels[0].set_title(f"all after about {least:g} minutes")
    if longer:
        _follow(panels[1], {name: [e for e in results if e["variant"] == name] for name in longer})
        panels[1].set_title("some for longer")
    figure.savefig(path, dpi=150)


def _compare(axes: Axes, entries: list[dict[str, Any]]) -> None:
    """Draw a row per entry, the first on top."""
    values, errors = zip(*map(_quality, entries), strict=True)
    axes.errorbar(values, range(len(entries)), xerr=errors, linestyle="", **_MARKS)
    axes.set_yticks(range(len(entries)), [f"{e['variant']}, {e['seconds']:.0f} s" for e in entries])
    axes.invert_yaxis()
    axes.axvline(1.0, color="black", linestyle=":")
    axes.set(xlabel=_QUALITY, xlim=(0, None))


def _follow(axes: Axes, variants: dict[str, list[dict[str, Any]]]) -> None:
    """Draw a line per variant against minutes."""
    for name, found in variants.items():
        entries = sorted(found, key=lambda e: e["seconds"])
        values, errors = zip(*map(_quality, entries), strict=True)
        axes.errorbar([e["seconds"] / 60 for e in entries], values, yerr=errors, label=name, **_MARKS)
    axes.axhline(1.0, color="black", linestyle=":", label="training digits")
    axes.set(xlabel="minutes of training", ylabel=_QUALITY, xscale="log", yscale="log", xlim=(4, 60))
    axes.set_xticks([5, 15, 25, 45], ["5", "15", "25", "45"])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False)


def _quality(entry: dict[str, Any]) -> tuple[float, float]:
    """Return how many times its floor the distance is, and half the 95 % interval."""
    distance = entry["frechet_distance"]
    return distance["times_floor"], 1.96 * distance["error"] / distance["real"]


if __name__ == "__main__":
    main()
