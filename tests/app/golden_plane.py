"""Write golden_plane.json, what the library says of the plane's distributions and samplers: PYTHONPATH=. python tests/app/golden_plane.py

The page's JavaScript is compared with it (test_plane.py), and so is the library of the day.
"""

import json
from pathlib import Path

import torch
from tools import plane as network
from torch import Tensor

from scorefield import DSM, MLP, VE, Denoiser, Density, Exact, GaussianMixture, Heun, Karras, LogSNR, Sampler
from scorefield._noise import Noise
from scorefield.densities import Banana, Checkerboard, Empirical, Ring, TwoMoons
from scorefield.grids import Constant, Ladder, geometric, steps_of
from scorefield.samplers import AnnealedLangevin, EulerMaruyama, Langevin, LangevinCorrector, PredictorCorrector

GOLDEN = Path(__file__).with_name("golden_plane.json")
PROCESS = VE(sigma_min=0.05, sigma_max=8.0)
LEVELS = (0.05, 0.3, 1.0, 4.0)

MODES = [
    {"x": -2.0, "y": 1.5, "std": 0.6, "weight": 0.5},
    {"x": 2.5, "y": 1.0, "std": 0.3, "weight": 0.2},
    {"x": 0.3, "y": -2.2, "std": 0.9, "weight": 0.3},
]
POINTS = [{"x": x, "y": y, "part": 0} for x, y in [(-3, 1), (-1.5, 2), (0.2, -0.4), (2, 2), (2.1, 2.2), (3, -2)]]
"""Settings as the page has them."""


def densities() -> dict[str, tuple[object, Density]]:
    """Return, by the page's names, the page's settings and the library's distribution."""
    mixture = GaussianMixture(
        torch.tensor([[m["x"], m["y"]] for m in MODES], dtype=torch.float64),
        torch.tensor([m["std"] ** 2 for m in MODES], dtype=torch.float64),
        torch.tensor([m["weight"] for m in MODES], dtype=torch.float64),
    )
    return {
        "modes": (MODES, mixture),
        "ring": ({"radius": 3.0, "std": 0.3}, Ring(3.0, 0.3)),
        "banana": ({"spread": 2.0, "curvature": 0.4, "std": 0.4}, Banana(2.0, 0.4, 0.4)),
        "moons": ({"radius": 2.6, "std": 0.2}, TwoMoons(2.6, 0.2)),
        "checkerboard": ({"side": 4, "size": 8.0}, Checkerboard(4, 8.0)),
        "empirical": (POINTS, Empirical(torch.tensor([[p["x"], p["y"]] for p in POINTS], dtype=torch.float64))),
    }


def samplers() -> dict[str, tuple[dict[str, object], Sampler, Tensor]]:
    """Return, by the page's names, the page's settings, the library's sampler and its times."""
    ends = {"high": PROCESS.sigma_max, "low": PROCESS.sigma_min}
    ladder = Ladder(geometric(PROCESS.sigma_max, PROCESS.sigma_min, 3)).times(PROCESS)
    still = PROCESS.time(torch.tensor(0.5, dtype=torch.float64)).item()
    return {
        "langevin": (
            {"budget": 3, "sigma": 0.5, "narrowest": 0.1},
            Langevin(0.5 * (0.5**2 + 0.1)),
            Constant(still, 3).times(PROCESS),
        ),
        "annealed": (
            ends | {"budget": 6, "repeats": 2, "relative": 0.5},
            AnnealedLangevin(repeats=2, relative_step=0.5),
            ladder,
        ),
        "reverse": (ends | {"budget": 6}, EulerMaruyama(), LogSNR(6).times(PROCESS)),
        "corrected": (
            ends | {"budget": 6, "snr": 0.16},
            PredictorCorrector(EulerMaruyama(), LangevinCorrector(0.16)),
            LogSNR(3).times(PROCESS),
        ),
        "ode": (ends | {"budget": 24}, Heun(), Karras(12).times(PROCESS)),
    }


class Recorded(Noise):
    """Noise that is remembered."""

    def __init__(self, n: int) -> None:
        super().__init__(range(n), (2,), dtype=torch.float64)
        self.drawn: list[Tensor] = []

    def normal(self) -> Tensor:
        """Return a draw, and keep it."""
        self.drawn.append(super().normal())
        return self.drawn[-1]


