"""Quality against evaluations: the adaptive SDE beside Euler–Maruyama on exact scores, multistep methods and grids on `mnist`.

    python -m benchmarks.race exact all
    python -m benchmarks.race mnist all --data-dir data

Each writes its part of results/race.json; errors are what is left beyond that of as many draws of the target itself.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from scorefield import (
    EDM,
    VP,
    DPMpp2M,
    EulerMaruyama,
    Exact,
    GaussianMixture,
    Grid,
    Karras,
    LogSNR,
    Sampler,
    Uniform,
    load_model,
    sample,
)
from scorefield.evaluation.data import real_data
from scorefield.metrics import frechet_distance
from scorefield.pretrained import load_judge
from scorefield.samplers import AdaptiveSDE, Multistep

RESULTS = Path(__file__).parents[1] / "results" / "race.json"
RING = GaussianMixture.ring(modes=8, radius=1.0, std=0.2)
SHARP = GaussianMixture.ring(modes=8, radius=1.0, std=0.05)
EXACT = {
    "ring, EDM, log-SNR grid": (RING, EDM(sigma_min=0.01, sigma_max=40.0), LogSNR),
    "sharp ring, EDM, log-SNR grid": (SHARP, EDM(sigma_min=0.01, sigma_max=40.0), LogSNR),
    "ring, VP, uniform grid": (RING, VP(), Uniform),
    "sharp ring, VP, uniform grid": (SHARP, VP(), Uniform),
}
TOLERANCES, STEPS = (0.2, 0.1, 0.05), (10, 20, 40, 80, 160, 320)
SEEDS = 3
DRAWS, DIGITS = 8000, 2000
TRANSITIONS = 10  # twelve evaluations, with the closing denoising and one for the decoder of bytes; unguided, as the guide costs as much
CONFIGURED = "as configured"
RULES: dict[str, Sampler] = {
    "dpmpp2m": DPMpp2M(),
    "dpmpp3m": Multistep("dpmpp3m"),
    "unipc": Multistep(),
    "ipndm": Multistep("ipndm"),
}
GRIDS = ("Karras", "noise", "data")
DRAWN = (*(f"{rule} {grid}" for rule in RULES for grid in GRIDS), CONFIGURED)


def error(x: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the mean over 32 directions of W₂² between projections of x and of the truth."""
    angles = torch.linspace(0, torch.pi, 33)[:-1]
    along = torch.stack([angles.cos(), angles.sin()])
    levels = ((torch.arange(len(x)) + 0.5) * (len(truth) / len(x))).long()
    drawn, expected = (points.float() @ along for points in (x, truth))
    return (drawn.sort(dim=0)[0] - expected.sort(dim=0)[0][levels]).square().mean().item()


def exact(name: str) -> None:
    """Measure evaluations and errors of both samplers on a target."""
    target, process, grid = EXACT[name]
    model, truth = Exact(target, process), target.sample(100_000, torch.Generator().manual_seed(1))
    floor = torch.tensor(
        [error(target.sample(DRAWS, torch.Generator().manual_seed(2 + k)), truth) for k in range(SEEDS)]
    )
    runs: list[tuple[str, Sampler, Grid]] = [
        (f"tolerance {tol:g}", AdaptiveSDE(tol, tol / 5), LogSNR(1)) for tol in TOLERANCES
    ]
    runs += [(f"{steps} steps", EulerMaruyama(), grid(steps)) for steps in STEPS]
    rows: list[dict[str, Any]] = []
    for label, sampler, along in runs:
        drawn = [sample(model, sampler, (DRAWS, 2), grid=along, seed=seed) for seed in range(SEEDS)]
        errors = torch.tensor([error(one.x, truth) for one in drawn]) - floor.mean()
        rows.append(
            {
                "sampler": type(sampler).__name__,
                "setting": label,
                "evaluations": sum(one.evaluations for one in drawn) / SEEDS,
                "error": errors.mean().item(),
                "standard error": torch.cat([errors - errors.mean(), floor - floor.mean()]).std().item()
                * (2 / SEEDS) ** 0.5,
            }
        )
        print(name, rows[-1], flush=True)
        save("exact", {name: {"n": DRAWS, "seeds": SEEDS, "rows": rows}})


def digits(chosen: str, data_dir: str | None) -> None:
    """Measure the FID of the shipped model by the shipped judge, drawn by one sampler along one grid."""
    loaded, judge = load_model("mnist"), load_judge("mnist-judge")
    data = real_data(loaded.config.data.at(data_dir), loaded.drawn, DIGITS)
    sampler = grid = guide = None
    if chosen != CONFIGURED:
        rule, name = chosen.split()
        sampler, grid, guide = RULES[rule], Karras(TRANSITIONS), 0.0
        if name != "Karras":  # fitted to the paths of D or of the noise
            grid = Grid.fit(loaded.steered(guide=guide), TRANSITIONS, loaded.event, of=name, paths=8)  # pyright: ignore[reportArgumentType]  checked there
    drawn = loaded.sample(DIGITS, sampler=sampler, grid=grid, guide=guide)
    real, seen = judge.features(data.reference.scaled()), judge.features(data.on_scale(drawn.x))
    found = frechet_distance(seen, real)
    row = {"evaluations": drawn.evaluations, "FID": found.value, "error": found.error, "n": DIGITS}
    print(chosen, row, flush=True)
    save("mnist", {chosen: row})


def save(part: str, found: dict[str, Any]) -> None:
    """Write what was found beside what is there."""
    there = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(there | {part: there.get(part, {}) | found}, indent=1) + "\n")


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=("exact", "mnist"))
    parser.add_argument("which", help="a target, a sampler and its grid, or all; they may be measured side by side")
    parser.add_argument("--data-dir", help="where MNIST is")
    args = parser.parse_args()
    for one in (EXACT if args.part == "exact" else DRAWN) if args.which == "all" else [args.which]:
        if args.part == "exact":
            exact(one)
        else:
            digits(one, args.data_dir)


if __name__ == "__main__":
    main()
