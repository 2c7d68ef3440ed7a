"""``scorefield likelihood``: how probable a model finds held-out data, or one example: bits per dimension of images, nats of other data."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.files import is_picture
from scorefield.cli.options import EXAMPLE, Whole2, command, data_dir, device, model, report

if TYPE_CHECKING:
    from scorefield.evaluation import RealData
    from scorefield.loaded import LoadedModel
    from scorefield.training import Parallel


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Follow held-out data along the probability flow to noise, and say how probable the model finds them: bits per dimension of 8-bit "
        "images, by uniform and by Gaussian dequantisation, and nats for other data. Always in float32."
    )
    model(parser)
    parser.option("-n --n N", "how many held-out examples", Whole2, default=100, rival=True)
    parser.option("--image IMAGE", f"only this example: {EXAMPLE}", rival=True)
    parser.option("--seed", "decides which examples are chosen, and the noise", int, default=0)
    device(parser)
    data_dir(parser, test=True)
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Compute, print; return the exit code."""
    from scorefield.config import refusals
    from scorefield.pretrained import load_model
    from scorefield.training import environment, processes

    parallel = processes(args.device)
    loaded = load_model(args.model, parallel.device, warn=warn)
    loaded.require_score("its likelihood")
    began = time.perf_counter()
    with ExitStack() as kept:
        with refusals("likelihood"):
            found, text = (_held_out if args.image is None else _example)(args, loaded, parallel, kept)
        parallel.leave()
        if parallel.rank > 0:
            return 0
        told = {"model": args.model, **found}
        told |= {"seconds": round(time.perf_counter() - began, 1), "environment": environment(parallel.device)}
        print(json.dumps(told) if args.json else text, flush=True)
    return 0


def held_out(
    loaded: "LoadedModel", data: "RealData", n: int, seed: int, base: Path, parallel: "Parallel", kept: ExitStack
) -> dict[str, Any]:
    """Return how probable n held-out examples are, showing progress; until ``kept`` is closed, parts are kept beside ``base``."""
    from scorefield.cli.shared import shared
    from scorefield.evaluation import bits, nats, parts_of

    steps = -(-parts_of(data, n) // parallel.world)
    each = kept.enter_context(shared(parallel, base, loaded, {"n": n, "seed": seed}, data.reference.x))
    with Progress(steps, f"likelihood of {n} example{'s'[: n != 1]}", show=parallel.rank == 0) as progress:
        asked = loaded.model, data, n, seed, progress.advance, each
        return bits(*asked, loaded.byte_decoder) if data.in_bytes else nats(*asked)


def _held_out(
    args: Namespace, loaded: "LoadedModel", parallel: "Parallel", kept: ExitStack
) -> tuple[dict[str, Any], str]:
    """Return what is found of held-out data, and its lines."""
    from scorefield.evaluation import real_data, render_likelihood

    config = loaded.config.data.at(args.data_dir, args.test)
    counted = loaded.byte_decoder is None and loaded.model.units is None  # of bytes, in the training set
    data = real_data(config, loaded.event, args.n, seed=args.seed, least=2, trained=counted)
    tell_device(args.device)
    base = Path(f"likelihood-{loaded.config.name}")
    found = held_out(loaded, data, len(data.reference), args.seed, base, parallel, kept)
    told = data.sizes | found
    return told, f"{args.model}, {told['reference']}\n{render_likelihood(found)}"


def _example(args: Namespace, loaded: "LoadedModel", parallel: "Parallel", _: ExitStack) -> tuple[dict[str, Any], str]:
    """Return what is found of one example, and its line: in bits where it is an image of bytes."""
    import torch

    from scorefield.cli.images import read_truth
    from scorefield.evaluation import likelihood_of
    from scorefield.metrics import Estimate

    x, name = read_truth(args.image, loaded, args.data_dir)
    low, high = loaded.model.ends
    bytes_ = ((x - low) / (high - low) * 255).round().clamp(0, 255)
    in_bytes = is_picture(loaded.event) and torch.allclose(low + (high - low) * bytes_ / 255, x)
    x = (bytes_.to(torch.uint8) if in_bytes else x).to(parallel.device)
    found = likelihood_of(loaded.model, x, loaded.byte_decoder, args.seed)
    value = (
        f"{Estimate(found['bits'], found['error'])} bits/dim, {found['nats']:.5g}"
        if in_bytes
        else str(Estimate(found["nats"], found["error"]))
    )
    return {"image": name} | found, f"{args.model}, {name}: {value} nats" + (
        f"\n{found['dequantisation']}" if in_bytes else ""
    )
