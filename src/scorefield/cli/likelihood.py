"""``scorefield likelihood``: how probable a score model finds held-out data, in bits per dimension of images, in nats of anything else."""

import json
import time
from typing import Any

import torch
from jsonargparse import Namespace
from torch import Tensor

from scorefield._errors import ConfigError
from scorefield._tensors import derive_seed
from scorefield.cli.console import Progress, warn
from scorefield.cli.evaluation_data import RealData, real_data
from scorefield.cli.evaluation_table import render_likelihood
from scorefield.config import refusals
from scorefield.likelihood import ByteDecoder, bits_per_dim, log_likelihood, variational_bound
from scorefield.metrics import Estimate
from scorefield.metrics.estimate import mean
from scorefield.models import ScoreModel
from scorefield.pretrained import load_model
from scorefield.training import environment, pick_device

__all__ = ["bits", "run"]

_AT_ONCE = 50  # examples whose likelihood is computed together: every probe keeps a graph of the network
_BOUNDED = 250  # without a graph, more fit
_RATIO = 0.03  # noise at which bytes are decoded, or the model's least where that is more: eight bytes wide, and learnt
_COUNTED = 5000  # training images that the decoder learns from
_DEQUANTISATION = {
    "uniform": "uniform dequantisation (byte + U)/256, one draw of U: in expectation an upper bound",
    "gaussian": "Gaussian dequantisation at σ/α = {ratio:g}, one draw, with a decoder of bytes: in expectation an upper bound",
    "variational": "variational bound of the diffusion, with the same decoder",
}


def run(args: Namespace) -> int:
    """Compute, print; return the exit code."""
    if args.n < 2:
        raise ConfigError(f"-n must be at least 2 to say anything with an error; received {args.n}")
    loaded = load_model(args.model, pick_device(args.device), warn=warn)
    data = real_data(loaded, args.n, classes=None, data_dir=args.data_dir, seed=args.seed)
    began = time.perf_counter()
    with refusals("likelihood"):
        found = (bits if data.in_bytes else _nats)(loaded.model, data, len(data.reference), args.seed)
    report = {
        "model": args.model,
        **data.sizes,
        **found,
        "seconds": round(time.perf_counter() - began, 1),
        "environment": environment(pick_device(args.device)),
    }
    print(json.dumps(report) if args.json else f"{args.model}, {report['reference']}\n{render_likelihood(found)}")
    return 0


def bits(model: ScoreModel, data: RealData, n: int, seed: int) -> dict[str, Any]:
    """Return the bits per dimension of n held-out images, by both ways to fill the gaps between bytes, and a bound on those of all."""
    device = next(model.parameters()).device
    every = data.reference.x.to(device)
    parts, bounded = every[:n].split(_AT_ONCE), every.split(_BOUNDED)
    least = model.process.ratio(torch.tensor(model.process.t_min, dtype=torch.float64)).item()
    counted = data.train.x[:_COUNTED].to(device)
    decoder = ByteDecoder(model, counted, ratio=max(_RATIO, least), seed=derive_seed(seed, "decoder"))
    found: dict[str, Any] = {"held_out": data.held_out, "n": sum(map(len, parts))}
    with Progress(2 * len(parts) + len(bounded), "likelihood") as progress:
        for name, given in (("uniform", None), ("gaussian", decoder)):
            rows = []
            for k, part in enumerate(parts):
                rows.append(bits_per_dim(model, part, decoder=given, seed=derive_seed(seed, "likelihood", k)))
                progress.advance()
            values, errors = (torch.cat(column) for column in zip(*rows, strict=True))
            found[name] = (
                _row(values) | _traced(errors) | {"dequantisation": _DEQUANTISATION[name].format(ratio=decoder.ratio)}
            )
        values = []
        for k, part in enumerate(bounded):
            values.append(variational_bound(model, part, decoder, seed=derive_seed(seed, "bound", k)))
            progress.advance()
    bound = torch.cat(values)
    found["variational"] = _row(bound) | {"n": len(bound), "dequantisation": _DEQUANTISATION["variational"]}
    return found


def _nats(model: ScoreModel, data: RealData, n: int, seed: int) -> dict[str, Any]:
    """Return log p of held-out examples in nats."""
    parts = data.reference.scaled(slice(n)).to(next(model.parameters()).device).split(_AT_ONCE)
    rows = []
    with Progress(len(parts), "likelihood") as progress:
        for k, part in enumerate(parts):
            found = log_likelihood(model, part, seed=derive_seed(seed, "likelihood", k))
            rows.append((found.log_prob, found.standard_error))
            progress.advance()
    values, errors = (torch.cat(column) for column in zip(*rows, strict=True))
    return {"held_out": data.held_out, "n": len(values), "nats": _row(values) | _traced(errors)}


def _row(values: Tensor) -> dict[str, float]:
    """Return the mean with its error."""
    found: Estimate = mean(values.double().cpu())
    low, high = found.interval
    return {"value": found.value, "error": found.error, "low": low, "high": high}


def _traced(errors: Tensor) -> dict[str, float]:
    """Return the part of the mean's error that is the traces'."""
    return {"error_of_trace": errors.double().square().mean().sqrt().item() / len(errors) ** 0.5}
