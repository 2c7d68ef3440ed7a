"""``scorefield likelihood``: how probable a score model finds held-out data, in bits per dimension of images, in nats of anything else."""

import json
import time

from jsonargparse import Namespace

from scorefield._errors import ConfigError
from scorefield.cli.console import Progress, tell_device, warn
from scorefield.config import refusals
from scorefield.evaluation import bits, nats, parts_of, real_data, render_likelihood
from scorefield.pretrained import load_model
from scorefield.training import environment, pick_device

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Compute, print; return the exit code."""
    if args.n < 2:
        raise ConfigError(f"-n must be at least 2 to say anything with an error; received {args.n}")
    device = pick_device(args.device)
    loaded = load_model(args.model, device, warn=warn)
    data = real_data(loaded.config.data, loaded.event, args.n, data_dir=args.data_dir, seed=args.seed)
    tell_device(args.device)
    began, n = time.perf_counter(), len(data.reference)
    with refusals("likelihood"), Progress(parts_of(data, n), "likelihood") as progress:
        found = (bits if data.in_bytes else nats)(loaded.model, data, n, args.seed, progress.advance)
    report = {"model": args.model, **data.sizes, **found}
    report |= {"seconds": round(time.perf_counter() - began, 1), "environment": environment(device)}
    print(json.dumps(report) if args.json else f"{args.model}, {report['reference']}\n{render_likelihood(found)}")
    return 0
