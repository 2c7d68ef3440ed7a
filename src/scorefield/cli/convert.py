"""``scorefield convert``: models of NCSN, NCSNv2, score-SDE, EDM and diffusers in, and out again."""

import json
import shlex
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import stage, warn
from scorefield.cli.files import free_place
from scorefield.cli.options import Whole2, command, plugin
from scorefield.errors import ConfigError

_FROM = ("ncsn", "ncsnv2", "score_sde", "edm", "diffusers")
_TO = ("ncsn", "ncsnv2", "score_sde", "diffusers", "hub")


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Turn a model of another project into a run (--from), or a run into a file of that project (--to). Files are read as plain data: "
        "nothing in them is executed."
    )
    plugin(parser)
    parser.option("source FILE", "a torch file, a pickle of EDM or a folder of diffusers; with --to, a run")
    parser.option("--from LAYOUT", f"the project it comes from: {', '.join(_FROM)}", choices=_FROM)
    parser.option(
        "--to LAYOUT",
        f"the project it goes to: {', '.join(_TO[:-1])}, or hub: a folder for the Hugging Face Hub",
        choices=_TO,
    )
    parser.option("--out RUN", "the run folder to make; with --to, the file or folder", required=True)
    parser.option("--evaluation FILE", "with --to hub: JSON with results, for the model's card")
    parser.option(
        "--config FILE",
        "settings that the weights lack, as YAML; of score_sde also its own file.py, or a name such as ve/cifar10_ncsnpp_continuous",
    )
    parser.option("--data PATH", "images of the kind it draws, with which evaluate, likelihood and inpaint compare")
    parser.option("--size", "height and width of the images; by default 28 for one channel, 32 for three", Whole2)
    return parser


def run(args: Namespace) -> int:
    """Convert in the given direction; return the exit code."""
    from scorefield.pretrained import load_model
    from scorefield.runs.foreign import bring_out

    if (args["from"] is None) == (args.to is None):
        raise ConfigError("convert needs either --from, to make a run of a file, or --to, to make a file of a run")
    out = free_place(args.out)
    if args.to == "hub":
        return _publish(args.source, out, args.evaluation)
    if args.to is None:
        return _bring_in(args, out)
    with stage(f"writing {out}"):
        step = bring_out(load_model(args.source, warn=warn), out, args.to)
    print(f"{out}: written in the layout of {args.to}, step {step}")
    return 0


def _bring_in(args: Namespace, out: Path) -> int:
    """Write a run folder from a file of another project, and say what was assumed."""
    from scorefield.config import merge
    from scorefield.runs.foreign import bring_in
    from scorefield.runs.published import settings

    given = {} if args.config is None else settings(args.config)
    if args.data is not None:
        given = merge(given, {"data": {"kind": "path", "path": args.data}})
    with stage(f"reading {args.source}"):
        brought = bring_in(Path(args.source), args["from"], out, given=given, blamed=args.config, size=args.size)
    if not brought.kept:
        warn("the file's optimiser state does not fit its weights: training would continue with new moments")
    weights = "averaged weights" if brought.averaged else "weights, none averaged,"
    print(f"{out}: {brought.network}, {weights} of step {brought.step}")
    if brought.licence is not None:
        print(f"the licence of its weights: {brought.licence}")
    if brought.size is not None:
        print(f"assumed, since weights do not tell: images of {brought.size} x {brought.size} pixels (--size)")
    if brought.ends is not None:
        sigmas = "sigma_1 {:.6g}, sigma_L {:.6g}".format(*brought.ends)
        print(f"assumed, since the file does not tell: the ladder's ends, {sigmas} (--config)")
    print(f"Sample it with:\n  scorefield sample {shlex.quote(str(out))} -n 64 --out samples.png")
    return 0


def _publish(source: str, out: Path, evaluation: str | None) -> int:
    """Write a folder with weights, configuration and model card, and say how to bring it to the Hub."""
    from scorefield.pretrained import save_pretrained

    results = None if evaluation is None else _results(Path(evaluation))
    with stage(f"writing {out}"):
        save_pretrained(source, out, evaluation=results)
    print(
        f"{out}: weights, configuration and a model card, README.md. Try it, and bring it to the Hugging Face Hub, with:"
    )
    named = shlex.quote(str(out))
    print(f"  scorefield sample {named} -n 64 --out samples.png\n  hf upload ORG/NAME {named}")
    return 0


def _results(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--evaluation {path}: expected a file of JSON; found {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"--evaluation {path}: expected a JSON object; received {type(values).__name__}")
    return values
