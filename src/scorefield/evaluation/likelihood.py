"""How probable a score model finds held-out data: in bits per dimension of images, in nats of anything else; results are JSON values."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from scorefield._noise import derive_seed
from scorefield._tensors import home
from scorefield.evaluation.data import RealData
from scorefield.evaluation.measures import row
from scorefield.likelihood import ByteDecoder, bits_per_dim, log_likelihood, variational_bound
from scorefield.metrics.estimate import mean
from scorefield.models import ScoreModel
from scorefield.training import Each, in_turn

TOLERANCE = 2e-3
"""Tolerance of the solver in `likelihood_of`, relative and absolute."""
DRAWS = 4
"""How often `likelihood_of` draws the noise that fills the gaps between bytes, each time with a probe of the trace."""

_AT_ONCE = 50  # examples whose likelihood is computed together: every probe keeps a graph of the network
_BOUNDED = 250  # without a graph, more fit
_COUNTED = 5000  # training images that the decoder learns from
_DEQUANTISATION = {
    "uniform": "uniform dequantisation (byte + U)/256, one draw of U: in expectation an upper bound",
    "gaussian": "Gaussian dequantisation at σ/α = {ratio:g}, one draw, with a decoder of bytes: in expectation an upper bound",
    "variational": "variational bound of the diffusion, with the same decoder",
}


def bits(
    model: ScoreModel,
    data: RealData,
    n: int,
    seed: int,
    on_part: Callable[[], object] = lambda: None,
    each: Each = in_turn,
    decoder: ByteDecoder | None = None,
) -> dict[str, Any]:
    """Return the bits per dimension of n held-out images, by both ways to fill the gaps between bytes, and a bound on those of all of them.

    Args:
        model: of the images.
        data: real ones.
        n: how many images the two likelihoods, which take longer than the bound, are computed for.
        seed: of all noise.
        on_part: called when this process has done a part.
        each: computes the parts, in this process or shared with others (`scorefield.training.Parts.each`).
        decoder: of the model's bytes; without, one that counts in the training images.
    """
    every = data.reference.x.to(home(model))
    parts, bounded = every[:n].split(_AT_ONCE), every.split(_BOUNDED)
    if decoder is None:
        counted = data.train.x[:_COUNTED].to(every.device)
        decoder = ByteDecoder(model, counted, seed=derive_seed(seed, "decoder"))
    found: dict[str, Any] = {"held_out": data.held_out, "n": sum(map(len, parts))}
    for name, given in (("uniform", None), ("gaussian", decoder)):

        def part(k: int, given: ByteDecoder | None = given) -> tuple[Tensor, ...]:
            return _done(bits_per_dim(model, parts[k], decoder=given, seed=derive_seed(seed, "likelihood", k)), on_part)

        values, errors = _columns(each(name, len(parts), part))
        how = {"dequantisation": _DEQUANTISATION[name].format(ratio=decoder.ratio)}
        found[name] = row(mean(values.cpu())) | _traced(errors) | how

    def bound_of(k: int) -> tuple[Tensor, ...]:
        return _done((variational_bound(model, bounded[k], decoder, seed=derive_seed(seed, "bound", k)),), on_part)

    (bound,) = _columns(each("variational", len(bounded), bound_of))
    found["variational"] = row(mean(bound.cpu())) | {"n": len(bound), "dequantisation": _DEQUANTISATION["variational"]}
    return found


def nats(
    model: ScoreModel,
    data: RealData,
    n: int,
    seed: int,
    on_part: Callable[[], object] = lambda: None,
    each: Each = in_turn,
) -> dict[str, Any]:
    """Return log p of held-out examples in nats; arguments are those of `bits`."""
    parts = data.reference.scaled(slice(n)).to(home(model)).split(_AT_ONCE)

    def part(k: int) -> tuple[Tensor, ...]:
        found = log_likelihood(model, parts[k], seed=derive_seed(seed, "likelihood", k))
        return _done((found.log_prob, found.standard_error), on_part)

    values, errors = _columns(each("nats", len(parts), part))
    return {"held_out": data.held_out, "n": len(values), "nats": row(mean(values.cpu())) | _traced(errors)}


def likelihood_of(model: ScoreModel, x: Tensor, decoder: ByteDecoder | None = None, seed: int = 0) -> dict[str, Any]:
    """Return how probable one example is: bits per dimension and nats of an image of bytes, nats of other data.

    It is fast: with a ``decoder`` the path starts at its noise level, and the solver errs by less than the estimate. Bits are the mean over
    several draws of the noise that fills the gaps between bytes, which follow the flow as one batch, and their error is that of the mean:
    of noise and trace. With the shipped mnist it takes half the evaluations of the tolerances that `scorefield.bits_per_dim` has; over
    five test digits the solver's error is 0.0013 bits (root mean square; 0.0022 at most) and the stated one 0.008.

    Args:
        model: of the data.
        x: the example, shape (1, *d): an image of bytes, or values in the data's units.
        decoder: of the model's bytes, where it has one; without, bytes are dequantised uniformly.
        seed: of all noise.
    """
    if x.dtype != torch.uint8:
        found = log_likelihood(model, x, seed=seed)
        return {"nats": found.log_prob.item(), "error": found.standard_error.item()}
    draws, _ = bits_per_dim(
        model, x.expand(DRAWS, *x.shape[1:]), decoder=decoder, probes=1, rtol=TOLERANCE, atol=TOLERANCE, seed=seed
    )
    value, error = draws.mean().item(), draws.std().item() / DRAWS**0.5
    way = _DEQUANTISATION["uniform"] if decoder is None else _DEQUANTISATION["gaussian"].format(ratio=decoder.ratio)
    return {
        "bits": value,
        "error": error,
        "nats": -value * x.numel() * math.log(2),
        "dequantisation": way.replace("one draw", f"{DRAWS} draws"),
    }


def _done(result: tuple[Tensor, ...], on_part: Callable[[], object]) -> tuple[Tensor, ...]:
    on_part()
    return result


def _columns(rows: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Return each result of the parts joined into one tensor."""
    return tuple(torch.cat(column) for column in zip(*rows, strict=True))


def _traced(errors: Tensor) -> dict[str, float]:
    """Return the part of the mean's error that comes from estimating traces."""
    return {"error_of_trace": errors.double().square().mean().sqrt().item() / len(errors) ** 0.5}


def parts_of(data: RealData, n: int) -> int:
    """Return how many parts the likelihood of n held-out examples is computed in."""
    parts = -(-n // _AT_ONCE)
    return 2 * parts + -(-len(data.reference) // _BOUNDED) if data.in_bytes else parts
