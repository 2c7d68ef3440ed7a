"""How good a learned toy is: its score near the data and far from it, its samples' place and weights."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._noise import derive_seed
from scorefield.densities import Density, GaussianMixture
from scorefield.metrics import ModeWeights, mode_weights
from scorefield.models import Exact, ScoreModel
from scorefield.plotting import Square, mass_level
from scorefield.sampling import Samples

Rows = Mapping[str, Mapping[str, Samples]]
Weights = dict[str, dict[str, ModeWeights]]


def field_errors(
    model: ScoreModel, exact: Exact, t: Float[Tensor, ""], square: Square, *, n: int = 4000, seed: int = 0
) -> dict[str, Any]:
    r"""Return the error of a score at time t near the data and far from it.

    Near is the region that holds 99 % of p_t, weighted by p_t; far is the rest of the square, weighted evenly. Of each: the points n, the
    root mean square ``rms`` of ‖ŝ − s‖, and ``relative``, √(E‖ŝ − s‖² / E‖s‖²).
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "field"))
    marginal = exact.marginal(t)
    level = mass_level(marginal, 0.99)
    draws, even = marginal.sample(n, generator), square.uniform(n, generator)
    near = draws[marginal.log_prob(draws.double()) >= level]
    far = even[marginal.log_prob(even.double()) < level]
    _, sigma = exact.process.alpha_sigma(t)
    return {"sigma": sigma.item(), "near": _error(model, exact, t, near), "far": _error(model, exact, t, far)}


def _error(model: ScoreModel, exact: Exact, t: Float[Tensor, ""], x: Float[Tensor, "n 2"]) -> dict[str, float]:
    with torch.no_grad():
        true = exact.score(x, t)
        gap = model.score(x, t) - true
    error, norm = (v.double().square().sum(dim=1).mean().sqrt().item() for v in (gap, true))
    return {"n": len(x), "rms": error, "relative": error / norm}


def weights(rows: Rows, density: Density) -> Weights:
    """Return the shares of the modes in every sample; nothing where there are no modes."""
    if not isinstance(density, GaussianMixture):
        return {}
    return {
        score: {name: mode_weights(drawn.x, density) for name, drawn in drawn_by.items()}
        for score, drawn_by in rows.items()
    }


def sample_measures(rows: Rows, shares: Weights, final: Density) -> dict[str, Any]:
    """Return, for every sample, what it cost, the share of it inside the region that holds 99 % of ``final``, and its modes."""
    level = mass_level(final, 0.99)
    result: dict[str, Any] = {}
    for score, drawn_by in rows.items():
        result[score] = {}
        for name, drawn in drawn_by.items():
            inside = torch.cat([final.log_prob(part) >= level for part in drawn.x.double().split(4096)])
            modes = {"modes": asdict(shares[score][name])} if shares else {}
            result[score][name] = {
                "n": len(drawn.x),
                "evaluations": drawn.evaluations,
                "inside_99": inside.double().mean().item(),
                **modes,
            }
    return result


def table(metrics: Mapping[str, Any]) -> str:
    """Return the measurements as text."""
    field, samples = metrics["field"], metrics["samples"]
    lines = [f"score at noise level {field['sigma']:.3g}        rms error   relative error"]
    for place, text in (("near", "near (99 % of the samples)"), ("far", "far (the rest of the square)")):
        lines.append(f"  {text:29}{field[place]['rms']:10.3g}{field[place]['relative']:14.1%}")
    modes = next(iter(samples["exact score"].values())).get("modes")
    heading = f"\n{'samples':34}evaluations   inside 99 %"
    if modes:
        heading += "   weights" + " " * (7 * len(modes["expected"]) - 5) + "95 %     p-value"
        true = "".join(f"{share:7.3f}" for share in modes["expected"])
        lines += [heading, f"  {'true weights':56}  {true}"]
    else:
        lines.append(heading)
    for score, drawn_by in samples.items():
        for name, row in drawn_by.items():
            line = f"  {score + ', ' + name:32}{row['evaluations']:11g}{row['inside_99']:14.1%}"
            lines.append(line + (_shares(row["modes"]) if modes else ""))
    return "\n".join(lines)


def _shares(modes: Mapping[str, Any]) -> str:
    """Return the shares, the half width of the widest interval, and the p-value."""
    half = max(0.5 * (high - low) for low, high in zip(modes["low"], modes["high"], strict=True))
    return "   " + "".join(f"{share:7.3f}" for share in modes["shares"]) + f"   ±{half:.3f}{modes['p_value']:10.2g}"
