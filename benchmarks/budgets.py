"""What 4 to 64 network evaluations buy: each sampler on an exact score, on a learned one, and a few on the shipped `mnist`.

    python -m benchmarks.budgets exact learned
    python -m benchmarks.budgets mnist --data-dir data

Each writes its part of results/budgets.json, from which docs/choosing.md is made and to which `scorefield.samplers.within` is held.
"""

import argparse
import json
from pathlib import Path

import torch

from scorefield import (
    DDIM,
    DSM,
    MLP,
    VE,
    Ancestral,
    AnnealedLangevin,
    Denoiser,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Exact,
    GaussianMixture,
    Grid,
    Heun,
    Karras,
    Ladder,
    LangevinCorrector,
    LogNormal,
    LogSNR,
    PredictorCorrector,
    ReverseDiffusion,
    Sampler,
    ScoreModel,
    edm_weight,
    energy_distance,
    fit,
    geometric,
    load_model,
    sample,
)
from scorefield.evaluation.data import real_data
from scorefield.metrics import Estimate, frechet_distance
from scorefield.pretrained import load_judge
from scorefield.samplers import Multistep, within

RESULTS = Path(__file__).parents[1] / "results" / "budgets.json"
RING, PROCESS = GaussianMixture.ring(), VE(0.01, 20.0)
DRAWS, DIGITS = 3000, 500
BUDGETS = (4, 8, 16, 32, 64)
OF_DIGITS = (4, 8)  # results/race.json has 12, and results/reproduce/mnist-samplers 10, 20, 40 and 80
TRUTH, WITHIN = "truth", "within"
USUAL: dict[str, tuple[Sampler, str]] = {
    "Heun": (Heun(), "karras"),
    "Euler": (Euler(), "karras"),
    "DPMpp2M": (DPMpp2M(), "karras"),
    "Multistep": (Multistep(), "karras"),
    "DDIM": (DDIM(eta=0.5), "karras"),
    "EulerMaruyama": (EulerMaruyama(), "log_snr"),
    "ReverseDiffusion": (ReverseDiffusion(), "log_snr"),
    "Ancestral": (Ancestral(), "log_snr"),
    "PredictorCorrector": (PredictorCorrector(ReverseDiffusion(), LangevinCorrector()), "log_snr"),
    "AnnealedLangevin(repeats=2)": (AnnealedLangevin(0.5 * 0.01**2, repeats=2), "ladder"),
}
"""Each with its usual grid; some on another beside."""
FITTED: dict[str, tuple[Sampler, str]] = {
    f"{name}, Grid.fit": (sampler, "fitted") for name, (sampler, _) in USUAL.items() if name in ("Heun", "Multistep")
}


def plane(model: ScoreModel) -> dict[str, dict[int, Estimate]]:
    """Return the energy distance to the truth of what each sampler draws for each budget, and of draws of the truth."""
    alone = energy_distance(RING.sample(DRAWS, torch.Generator().manual_seed(2)), _truth())
    found = {TRUTH: dict.fromkeys(BUDGETS, alone)}
    for name in (*USUAL, *FITTED, WITHIN):
        found[name] = {budget: bought(name, budget, model) for budget in BUDGETS}
        print(name, {budget: round(1e3 * at.value, 1) for budget, at in found[name].items()}, flush=True)
    return found


def bought(name: str, budget: int, model: ScoreModel) -> Estimate:
    """Return the energy distance to the truth of what a sampler draws for a budget."""
    if name == WITHIN:
        sampler, grid = within(budget, model, (2,))
    else:
        sampler, kind = {**USUAL, **FITTED}[name]
        grid = _grid(kind, max(1, int((budget - 1) // sampler.evaluations)), sampler, model)
    return energy_distance(sample(model, sampler, (DRAWS, 2), grid=grid).x, _truth())


def _truth() -> torch.Tensor:
    """Return draws of the truth, with which all others are compared."""
    return RING.sample(DRAWS, torch.Generator().manual_seed(1))


def _grid(kind: str, steps: int, sampler: Sampler, model: ScoreModel) -> Grid:
    """Return a grid by the name of its kind."""
    if kind == "fitted":
        return Grid.fit(model, steps, (2,), of=sampler.extrapolates)
    levels = geometric(20.0, 0.01, steps)
    return {"karras": Karras(steps), "log_snr": LogSNR(steps), "ladder": Ladder(levels)}[kind]


def exact() -> ScoreModel:
    """Return the true score."""
    return Exact(RING, PROCESS)


def learned() -> ScoreModel:
    """Return a small network trained for 4000 steps."""
    torch.manual_seed(0)
    model = Denoiser(MLP(dim=2), PROCESS, sigma_data=2.8)
    fit(model, RING, DSM(LogNormal(-0.7, 1.5), edm_weight(2.8)), steps=4000, learning_rate=3e-3)
    return model


def digits(data_dir: str | None) -> dict[str, dict[int, Estimate]]:
    """Return the FID of the shipped model by the shipped judge, of what a few samplers draw without its guide, and of training digits."""
    loaded, judge = load_model("mnist"), load_judge("mnist-judge")
    data = real_data(loaded.config.data.at(data_dir), loaded.drawn, DIGITS)
    real = judge.features(data.reference.scaled())
    found = {TRUTH: dict.fromkeys(OF_DIGITS, frechet_distance(judge.features(data.real.scaled()), real))}
    for name in ("Heun", "Euler", "DPMpp2M", WITHIN):
        found[name] = {}
        for budget in OF_DIGITS:
            if name == WITHIN:
                drawn = loaded.sample(DIGITS, evaluations=budget, guide=0.0)
            else:
                sampler, _ = USUAL[name]
                steps = int((budget - 2) // sampler.evaluations)  # but the closing denoising and the decoder of bytes
                drawn = loaded.sample(DIGITS, sampler=sampler, grid=Karras(steps), guide=0.0)
            found[name][budget] = frechet_distance(judge.features(data.on_scale(drawn.x)), real)
            print(name, budget, drawn.evaluations, found[name][budget], flush=True)
    return found


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", nargs="+", choices=("exact", "learned", "mnist"))
    parser.add_argument("--data-dir", help="where MNIST is")
    args = parser.parse_args()
    for part in args.part:
        found = digits(args.data_dir) if part == "mnist" else plane({"exact": exact, "learned": learned}[part]())
        rows = {
            name: {budget: {"value": at.value, "error": at.error} for budget, at in by.items()}
            for name, by in found.items()
        }
        there = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        measured = {"n": DIGITS if part == "mnist" else DRAWS, "rows": rows}
        RESULTS.write_text(json.dumps(there | {part: measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
