"""``scorefield evaluate``: measure how good samples are, with real data beside them."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, stage, warn
from scorefield.cli.files import is_picture, report_folder, write_text, written
from scorefield.cli.options import DRAWN, Whole0, command, data_dir, judge, judge_of, refuse, sampling
from scorefield.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from scorefield.data import Dataset
    from scorefield.evaluation import RealData
    from scorefield.loaded import LoadedModel
    from scorefield.models import ScoreModel
    from scorefield.training import Parallel

_SHOWN = 100
_BEYOND = 0.1  # share of values that a model does not draw where no data lie
_LEAST = 20  # samples: halves of them have the neighbours that balls need


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Draw samples and measure them; beside every number stand its standard error and the number for real data. Digits of MNIST are "
        "read by a classifier: FID and KID of its features, precision, recall, density, coverage, its confidence, the shares of the "
        "classes; other data are compared as vectors. Small networks are trained to tell samples from data. Writes "
        "evaluation.json, grid.png, the samples and, in recognised.png, the samples that those networks recognised most and least easily."
    )
    sampling(parser, n=10_000)
    parser.option(
        "--from-samples FILE",
        "measure the samples of a .npz or .csv file, such as the command sample writes",
        rival=True,
    )
    judge(parser, "that reads the classes of samples; mnist-judge for MNIST, none for other data")
    parser.option(
        "--likelihood N",
        "also compute bits per dimension of N held-out images; none by default",
        Whole0,
        default=0,
    )
    data_dir(parser, test=True)
    parser.option("--out FOLDER", "folder to write; evaluation-NAME by default")
    return parser


def run(args: Namespace) -> int:
    """Draw, measure, write; return the exit code."""
    from scorefield.classifier import Classifier
    from scorefield.cli.calibrate import calibrate
    from scorefield.cli.drawing import count, parse_seeds
    from scorefield.cli.likelihood import held_out
    from scorefield.config import refusals
    from scorefield.evaluation import LEAST, evaluate_samples, real_data, render
    from scorefield.pretrained import load_judge, load_trained
    from scorefield.training import environment, processes

    parallel = processes(args.device)
    device = parallel.device
    trained = load_trained(args.model, device, warn=warn)
    if isinstance(trained.model, Classifier):
        return calibrate(args, cast("LoadedModel[Classifier]", trained)) if parallel.rank == 0 else 0
    loaded = cast("LoadedModel[ScoreModel]", trained)
    if args.likelihood:
        loaded.require_score("its likelihood")
    classes = None if args["class"] is None else parse_seeds(args["class"], "--class")
    given = None if args.from_samples is None else _read(args, loaded)
    n = count(args)[0] if given is None else len(given)
    if n < _LEAST:
        raise ConfigError(f"at least {_LEAST} samples are needed to say anything of them; received {n}")
    with stage("reading data that it was not trained on"):
        config = loaded.config.data.at(args.data_dir, args.test)
        data = real_data(config, loaded.drawn, n, classes=classes, seed=args.seed, least=LEAST)
    _check_likelihood(args, data)
    named = judge_of(args, loaded.config.data.kind)
    judging = None if named is None else load_judge(named, device, loaded.drawn)
    out = report_folder(Path(args.out or f"evaluation-{loaded.config.name}"))
    with ExitStack() as kept:
        if given is None:
            x, report = _drawn(args, loaded, out, parallel, kept)
        else:
            x, report = _valued(args, given, data), _was_drawn(args)
        began = time.perf_counter()
        likelihood = {}
        if args.likelihood:
            with refusals("evaluate"):
                found = held_out(loaded, data, args.likelihood, args.seed, out / "likelihood", parallel, kept)
            likelihood = {"bits_per_dim": found}
        parallel.leave()
        if parallel.rank > 0:  # what is left, one process does in a minute
            return 0
        with (
            refusals("evaluate"),
            Progress((4 if judging is None else 8) + (len(loaded.drawn) == 3), "measuring") as progress,
        ):
            found = evaluate_samples(
                *(x, data),
                judge=judging,
                classes=classes,
                ends=None if loaded.model.units is None else loaded.model.units.ends,
                seed=args.seed,
                on_measure=lambda name: progress.advance(last=name),
            )
        report |= {"judge": named, **found, **likelihood}
        report["seconds"]["measuring"] = round(time.perf_counter() - began, 1)
        report["training"] = {
            "steps": loaded.step,
            "batch_size": loaded.config.train.batch_size,
            "parameters": loaded.parameters,
            "seconds": loaded.seconds,
        }
        report["environment"] = environment(device)
        _write(out, loaded, x, report)
    print(json.dumps(report) if args.json else f"{render(report)}\n\nWritten to {out}")
    return 0


def _read(args: Namespace, loaded: "LoadedModel") -> "Dataset":
    """Return samples from a file; refuse options that would have drawn others."""
    from scorefield.data import from_array_file, from_table_file
    from scorefield.data.tables import TABLE_SUFFIXES

    refuse(args, DRAWN, "--from-samples draws nothing, so that they cannot matter")
    file, event = Path(args.from_samples), loaded.drawn
    if file.suffix.lower() in TABLE_SUFFIXES:
        data = from_table_file(file, loaded.config.data.columns)
    else:
        data = from_array_file(file, channels="first")  # as `write` has them
        data = data if data.event == event else from_array_file(file)
    if data.event != event:
        raise ConfigError(f"--from-samples {file}: holds samples of shape {data.event}; the model draws {event}")
    return data


def _valued(args: Namespace, given: "Dataset", data: "RealData") -> "Tensor":
    """Return samples in the units of the data: where these are bytes, in [0, 1]; elsewhere bytes are numbers like others."""
    x = given.scaled() if data.in_bytes else given.x.float()
    beyond = ((x < 0) | (x > 1)).float().mean().item() if data.in_bytes else 0.0
    if beyond > _BEYOND:
        warn(
            f"--from-samples {args.from_samples}: values from {x.min().item():.4g} to {x.max().item():.4g}, of which {beyond:.0%} "
            "lie outside of [0, 1], where images of bytes lie: save bytes, or numbers between 0 and 1"
        )
    return x


def _was_drawn(args: Namespace) -> dict[str, Any]:
    """Return the part of the report on how samples were drawn, of samples that were there already."""
    return {
        "model": args.model,
        "from_samples": args.from_samples,
        "sampler": None,
        "seed": args.seed,
        "class": args["class"],
        "weight": args.weight,
        "evaluations_per_sample": None,
        "seconds": {"sampling": None},
    }


def _drawn(
    args: Namespace, loaded: "LoadedModel", out: Path, parallel: "Parallel", kept: ExitStack
) -> tuple["Tensor", dict[str, Any]]:
    """Return samples, also written to the folder, and the part of the report on how they were drawn; the first process alone has them.

    They are not drawn again after a kill, until ``kept`` is closed.
    """
    import torch

    from scorefield.cli.drawing import chosen, decides, draw, labels_of, setting, write
    from scorefield.cli.shared import shared

    labels, file = labels_of(args, loaded), out / "samples.npz"
    choice = chosen(args, loaded, labels)
    each = kept.enter_context(shared(parallel, file, loaded, decides(args, loaded, choice)))
    drawn = draw(args, loaded, choice, labels=labels, parallel=parallel, each=each)
    if parallel.rank > 0:
        return torch.empty(0), {}
    write(file, drawn, loaded.model.ends)
    return drawn.x.cpu(), _was_drawn(args) | {
        **setting(args, loaded, choice),
        "evaluations_per_sample": drawn.evaluations,
        "seconds": {"sampling": round(drawn.seconds, 3)},
    }


def _write(out: Path, loaded: "LoadedModel", x: "Tensor", report: dict[str, Any]) -> None:
    """Write the report, as JSON and as a page, and pictures of samples that are images."""
    from scorefield.evaluation import page
    from scorefield.plotting import save_grid

    picture = is_picture(loaded.drawn)
    if picture:
        with written(out / "grid.png") as place:
            save_grid(place, x[:_SHOWN], ends=loaded.model.ends)
        known = report["classifier_two_sample"]["as they are"]
        with written(out / "recognised.png") as place:
            save_grid(place, x[known["recognised"] + known["passed"]], 10, ends=loaded.model.ends)
    write_text(out / "evaluation.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "README.md", page(report, loaded.config.name, picture=picture))


def _check_likelihood(args: Namespace, data: "RealData") -> None:
    """Refuse likelihoods that cannot be computed, before anything else is."""
    if args.likelihood == 1:
        raise ConfigError(f"--likelihood must be 0, or at least 2 images; received {args.likelihood}")
    if args.likelihood and not data.in_bytes:
        raise ConfigError("--likelihood needs 8-bit images, and the data of this model are other numbers; leave it out")
    if args.likelihood and args["class"] is not None:
        raise ConfigError("--likelihood is computed for the model of all classes; leave out --class")
    if args.likelihood > len(data.reference):
        raise ConfigError(
            f"--likelihood {args.likelihood}: there are {len(data.reference)} images beside {args.n} samples"
        )
