"""``scorefield likelihood``: how probable a model finds held-out data: bits/dim of images, nats."""

import json
import time
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.options import Whole2, command, data_dir, device, model, report

__all__ = ["parser", "run"]


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Follow held-out data along the probability flow to noise, and say how probable the model finds them: bits per dimension of 8-bit "
        "images, by uniform and by Gaussian dequantisation, nats of other data. In float32, whatever the processor has."
    )
    model(parser)
    parser.add_argument("-n", "--n", type=Whole2, default=100, metavar="N", help="how many held-out examples")
    parser.add_argument("--seed", type=int, default=0, help="names the choice of examples and all noise")
    device(parser)
    data_dir(parser)
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Compute, print; return the exit code."""
    from scorefield.cli.shared import shared
    from scorefield.config import refusals
    from scorefield.evaluation import bits, nats, parts_of, real_data, render_likelihood
    from scorefield.pretrained import load_model
    from scorefield.training import environment, processes

    parallel = processes(args.device)
    loaded = load_model(args.model, parallel.device, warn=warn)
    loaded.require_score("its likelihood")
    data = real_data(loaded.config.data, loaded.event, args.n, data_dir=args.data_dir, seed=args.seed)
    tell_device(args.device)
    began, n = time.perf_counter(), len(data.reference)
    steps, setting = -(-parts_of(data, n) // parallel.world), {"n": n, "seed": args.seed}
    with (
        refusals("likelihood"),
        Progress(steps, f"likelihood of {n} examples", show=parallel.rank == 0) as progress,
        shared(parallel, Path(f"likelihood-{loaded.config.name}"), loaded, setting, data.reference.x) as each,
    ):
        found = (bits if data.in_bytes else nats)(loaded.model, data, n, args.seed, progress.advance, each)
    parallel.leave()
    if parallel.rank > 0:
        return 0
    told = {"model": args.model, **data.sizes, **found}
    told |= {"seconds": round(time.perf_counter() - began, 1), "environment": environment(parallel.device)}
    print(json.dumps(told) if args.json else f"{args.model}, {told['reference']}\n{render_likelihood(found)}")
    return 0
