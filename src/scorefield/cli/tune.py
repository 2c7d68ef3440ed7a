"""``scorefield tune``: find by measurement the best way to draw from a trained model."""

import itertools
import json
import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, stage, warn
from scorefield.cli.files import make_folder, write_text
from scorefield.cli.options import Whole2, command, data_dir, device, judge, judge_of, model, report
from scorefield.errors import ConfigError

if TYPE_CHECKING:
    from scorefield.evaluation.tuning import Trial
    from scorefield.loaded import LoadedModel

_CHURNS = (0.0, 3.0, 10.0)
_SHARES = (1.0, 0.5, 0.0)  # of the run's own weight of autoguidance
_LEAST = 100
# As near as Heun's method in half of its evaluations: results/elsewhere.json.
_FITTED = {"kind": "dpmpp2m", "steps": 10, "grid": "fitted"}
_OPTIONS = {  # of what draws, and of what trains
    "kind": ("--sampler", "--sampling.sampler.kind"),
    "steps": ("--steps", "--sampling.grid.steps"),
    "grid": ("--options.grid", "--sampling.grid.kind"),
    "churn": ("--options.churn", "--sampling.sampler.churn"),
    "guide": ("--guide", "--guide.weight"),
}


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Draw from a model with more and less churn (noise added on the way) and guidance, and along a grid fitted to it; measure how far "
        "each is from held-out data, and say which is nearest, and whether it differs from the run's own by more than chance. Ways are "
        "chosen on one half of samples and data, and reported on the other. Writes tune.json."
    )
    model(parser)
    parser.option("-n --n N", "samples of each way, at least 100", Whole2, default=1000)
    judge(parser, "whose features are compared; mnist-judge for MNIST, raw vectors for other data")
    parser.option("--seed", "decides the noise, the same for every way", int, default=0)
    data_dir(parser, test=True)
    device(parser)
    parser.option("--out FOLDER", "folder to write; tune-NAME by default")
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Draw, measure, write, recommend; return the exit code."""
    from scorefield.cli.shared import once, shared
    from scorefield.config import refusals
    from scorefield.evaluation import real_data
    from scorefield.evaluation.tuning import Trial, best, halves, told_apart
    from scorefield.metrics import Estimate
    from scorefield.pretrained import load_judge, load_model
    from scorefield.training import OneProcess, environment, pick_device

    if args.n < _LEAST:
        raise ConfigError(f"-n {args.n}: their two halves are compared, which takes at least {_LEAST} samples")
    place = pick_device(args.device)
    loaded = load_model(args.model, place, warn=warn)
    loaded.require_score("its sampler's churn and guidance")
    ways = list(itertools.product(_samplings(loaded), _guides(loaded)))  # the run's own comes first
    with stage("reading data that it was not trained on"):
        data = real_data(loaded.config.data.at(args.data_dir, args.test), loaded.drawn, args.n, seed=args.seed)
    named = judge_of(args, loaded.config.data.kind)
    judging = None if named is None else load_judge(named, place, loaded.drawn)
    out = make_folder(Path(args.out or f"tune-{loaded.config.name}"))
    began, trials = time.perf_counter(), list[Trial]()

    def measured(options: dict[str, Any], guide: float | None) -> bytes:
        sampler, grid = loaded.sampling(options=options, source="tune").build(loaded.model.process)
        made = loaded.sample(args.n, seed=args.seed, sampler=sampler, grid=grid, guide=guide)
        return json.dumps((made.evaluations, *halves(made.x.cpu(), data, judging, seed=args.seed))).encode()

    judged = [] if judging is None else judging.classifier.state_dict().values()
    decides = {"n": args.n, "seed": args.seed, "device": str(place)}
    with shared(OneProcess(place), out / "tune.json", loaded, decides, data.reference.x, *judged) as each:
        with refusals("tune"), Progress(len(ways), f"drawing {args.n} samples {len(ways)} times") as progress:
            for k, way in enumerate(ways):
                spent, first, second = json.loads(once(each, f"way-{k}", partial(measured, *way)))
                trials.append(Trial(*way, spent, Estimate(*first), Estimate(*second)))
                progress.advance(last=f"{_options(trials[-1])}: {trials[-1].first}")
            real = halves(data.real.scaled(), data, judging, seed=args.seed)[1]
        own, chosen = trials[0], best(trials)
        told = chosen is not own and told_apart(chosen, own)
        found: dict[str, Any] = {
            "model": args.model,
            "n": args.n,
            "judge": named,
            "distance": "energy" if judging is None else "Fréchet, of the judge's features",
            "trials": [trial._asdict() for trial in trials],
            "real": real,
            "chosen": {"options": chosen.options, "guide": chosen.guide},
            "told_apart": told,
            "seconds": round(time.perf_counter() - began, 1),
            "environment": environment(place),
        }
        write_text(out / "tune.json", json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if args.json else f"{_table(found, trials, chosen)}\n\nWritten to {out}")
    return 0


def _samplings(loaded: "LoadedModel") -> list[dict[str, Any]]:
    """Return the ways from noise to data that are tried: the run's own first, Heun's method with churn, a grid fitted to the model."""
    own = loaded.config.sampling
    if own.sampler.kind == "heun":
        ways = [{"churn": churn} for churn in dict.fromkeys((own.sampler.churn, *_CHURNS))]
    else:
        ways = [{}, *({"kind": "heun", "churn": churn} for churn in _CHURNS)]
    return ways if (own.sampler.kind, own.grid.kind) == ("dpmpp2m", "fitted") else [*ways, _FITTED]


def _guides(loaded: "LoadedModel") -> list[float | None]:
    """Return the weights of the guide that are tried; None alone, for the run's own, where no guide is used."""
    weight = loaded.config.guide.weight
    return [weight * share for share in _SHARES] if loaded.weak is not None and weight > 0 else [None]


