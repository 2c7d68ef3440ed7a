"""``scorefield evaluate`` of a classifier: how well it reads noisy data, and knows how well, noise level by noise level."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from scorefield._checks import title
from scorefield.classifier import Classifier
from scorefield.cli.console import stage
from scorefield.cli.files import report_folder, write_text, written
from scorefield.cli.options import DRAWN, refuse
from scorefield.evaluation import calibration_page, labelled_examples, render_calibration
from scorefield.loaded import LoadedModel
from scorefield.metrics import calibration
from scorefield.plotting import calibration_curve
from scorefield.training import environment, pick_device


def calibrate(args: Namespace, loaded: LoadedModel[Classifier]) -> int:
    """Measure on test examples, write README.md, calibration.json and calibration.png, print the table; return the exit code."""
    drawn = (*DRAWN, "class", "from_samples", "likelihood", "judge")
    refuse(args, drawn, f"{title(loaded.source)} is a classifier, which draws nothing")
    data = labelled_examples(loaded.config.data.at(args.data_dir, args.test), loaded.event, args.n, seed=args.seed)
    out = report_folder(Path(args.out or f"evaluation-{loaded.config.name}"))
    began = time.perf_counter()
    assert data.labels is not None  # noqa: S101 for the type checker: they are labelled
    with stage(f"measuring {len(data)} test examples"):
        rows = calibration(loaded.model, data.scaled(), data.labels, seed=args.seed)
    report: dict[str, Any] = {
        "model": args.model,
        "data": f"{len(data)} test examples of {data.name}",
        "levels": [asdict(row) for row in rows],
        "seconds": round(time.perf_counter() - began, 1),
        "environment": environment(pick_device(args.device)),
    }
    write_text(out / "calibration.json", json.dumps(report, indent=2) + "\n")
    with written(out / "calibration.png") as place:
        calibration_curve(place, rows)
    write_text(out / "README.md", calibration_page(report, loaded.config.name))
    print(json.dumps(report) if args.json else f"{render_calibration(report)}\n\nWritten to {out}")
    return 0