def fields() -> list[dict[str, object]]:
    """Return log-density and score of every distribution at every level on a grid of points."""
    axis = torch.linspace(-5.0, 5.0, 6, dtype=torch.float64) + 0.1
    points = torch.cartesian_prod(axis, axis)
    rows = []
    for name, (settings, density) in densities().items():
        for sigma in LEVELS:
            noised = density.diffuse(1.0, sigma)
            log_prob, score = noised.log_prob(points), noised.score(points)
            rows.append({"kind": name, "settings": settings, "sigma": sigma, "x": points.flatten().tolist()})
            rows[-1] |= {"log_prob": log_prob.tolist(), "score": score.flatten().tolist()}
    learned = network.read(network.FILE.read_text(encoding="utf-8"))
    for sigma in LEVELS:
        t = PROCESS.time(torch.tensor(sigma, dtype=torch.float64))
        with torch.no_grad():
            score = learned.score(points, t)
        rows.append({"kind": "learned", "sigma": sigma, "x": points.flatten().tolist()})
        rows[-1] |= {"score": score.flatten().tolist()}
    return rows


def trajectories() -> list[dict[str, object]]:
    """Return where every sampler takes twelve particles on the mixture and the moons, with the noise it drew."""
    start = 3.0 * torch.randn(12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = []
    for kind in ("modes", "moons"):
        settings, density = densities()[kind]
        model = Exact(density, PROCESS)
        for name, (options, sampler, times) in samplers().items():
            noise, x, memory = Recorded(len(start)), start, None
            path = []
            for step in steps_of(times, PROCESS):
                x, memory = sampler.step(model, x, step, memory, noise)
                path.append(x.flatten().tolist())
            if name != "langevin":
                path.append(model.denoise(x, times[-1]).flatten().tolist())
            rows.append({"kind": kind, "settings": settings, "sampler": name, "options": options, "path": path})
            rows[-1] |= {"x": start.flatten().tolist(), "noise": [z.flatten().tolist() for z in noise.drawn]}
    return rows


class Given(Noise):
    """Noise that is given: u for the times, z for the perturbation."""

    def __init__(self, u: Tensor, z: Tensor) -> None:
        super().__init__(range(len(u)), (2,), dtype=torch.float64)
        self.u, self.z = u, z

    def uniform(self) -> Tensor:
        """Return u."""
        return self.u

    def normal(self) -> Tensor:
        """Return z."""
        return self.z


def training() -> dict[str, object]:
    """Return a small network, a batch, what DSM says of the network and of the exact score there, and what Adam makes of the gradient."""
    generator = torch.Generator().manual_seed(0)
    z, u = torch.randn(12, 2, generator=generator).double(), torch.rand(12, generator=generator).double()
    settings, density = densities()["modes"]
    x0 = density.sample(12, generator)
    torch.manual_seed(0)
    net = MLP(dim=2, width=6, depth=2).double()
    model = Denoiser(net, PROCESS, 2.0, 0.1)
    parameters = list(net.parameters())
    row: dict[str, object] = {
        "kind": "modes",
        "settings": settings,
        "x0": x0.flatten().tolist(),
        "z": z.flatten().tolist(),
    }
    row |= {"sigma": PROCESS.alpha_sigma(u)[1].tolist(), "rate": 0.01}
    row |= {
        "net": {
            "sigma": 2.0,
            "mean": 0.1,
            "frequencies": net.features.frequencies.tolist(),
            "layers": [p.tolist() for p in parameters],
        }
    }
    row["exact"] = DSM()(Exact(density, PROCESS), x0, Given(u, z)).tolist()
    adam = torch.optim.Adam(parameters, lr=0.01)
    for k in range(3):
        adam.zero_grad()
        losses = DSM()(model, x0, Given(u, z))
        losses.mean().backward()
        if k == 0:
            row["loss"] = losses.tolist()
            row["gradient"] = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]).tolist()
        adam.step()
    row["after"] = torch.cat([p.detach().flatten() for p in parameters]).tolist()
    return row


def rounded(value: object) -> object:
    """Return numbers with nine significant digits."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def golden() -> dict[str, object]:
    """Return what the file holds."""
    return {"fields": fields(), "trajectories": trajectories(), "training": training()}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(rounded(golden()), separators=(",", ":")) + "\n")
