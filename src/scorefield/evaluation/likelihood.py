"""How probable a score model finds held-out data: in bits per dimension of images, in nats of anything else; as JSON has it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scorefield._tensors import derive_seed
from scorefield.evaluation.data import RealData
from scorefield.likelihood import ByteDecoder, bits_per_dim, log_likelihood, variational_bound
from scorefield.metrics import Estimate
from scorefield.metrics.estimate import mean
from scorefield.models import ScoreModel

__all__ = ["bits", "nats", "parts_of"]

_AT_ONCE = 50  # examples whose likelihood is computed together: every probe keeps a graph of the network
_BOUNDED = 250  # without a graph, more fit
_RATIO = 0.03  # noise at which bytes are decoded, or the model's least where that is more: eight bytes wide, and learnt
_COUNTED = 5000  # training images that the decoder learns from
_DEQUANTISATION = {
    "uniform": "uniform dequantisation (byte + U)/256, one draw of U: in expectation an upper bound",
    "gaussian": "Gaussian dequantisation at σ/α = {ratio:g}, one draw, with a decoder of bytes: in expectation an upper bound",
    "variational": "variational bound of the diffusion, with the same decoder",
}


def bits(
    model: ScoreModel, data: RealData, n: int, seed: int, on_part: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return the bits per dimension of n held-out images, by both ways to fill the gaps between bytes, and a bound on those of all."""
    device = next(model.parameters()).device
    every = data.reference.x.to(device)
    parts, bounded = every[:n].split(_AT_ONCE), every.split(_BOUNDED)
    least = model.process.ratio(torch.tensor(model.process.t_min, dtype=torch.float64)).item()
    counted = data.train.x[:_COUNTED].to(device)
    decoder = ByteDecoder(model, counted, ratio=max(_RATIO, least), seed=derive_seed(seed, "decoder"))
    found: dict[str, Any] = {"held_out": data.held_out, "n": sum(map(len, parts))}
    for name, given in (("uniform", None), ("gaussian", decoder)):
        rows = []
        for k, part in enumerate(parts):
            rows.append(bits_per_dim(model, part, decoder=given, seed=derive_seed(seed, "likelihood", k)))
            on_part()
        values, errors = (torch.cat(column) for column in zip(*rows, strict=True))
        how = {"dequantisation": _DEQUANTISATION[name].format(ratio=decoder.ratio)}
        found[name] = _row(values) | _traced(errors) | how
    values = []
    for k, part in enumerate(bounded):
        values.append(variational_bound(model, part, decoder, seed=derive_seed(seed, "bound", k)))
        on_part()
    bound = torch.cat(values)
    found["variational"] = _row(bound) | {"n": len(bound), "dequantisation": _DEQUANTISATION["variational"]}
    return found


def nats(
    model: ScoreModel, data: RealData, n: int, seed: int, on_part: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return log p of held-out examples in nats."""
    parts = data.reference.scaled(slice(n)).to(next(model.parameters()).device).split(_AT_ONCE)
    rows = []
    for k, part in enumerate(parts):
        found = log_likelihood(model, part, seed=derive_seed(seed, "likelihood", k))
        rows.append((found.log_prob, found.standard_error))
        on_part()
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


def parts_of(data: RealData, n: int) -> int:
    """Return how many parts the likelihood of n held-out examples is computed in."""
    parts = -(-n // _AT_ONCE)
    return 2 * parts + -(-len(data.reference) // _BOUNDED) if data.in_bytes else parts
