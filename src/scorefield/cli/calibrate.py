"""``scorefield evaluate`` of a classifier: how well it reads noisy data, and knows how well, noise level by noise level."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.classifier import Classifier
from scorefield.cli.evaluation_table import calibration_page, render_calibration
from scorefield.cli.files import make_folder
from scorefield.data import Dataset
from scorefield.metrics import calibration
from scorefield.models import NoisyModel
from scorefield.plotting import calibration_curve
from scorefield.pretrained import LoadedModel
from scorefield.training import environment, pick_device

__all__ = ["calibrate"]

_DRAWN = ("sampler", "steps", "options", "seeds", "weight", "guide", "class", "from_samples", "likelihood")


def calibrate(args: Namespace, loaded: LoadedModel[NoisyModel], classifier: Classifier) -> int:
    """Measure on test examples, write README.md, calibration.json and calibration.png, print the table; return the exit code."""
    idle = [f"--{name.replace('_', '-')}" for name in _DRAWN if args[name]]
    if idle:
        raise ConfigError(f"{loaded.source} is a classifier, which draws nothing: leave out {', '.join(idle)}")
    data = _examples(args, loaded)
    out = make_folder(Path(args.out or f"evaluation-{loaded.config.name}"))
    began = time.perf_counter()
    assert data.labels is not None  # noqa: S101 _examples has refused data without
    rows = calibration(classifier, data.scaled(), data.labels, seed=args.seed)
    report: dict[str, Any] = {
        "model": args.model,
        "data": f"{len(data)} test examples of {data.name}",
        "levels": [asdict(row) for row in rows],
        "seconds": round(time.perf_counter() - began, 1),
        "environment": environment(pick_device(args.device)),
    }
    (out / "calibration.json").write_text(json.dumps(report, indent=2) + "\n")
    calibration_curve(out / "calibration.png", rows)
    (out / "README.md").write_text(calibration_page(report, loaded.config.name))
    print(json.dumps(report) if args.json else f"{render_calibration(report)}\n\nWritten to {out}")
    return 0


def _examples(args: Namespace, loaded: LoadedModel[NoisyModel]) -> Dataset:
    """Return at most n random test examples with their labels.

    Raises:
        ConfigError: data without labels, or of another shape.
    """
    config = loaded.config.data
    data = (config if args.data_dir is None else config.model_copy(update={"dir": args.data_dir})).load(train=False)
    if data.labels is None or data.event != loaded.event:
        raise ConfigError(
            f"{data.name}: needs labels and examples of shape {loaded.event} to measure {loaded.source} on; it has "
            f"{'labels' if data.labels is not None else 'none'} and {data.event}"
        )
    if args.n < 2:
        raise ConfigError(f"-n must be at least 2 to say anything with an error; received {args.n}")
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(args.seed))[: args.n]
    return data.subset(chosen)