def _options(trial: "Trial", *, kept: bool = False) -> str:
    """Return the settings of a trial as options of a command: one that draws so, or one by which the run keeps them."""
    settings = trial.options | ({} if trial.guide is None else {"guide": trial.guide})
    said = {key: value if isinstance(value, str) else f"{value:g}" for key, value in settings.items()}
    return " ".join(f"{_OPTIONS[key][kept]} {value}" for key, value in said.items())


def _table(found: dict[str, Any], trials: "list[Trial]", chosen: "Trial") -> str:
    """Return the report as text, and what to do."""
    lines = [f"distance ({found['distance']}) of {found['n']} samples from held-out data, each half from its own half"]
    names = {id(trial): f"{_options(trial)}{' (own)' if trial is trials[0] else ''}".strip() for trial in trials}
    wide = max(36, *(len(name) + 2 for name in names.values()))
    lines.append(f"{'':{wide}}{'evaluations':>11}{'chosen by':>20}{'reported':>20}")
    lines += [
        f"{names[id(trial)]:{wide}}{trial.evaluations:11g}{trial.first!s:>20}{trial.second!s:>20}"
        for trial in sorted(trials, key=lambda trial: trial.first.value)
    ]
    lines.append(f"{'training data in place of samples':{wide}}{'':11}{'':>20}{found['real']!s:>20}")
    if found["told_apart"]:
        lines.append(f"\nNearest: scorefield sample {shlex.quote(found['model'])} {_options(chosen)}")
        run = Path(found["model"])
        if (run / "config.yaml").is_file():
            again = shlex.join(["--config", str(run / "config.yaml"), "--run", str(run), "--resume"])
            stored = _options(chosen, kept=True)
            lines.append(f"To make that its own way: scorefield train {again} {stored}")
    else:
        lines.append(
            "\nNo way can be told from the run's own by so many samples: leave it as it is, or give a larger -n."
        )
    return "\n".join(lines)
