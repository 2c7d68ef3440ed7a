"""Train the small network that the plane shows beside the exact score, and write it as JavaScript: ``python -m tools.plane``.

Half a minute on one core. The distribution is the one that the page opens with; the script carries it too.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from scorefield import DSM, MLP, VE, Denoiser, GaussianMixture, fit

FILE = Path(__file__).parents[1] / "src" / "scorefield" / "app" / "plane" / "learned.js"
PROCESS = VE(sigma_min=0.05, sigma_max=8.0)
WIDTH, DEPTH = 40, 3
PREFIX = "globalThis.scorefield.learned = "

MODES = [
    {"x": -2.2, "y": 1.6, "std": 0.55, "weight": 0.5},
    {"x": 2.6, "y": 1.4, "std": 0.4, "weight": 0.2},
    {"x": 0.4, "y": -2.4, "std": 0.7, "weight": 0.3},
]


def target() -> GaussianMixture:
    """Return the distribution that the page opens with."""
    means, stds, weights = ([[m[key] for key in keys] for m in MODES] for keys in (("x", "y"), ("std",), ("weight",)))
    return GaussianMixture(torch.tensor(means), torch.tensor(stds).flatten() ** 2, torch.tensor(weights).flatten())


def trained(steps: int = 6000) -> Denoiser:
    """Return a denoiser of the target."""
    torch.manual_seed(0)
    moments = target().moments
    sigma_data, mean = moments.std.square().mean().sqrt().item(), moments.mean.mean().item()
    model = Denoiser(MLP(dim=2, width=WIDTH, depth=DEPTH), PROCESS, round(sigma_data, 4), round(mean, 4))
    fit(model, target(), DSM(), steps=steps)
    return model


def write(model: Denoiser) -> str:
    """Return the model as a script: its distribution, the constants of its preconditioning, and its layers, each (out, in) then (out)."""
    layers = [_short(p) for p in model.net.parameters()]
    frequencies = model.net.features.frequencies.tolist()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    data = {
        "modes": MODES,
        "sigma": model.sigma_data,
        "mean": model.mean_data,
        "frequencies": frequencies,
        "layers": layers,
    }
    return f"{PREFIX}{json.dumps(data, separators=(',', ':'))};\n"


def read(script: str) -> Denoiser:
    """Return the model of a script, in float64."""
    data = json.loads(script.removeprefix(PREFIX).rstrip(";\n"))
    model = Denoiser(MLP(dim=2, width=WIDTH, depth=DEPTH), PROCESS, data["sigma"], data["mean"]).double()
    for parameter, values in zip(model.net.parameters(), data["layers"], strict=True):
        parameter.data = torch.tensor(values, dtype=torch.float64)
    return model


def _short(values: Tensor) -> list[object]:
    """Return nested lists of numbers with five significant digits, which are enough for a network."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.5g}") for value in values.tolist()]


if __name__ == "__main__":
    FILE.write_text(write(trained()), encoding="utf-8")
