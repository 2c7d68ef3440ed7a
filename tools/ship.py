"""Put a trained run into the package, and write the cards of all models there.

    python tools/ship.py RUN mnist configs/mnist.yaml    # src/scorefield/weights/mnist, drawn from as that recipe says
    python tools/ship.py RUN digits                      # the same, drawn from as the run was trained
    python tools/ship.py                                 # the cards only

A card shows what `scorefield evaluate` found: results/NAME/evaluation.json, or calibration.json of a classifier.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scorefield.config import RunConfig, merge, read_yaml, validate
from scorefield.evaluation import render, render_calibration
from scorefield.hub import model_card
from scorefield.pretrained import load_trained, shipped_models
from scorefield.runs.folder import RunFolder
from scorefield.training import checkpoint
from scorefield.training.export import export

HOUSE = Path(__file__).parents[1]
WEIGHTS, RESULTS = HOUSE / "src" / "scorefield" / "weights", HOUSE / "results"
DRAWING = ("sampling", "guide")  # parts of a recipe that say how to draw: they may have been found after the training


def main(argv: Sequence[str] | None = None) -> None:
    """Ship, then write cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="run folder")
    parser.add_argument("name", nargs="?", help="of the model")
    parser.add_argument("recipe", type=Path, nargs="?", help="says how to draw")
    args = parser.parse_args(argv)
    if args.run is not None:
        if args.name is None:
            parser.error(f"{args.run}: under which name?")
        print(ship(args.run, args.name, {} if args.recipe is None else read_yaml(args.recipe)))
    for name in shipped_models():
        (WEIGHTS / name / "README.md").write_text(card(name), encoding="utf-8")


def ship(run: Path, name: str, recipe: dict[str, object]) -> Path:
    """Return the folder that holds the run's averaged weights under that name."""
    found = checkpoint.latest(RunFolder(run).checkpoints, print)
    if found is None:
        raise SystemExit(f"{run}: has no checkpoint")
    values = merge(found.state["config"], {"name": name} | {part: recipe[part] for part in DRAWING if part in recipe})
    values["data"]["dir"] = None  # a path of the machine that trained
    config = validate(RunConfig, values, str(run)).model_dump(mode="json")
    folder = WEIGHTS / name
    shutil.rmtree(folder, ignore_errors=True)
    export(replace(found, state=found.state | {"config": config}), folder)
    return folder


def card(name: str) -> str:
    """Return the card of a shipped model."""
    loaded = load_trained(name)
    return model_card(
        loaded.config,
        loaded.event,
        parameters=loaded.parameters,
        step=loaded.step,
        seconds=loaded.seconds,
        evaluation=measured(RESULTS / name),
        license_id="mit",
        name=name,
    )


def measured(folder: Path) -> str:
    """Return what scorefield evaluate found, in Markdown."""
    for file, text in (("evaluation.json", render), ("calibration.json", render_calibration)):
        if (folder / file).exists():
            return f"```text\n{text(json.loads((folder / file).read_text()))}\n```"
    return ""


if __name__ == "__main__":
    main()
